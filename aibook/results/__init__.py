"""The book's records, held against their bands and shown beside their studies and the published figures."""
