"""A box for code that nobody has read: bubblewrap's namespaces, an unprivileged user, and limits that are enforced.

Inside there is a read-only system, this Python with its packages, the files that are given to it, and a small `/tmp`
in memory. There is no network, no environment, no other process and nothing of the grader. What a namespace cannot
bound (memory that is really used, seconds, printed output) is watched from outside, where the code cannot reach.

Started by root, bubblewrap binds first and `setpriv` then becomes a user who exists nowhere else: the limit on
processes does not bind root, and it counts all processes of a user.
"""

import contextlib
import os
import resource
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

MB = 2**20
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
# Read by the linker, by glibc for local time, and by torch for the number of processors.
ALSO = ("/etc/ld.so.cache", "/etc/localtime", "/sys/devices/system/cpu")
LOOK = 0.1  # seconds between two looks of the watch


class SandboxError(Exception):
    """No sandbox can be had on this machine; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Limits:
    """What the code in a sandbox may use. Every limit has a test that hits it."""

    cpu_seconds: int = 120  # of each process
    wall_seconds: float = 600  # of the whole sandbox
    memory_mb: int = 3000  # resident, of all its processes, its /tmp included
    address_mb: int = 16_000  # of each process; torch does not import under 4 GB
    processes: int = 96  # threads count
    file_mb: int = 128  # each file
    disk_mb: int = 256  # /tmp, which is memory
    output_mb: int = 32  # printed, in all
    kept_bytes: int = 8_000  # of what is printed, its beginning


class Sandbox:
    """A running sandbox: `stdin` and `stdout` are pipes to it, what it prints on stderr is bounded and kept.

    `ended_by` is empty, or names the limit that ended it: "memory", "output" or "time". Use as a context manager;
    nothing of it is left afterwards.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        files: Mapping[str, Path] | None = None,
        environment: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        unsafe: bool = False,
    ) -> None:
        """Start `command`.

        files: what to show inside, read-only: path inside -> file or folder outside, readable by everyone.
        environment: added to the clean one.
        unsafe: run without bubblewrap, as the user who calls, with everything in reach; only resource limits hold.

        Raises SandboxError where bubblewrap is missing.
        """
        self.limits = limits or Limits()
        self.ended_by = ""
        self.printed = 0
        self.peak_mb = 0.0
        self._kept = bytearray()
        self._seconds: dict[psutil.Process, float] = {}
        self._began = time.monotonic()
        environment = {**_environment(), **(environment or {})}
        before = _prlimit(self.limits) if unsafe else bubblewrap(files or {}, environment, self.limits)
        self._home = tempfile.mkdtemp(prefix="aibook-unsafe-") if unsafe else None
        self.process = subprocess.Popen(
            [*before, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            env=environment if unsafe else {"PATH": os.defpath}, cwd=self._home or "/", start_new_session=True,
        )  # fmt: skip
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """End every process in it, and wait until they are gone."""
        tree = self._tree()
        self._kill()
        self.process.wait()
        psutil.wait_procs(tree, timeout=5)
        self._over.set()
        self._watch.join()
        for stream in (self.stdin, self.stdout, self.process.stderr):
            with contextlib.suppress(OSError):  # a pipe whose other end is gone cannot be flushed
                stream.close()
        if self._home:
            shutil.rmtree(self._home, ignore_errors=True)

    @property
    def output(self) -> str:
        """The beginning of what was printed."""
        return self._kept.decode("utf-8", "replace")

    def cpu_seconds(self) -> float:
        """CPU seconds of all its processes so far."""
        self._measure()
        return self.measured_seconds

    @property
    def measured_seconds(self) -> float:
        """The same as the watch has last seen it, a moment ago: it costs no look at all processes of the machine."""
        return sum(self._seconds.copy().values())

    def end(self, why: str) -> None:
        """End it for a reason that the watch does not know, such as a call that takes too long."""
        self.ended_by = self.ended_by or why
        self._kill()

    def _look(self) -> None:
        """Drain what is printed and hold the limits, until it is over."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stderr, selectors.EVENT_READ)
            measured = 0.0
            while not self._over.is_set():
                if selector.get_map() and selector.select(LOOK):
                    self._drain(selector)
                elif not selector.get_map():
                    self._over.wait(LOOK)
                now = time.monotonic()
                if now - measured >= LOOK:
                    measured = now
                    self._measure()
                    if now - self._began > self.limits.wall_seconds:
                        self.end("time")

    def _drain(self, selector: selectors.BaseSelector) -> None:
        chunk = os.read(self.process.stderr.fileno(), 2**16)
        if not chunk:
            selector.unregister(self.process.stderr)
            return
        self.printed += len(chunk)
        self._kept += chunk[: max(0, self.limits.kept_bytes - len(self._kept))]
        if self.printed > self.limits.output_mb * MB:
            self.end("output")

    def _tree(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.Error:
            return []

    def _measure(self) -> None:
        tree, resident = self._tree(), 0
        for process in tree:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    self._seconds[process] = times.user + times.system
                    resident += process.memory_info().rss
            except psutil.Error:
                continue
        if resident > self.limits.memory_mb * MB and len(tree) > 3:  # bubblewrap's two and one: shared pages count once
            resident = sum(map(_proportional, tree))
        self.peak_mb = max(self.peak_mb, resident / MB)
        if resident > self.limits.memory_mb * MB:
            self.end("memory")

    def _kill(self) -> None:
        # The first process inside takes all others with it; bubblewrap's own monitor goes last.
        for process in reversed(self._tree()):
            try:
                process.kill()
            except psutil.Error:
                continue
        with contextlib.suppress(ProcessLookupError, PermissionError):  # gone by now
            os.killpg(self.process.pid, signal.SIGKILL)


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
    shown = {path: Path(path) for path in (*_pythons(), *ALSO) if Path(path).exists()} | dict(files)
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
    line += _prlimit(limits)
    if root:
        user = str(_free_user())
        line += ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs"]
        line += ["--bounding-set=-all", "--inh-caps=-all", "--"]
    return line


def probe() -> str:
    """Run a sandbox; empty if this Python works in it, otherwise what went wrong."""
    quick = replace(Limits(), wall_seconds=30)
    own = {
        path.parts[2] for path in map(Path, _pythons()) if path.parts[1] == "tmp"
    }  # this Python, should it live there
    program = f"import ctypes, os, sys; assert sys.prefix == {sys.prefix!r}, 'this Python loses its packages there'; "
    program += f"print(os.getuid(), sorted({{*os.listdir('/tmp')}} - {own!r}), flush=True)"
    try:
        with Sandbox([sys.executable, "-c", program], limits=quick) as box:
            said = box.stdout.read().decode()
            box.process.wait()
            time.sleep(2 * LOOK)
            error = box.output.strip()
    except (OSError, SandboxError) as caught:
        return str(caught)
    if said.endswith("[]\n") and not said.startswith("0 "):
        return ""
    return error.splitlines()[-1] if error else f"it ended with status {box.process.returncode} and said {said!r}"


def _environment() -> dict[str, str]:
    one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
    return one | {
        "HOME": "/tmp", "LANG": "C.UTF-8", "LOGNAME": "student", "MPLBACKEND": "agg", "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "TMPDIR": "/tmp", "USER": "student",
    }  # fmt: skip


def _pythons() -> list[str]:
    """The folders of this Python and its packages that are not in the system's."""
    found = {str(Path(prefix).resolve()) for prefix in (sys.prefix, sys.base_prefix)}
    found |= {sys.prefix, sys.base_prefix}
    return sorted(path for path in found if not path.startswith(("/usr/", "/bin/")) and path != "/usr")


def _free_user() -> int:
    """A user id of nobody's, within the ids that this container has."""
    ranges = [[int(number) for number in line.split()] for line in Path("/proc/self/uid_map").read_text().splitlines()]
    first, _, count = max(ranges, key=lambda part: part[2])
    low = max(first + count // 2, 2000)
    return low + secrets.randbelow(max(1, min(first + count, 2**31) - low - 1))


def _proportional(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.Error:
        return 0


def _prlimit(limits: Limits) -> list[str]:
    """The command that sets the limits which a process and its children inherit."""
    program = shutil.which("prlimit")
    if program is None:
        return []  # no Linux, so no sandbox either
    wanted = {
        "nproc": (limits.processes, resource.RLIMIT_NPROC),
        "as": (limits.address_mb * MB, resource.RLIMIT_AS),
        "cpu": (limits.cpu_seconds, resource.RLIMIT_CPU),
        "fsize": (limits.file_mb * MB, resource.RLIMIT_FSIZE),
        "nofile": (256, resource.RLIMIT_NOFILE),
        "core": (0, resource.RLIMIT_CORE),
    }
    line = [program]
    for name, (value, number) in wanted.items():
        most = resource.getrlimit(number)[1]  # only root may raise it
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        line.append(f"--{name}={value}:{value}")
    return [*line, "--"]
