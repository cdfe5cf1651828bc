"""`aibook doctor`: what this machine has and lacks; for each lack what it costs, and how to get it."""

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from aibook import house
from aibook.detectron2 import COMMAND, here
from aibook.execute import machine

OLDEST = (3, 11)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ENVIRONMENT_GB = 8.0
# Groups of the lock, each known by packages that only it brings.
GROUPS = {"site": ("jupyter-book", "polib"), "book": ("papermill", "torch"), "tests": ("pytest", "playwright")}
PROBE_TORCH = "import torch; print(torch.__version__, torch.cuda.is_available() and torch.cuda.get_device_name(0))"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for. `cost` and `remedy` are empty where nothing is lacking."""

    name: str
    ok: bool
    found: str
    cost: str = ""
    remedy: str = ""


def main(*, as_json: bool = False) -> int:
    """Print the findings; exit status 1 only where Python is too old for anything to work."""
    found = findings()
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], ensure_ascii=False, indent=2))
    else:
        _show(found)
    return 0 if sys.version_info >= OLDEST else 1


def findings() -> list[Finding]:
    """Everything that is looked for, in the order in which it is shown."""
    machine_ = [python(), processor(), cores(), memory(), disk(), gpu(), sandbox(), browser()]
    return [*machine_, *groups(), detectron2(), *data()]


def python() -> Finding:
    text = f"{platform.python_version()} in {sys.prefix}"
    if sys.version_info >= OLDEST:
        return Finding("Python", True, text)
    return Finding("Python", False, text, "nothing works", "install Python 3.11 or newer: make book PYTHON=python3.12")


def processor() -> Finding:
    flags = _cpu_flags()
    has = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    if _apple_chip():
        return Finding("processor", True, machine.processor())
    text = f"{machine.processor()} ({', '.join(has) or 'no AVX known'})"
    if {"avx512_bf16", "amx_bf16"} & flags:
        return Finding("processor", True, text)
    return Finding(
        "processor", False, text,
        "no fast bf16: convolutional networks train about twice as long; results are the same within their bands",
        "a machine with AVX512-bf16 or AMX (AMD Zen 4, Intel Sapphire Rapids, or newer), or Colab",
    )  # fmt: skip


def cores() -> Finding:
    count = machine.cores()
    if count >= 2:
        return Finding("cores", True, f"{count} usable")
    return Finding("cores", False, "1 usable", "everything takes twice as long", "a machine with two cores or more")


def memory() -> Finding:
    available = machine.memory_mb()
    text = f"{available / 1024:.1f} GB free"
    if available >= machine.USUAL_MB:
        return Finding("memory", True, text)
    cost = "a notebook may be killed while it is executed"
    return Finding("memory", False, text, cost, f"close programs until {machine.USUAL_MB / 1024:.0f} GB are free")


def disk() -> Finding:
    free = shutil.disk_usage(house.ROOT).free / 2**30
    if free >= ENVIRONMENT_GB or importlib.util.find_spec("torch"):
        return Finding("disk", True, f"{free:.1f} GB free")
    cost = "the whole environment does not fit: the site can be built, notebooks cannot be executed"
    return Finding("disk", False, f"{free:.1f} GB free", cost, f"free {ENVIRONMENT_GB:.0f} GB where the book is")


def gpu() -> Finding:
    cost = "nothing in the profile laptop; the profile full trains on the processor, many times slower"
    name = _output(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"])
    if not name:
        return Finding("GPU", False, "none of NVIDIA's", cost, "a machine with an NVIDIA GPU and its driver, or Colab")
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", True, f"{name} (torch is not installed, so not tried)")
    seen = _output([sys.executable, "-c", PROBE_TORCH], timeout=120)
    if seen and not seen.endswith("False"):
        return Finding("GPU", True, f"{name}; torch {seen}")
    remedy = "a driver that fits torch's CUDA version: see the output of nvidia-smi"
    return Finding("GPU", False, f"{name}, but torch cannot use it", cost, remedy)


def sandbox() -> Finding:
    cost = "labs can be released, but not graded: a student's code does not run without a sandbox"
    if sys.platform == "darwin":
        remedy = "labs are graded on Linux: there, or in a virtual machine or container of it"
        return Finding("sandbox", False, "no bubblewrap on macOS", cost, remedy)
    if not shutil.which("bwrap"):
        remedy = "install bubblewrap: sudo apt install bubblewrap"
        return Finding("sandbox", False, "no bubblewrap (bwrap)", cost, remedy)
    from aibook.labs import sandbox, warm

    if not (wrong := sandbox.probe()):
        found = f"bubblewrap works ({_output(['bwrap', '--version'])})"
        if cold := warm.probe():
            found += f"; each submission imports torch anew, which takes seconds: {cold}"
        return Finding("sandbox", True, found)
    if "Permission denied" in wrong and "namespace" not in wrong:
        remedy = f"let every user read this Python and its packages: chmod -R a+rX {sys.prefix}"
        return Finding("sandbox", False, f"Python does not start in bubblewrap: {wrong}", cost, remedy)
    remedy = "let users make namespaces: sudo sysctl kernel.unprivileged_userns_clone=1, and on Ubuntu 24.04 or newer "
    remedy += "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0; in a container, start it with --privileged"
    return Finding("sandbox", False, f"bubblewrap fails: {wrong}", cost, remedy)


def browser() -> Finding:
    for name in BROWSERS:
        if path := shutil.which(name):
            return Finding("browser", True, path)
    cost = "the built site cannot be tested in a browser; those tests are skipped"
    remedy = "brew install chromium" if sys.platform == "darwin" else "sudo apt install chromium"
    return Finding("browser", False, "no Chromium", cost, f"install it: {remedy}")


def groups() -> list[Finding]:
    """Which groups of the lock are installed."""
    costs = {
        "site": ("the site cannot be built", "make book"),
        "book": ("notebooks cannot be executed; building from committed outputs works", "make environment"),
        "tests": ("the tests cannot be run", "make environment"),
    }
    found = []
    for group, packages in GROUPS.items():
        missing = [package for package in packages if not _installed(package)]
        if missing:
            found.append(Finding(f"packages: {group}", False, f"no {', '.join(missing)}", *costs[group]))
        else:
            versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
            found.append(Finding(f"packages: {group}", True, versions))
    return found


def detectron2() -> Finding:
    """Which Detectron2 is here: the official one or the package's Python code."""
    if found := here.find():
        return Finding("Detectron2", True, str(found))
    return Finding("Detectron2", False, "not here", "the chapter on Detectron2 cannot be executed", COMMAND)


def data() -> list[Finding]:
    """Which registered data sets are in the cache."""
    from helpers.data import entries
    from helpers.data.fetching import cached

    found = []
    for name, entry in entries().items():
        size = f"{entry.variants[0].size / 1e6:,.0f} MB"
        if cached(entry):
            found.append(Finding(f"data: {name}", True, f"in the cache ({size})"))
        else:
            cost = f"{size} are fetched when a notebook first needs them"
            found.append(Finding(f"data: {name}", False, "not here", cost, f"aibook data fetch {name}"))
    return found


def _show(found: list[Finding]) -> None:
    table = Table(Column("", width=1), Column("", no_wrap=True), Column("", overflow="fold"), show_header=False)
    for finding in found:
        text = escape(finding.found)
        if not finding.ok:
            text += f"\n[yellow]costs:[/] {escape(finding.cost)}\n[cyan]get it:[/] {escape(finding.remedy)}"
        table.add_row("[green]✓[/]" if finding.ok else "[yellow]✗[/]", finding.name, text)
    Console().print(table)


def _cpu_flags() -> set[str]:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return set(line.partition(":")[2].split())
    except OSError:
        pass  # not Linux
    return set()


def _apple_chip() -> bool:
    """Whether this is one of Apple's own processors, to which AVX and AMX say nothing."""
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _output(command: list[str], timeout: float = 20) -> str:
    """What a command prints; empty where it is missing or fails."""
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""
