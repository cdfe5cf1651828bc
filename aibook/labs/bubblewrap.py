"""The command line of a box: what is visible in bubblewrap's namespaces, as whom code runs there, and its limits."""

import os
import resource
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MB = 2**20
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
# Read by the linker, by glibc for local time, and by torch for the number of processors.
ALSO = ("/etc/ld.so.cache", "/etc/localtime", "/sys/devices/system/cpu")


class SandboxError(Exception):
    """No sandbox can be had on this machine; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Limits:
    """What the code in a sandbox may use. Every limit has a test that hits it."""

    cpu_seconds: int = 120  # of each process
    wall_seconds: float = 600  # of the whole sandbox
    memory_mb: int = 3000  # resident, of all its processes
    address_mb: int = 16_000  # of each process; torch does not import under 4 GB
    processes: int = 96  # threads count
    file_mb: int = 128  # each file
    disk_mb: int = 256  # /tmp, which is memory
    output_mb: int = 32  # printed, in all
    kept_bytes: int = 8_000  # of what is printed, its beginning


def bubblewrap(files: Mapping[str, Path], environment: Mapping[str, str], limits: Limits) -> list[str]:
    """The command line before the command: what is visible inside, and as whom it runs."""
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxError("there is no bubblewrap (bwrap) on this machine: sudo apt install bubblewrap")
    root = os.geteuid() == 0
    line = [program, "--die-with-parent", "--new-session", "--clearenv"]
    # As root no user namespace: there, no other user than root would exist.
    line += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    line += [] if root else ["--unshare-user"]
    for name, value in environment.items():
        line += ["--setenv", name, value]
    shown = {path: Path(path) for path in (*pythons(), *ALSO) if Path(path).exists()} | dict(files)
    parents = {parent for path in shown for parent in Path(path).parents} - {Path("/"), Path("/tmp")}
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            line += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            line += ["--ro-bind", str(path), str(path)]
    line += ["--proc", "/proc", "--dev", "/dev"]
    line += ["--size", str(16 * MB), "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    line += ["--size", str(limits.disk_mb * MB), "--perms", "1777", "--tmpfs", "/tmp"]
    for parent in sorted(parents):  # bubblewrap would make them for its own user only
        line += ["--perms", "0755", "--dir", str(parent)]
    for path, outside in shown.items():
        line += ["--ro-bind", str(outside), str(path)]
    line += ["--remount-ro", "/", "--chdir", "/tmp", "--"]
    line += prlimit(limits)
    if root:
        user = str(free_user())
        line += ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs"]
        line += ["--bounding-set=-all", "--inh-caps=-all", "--"]
    return line


def clean_environment() -> dict[str, str]:
    one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
    return one | {
        "HOME": "/tmp", "LANG": "C.UTF-8", "LOGNAME": "student", "MPLBACKEND": "agg", "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1", "TMPDIR": "/tmp",
        "USER": "student",
    }  # fmt: skip


def pythons() -> list[str]:
    """The folders of this Python and its packages that are not in the system's."""
    found = {str(Path(prefix).resolve()) for prefix in (sys.prefix, sys.base_prefix)}
    found |= {sys.prefix, sys.base_prefix}
    return sorted(path for path in found if not path.startswith(("/usr/", "/bin/")) and path != "/usr")


def free_user() -> int:
    """A user id of nobody's, drawn from the ids that this container has: the limit on processes counts by user."""
    ranges = [[int(number) for number in line.split()] for line in Path("/proc/self/uid_map").read_text().splitlines()]
    first, _, count = max(ranges, key=lambda part: part[2])
    high = min(first + count, 2**31) - 1
    low = min(max((first + high) // 2, 2000), high)
    return low + secrets.randbelow(high - low + 1)


def rlimits(limits: Limits) -> dict[str, tuple[int, int]]:
    """The limits that a process and its children inherit: prlimit's name -> number, value."""
    wanted = {
        "nproc": (resource.RLIMIT_NPROC, limits.processes),
        "as": (resource.RLIMIT_AS, limits.address_mb * MB),
        "cpu": (resource.RLIMIT_CPU, limits.cpu_seconds),
        "fsize": (resource.RLIMIT_FSIZE, limits.file_mb * MB),
        "nofile": (resource.RLIMIT_NOFILE, 256),
        "core": (resource.RLIMIT_CORE, 0),
    }
    most = {name: resource.getrlimit(number)[1] for name, (number, _) in wanted.items()}  # only root may raise it
    return {
        name: (number, value if most[name] == resource.RLIM_INFINITY else min(value, most[name]))
        for name, (number, value) in wanted.items()
    }


def prlimit(limits: Limits) -> list[str]:
    """The command that sets them before it becomes another."""
    program = shutil.which("prlimit")
    if program is None:
        return []  # no Linux, so no sandbox either
    return [program, *(f"--{name}={value}:{value}" for name, (_, value) in rlimits(limits).items()), "--"]
