"""Execution of notebooks: each in a process of its own, watched, its outputs normalised and stamped."""

import sys

# jsonschema, and so nbformat, imports this package where it is installed, to check international web addresses that no
# notebook has; compiling its grammar takes more than a second, in each process. None makes it count as not installed.
sys.modules.setdefault("rfc3987_syntax", None)
