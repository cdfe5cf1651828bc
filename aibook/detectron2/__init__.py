"""`aibook detectron2`: brings Detectron2 (Wu et al. 2019), which no package registry carries in an official form.

- `here`: which Detectron2 this Python has, read from its files; nothing of it is imported.
- `official`: its own source, at a fixed commit, compiled; where GitHub answers and there are git and a compiler.
- `package`: otherwise a package from the registry, verified by its checksum, of which only the Python code is unpacked.
  That code is the same commit's but for three trivial lines, and what the book uses of it needs nothing compiled.
"""

# The last commit before the package was made; fingerprints take it for Detectron2's version.
COMMIT = "a59f05630a8f205756064244bf5beb8661f96180"
SOURCE = "git+https://github.com/facebookresearch/detectron2"
COMMAND = "aibook detectron2"


class Unavailable(RuntimeError):
    """Detectron2 could not be had; the message says what was tried and what to do next."""
