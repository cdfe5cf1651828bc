"""The workshop: executes, translates, builds, checks and grades the book."""
