"""Builds the book's site, one edition per language, and shows it on this machine."""
