"""Execution of notebooks: each in a process of its own, watched, its outputs normalised and stamped."""
