"""Editions made from the one source: what Colab opens, and the wheel that its first cell installs."""
