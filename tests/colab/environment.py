"""An environment like Colab's: its Python where this machine has it, its packages from `colab-requirements.txt`."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from aibook import house

REQUIREMENTS = Path(__file__).with_name("colab-requirements.txt")
PYTHONS = ("3.13", "3.12", "3.11")
FOLDER = house.BUILD / "colab-env"


def interpreter() -> str:
    """Path of the first of Colab's Python version and the ones before it that this machine has."""
    for version in PYTHONS:
        found = subprocess.run(_uv("python", "find", "--no-python-downloads", version), capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.strip()
        if installed := sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3")):
            return str(installed[-1])
    return sys.executable


def build() -> Path:
    """The environment's Python. It is built once (about 6 GB) and kept until its requirements change."""
    python = interpreter()
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + python.encode()).hexdigest()[:12]
    folder = FOLDER / key
    complete = folder / ".complete"
    if not complete.exists():
        shutil.rmtree(FOLDER, ignore_errors=True)
        subprocess.run(_uv("venv", "--quiet", "--python", python, str(folder)), check=True)
        install = ("pip", "install", "--quiet", "--compile-bytecode", "--python", str(folder / "bin" / "python"))
        subprocess.run(_uv(*install, "--requirement", str(REQUIREMENTS)), check=True)
        _detectron2(folder / "bin" / "python")
        complete.touch()
    return folder / "bin" / "python"


def _detectron2(python: Path) -> None:
    """What the chapter's own cell builds in Colab, here also where GitHub is out of reach."""
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([sys.executable, "-m", "aibook.detectron2.command", site], cwd=house.ROOT, check=True)


def versions(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """Installed versions of `packages`, read without importing them."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    output = subprocess.run([python, "-c", code, *packages], check=True, capture_output=True, text=True).stdout
    return dict(zip(packages, output.split(), strict=True))


def _uv(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "uv", *arguments]
