"""Runs a package manager's own client, which knows the reader's mirrors, proxies and certificates."""

import os
import subprocess
import time
from pathlib import Path

from helpers.data.errors import NoSpaceError, SourceError
from helpers.data.progress import bar


def run(command: list[str], workspace: Path, label: str, size: int) -> None:
    """Run `command` in `workspace` with a progress bar towards `size` bytes in there.

    Raises SourceError with the client's own words when it fails, NoSpaceError when the disk is full. The client is
    gone when this returns or raises, an interrupt from the keyboard included.
    """
    log = workspace / "client.log"
    # The client's temporary files count as progress and go with the workspace, whatever becomes of the client.
    environment = os.environ | {"TMPDIR": str(workspace), "LC_ALL": "C.UTF-8"}
    with log.open("wb") as output:
        try:
            client = subprocess.Popen(
                command, cwd=workspace, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        except FileNotFoundError as error:
            raise SourceError(f"{command[0]} is not on this machine") from error
        try:
            with bar(label, size) as progress:
                while client.poll() is None:
                    progress.update(min(_bytes_below(workspace), size) - progress.n)
                    time.sleep(0.05)
        finally:
            if client.poll() is None:
                client.kill()
                client.wait()
    if client.returncode:
        words = log.read_text(encoding="utf-8", errors="replace")
        if "No space left on device" in words:
            raise NoSpaceError(f"the disk of {workspace} is full. {NoSpaceError.REMEDY}")
        raise SourceError(_reason(words) or f"{command[0]} ended with status {client.returncode}")


def _reason(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR:", "E:"))]
    return " ".join((errors or lines)[-2:])


def _bytes_below(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:  # the client moved it meanwhile
                continue
    return total
