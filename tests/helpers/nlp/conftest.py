"""What the tests of the figures share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def closed():
    """No figure outlives the test that drew it."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):  # a test that draws nothing need not load it
        pyplot.close("all")
