"""Language: texts as numbers, batches of texts, pretrained models, and the figures of the chapters on NLP."""
