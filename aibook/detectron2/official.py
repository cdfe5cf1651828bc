"""Detectron2's official source, compiled by pip against the torch that is here."""

import os
import shutil
import subprocess
import sys

from aibook.detectron2 import COMMIT, SOURCE, Unavailable

PATIENCE = 8  # seconds in which GitHub has to answer
COMPILERS = ("c++", "g++", "clang++")


def lacking() -> str:
    """Why the source cannot be built here; empty where it can be tried."""
    if not shutil.which("git"):
        return "git is not installed"
    if not any(map(shutil.which, [*os.environ.get("CXX", "").split()[:1], *COMPILERS])):
        return "there is no C++ compiler"
    # git itself asks, so that the reader's proxy and certificates count.
    ask = ["git", "ls-remote", "--quiet", SOURCE.removeprefix("git+"), "HEAD"]
    quiet = os.environ | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        asked = subprocess.run(ask, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, env=quiet)
    except subprocess.TimeoutExpired:
        return f"GitHub did not answer within {PATIENCE} s"
    return "GitHub does not answer" if asked.returncode else ""


def build() -> None:
    """Compile and install it. Raises Unavailable with pip's last words."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Its dependencies are in the lock, and its set-up imports the torch that it is compiled against.
    command += ["--no-deps", "--no-build-isolation", f"{SOURCE}@{COMMIT}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        words = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise Unavailable(f"it could not be built: {words[-1]}")
