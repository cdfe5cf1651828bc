"""What tests of the sandbox need of the machine: without bubblewrap they are left out, in CI they fail."""

import os

import pytest

from aibook.labs import sandbox, warm

CI = os.environ.get("CI") == "true"
MISSING = "" if CI else sandbox.probe()
COLD = "" if CI or MISSING else warm.probe()
needed = pytest.mark.skipif(bool(MISSING), reason=f"no sandbox here: {MISSING}")
needs_warm = pytest.mark.skipif(bool(COLD), reason=f"sandboxes start cold here: {COLD}")
