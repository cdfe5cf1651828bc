"""What tests of the sandbox need of the machine: without bubblewrap they are left out, in CI they fail."""

import os

import pytest

from aibook.labs import sandbox

MISSING = "" if os.environ.get("CI") == "true" else sandbox.probe()
needed = pytest.mark.skipif(bool(MISSING), reason=f"no sandbox here: {MISSING}")
