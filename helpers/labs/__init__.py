"""What the graded labs import: checks that say what is still wrong in the field's words, never the answer."""
