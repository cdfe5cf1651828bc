"""What the book's notebooks import: data, training, evaluation, plotting, records, and the models by part."""

__version__ = "0.1.0"
