"""A box for code that nobody has read: bubblewrap's namespaces, an unprivileged user, and limits that are enforced.

Inside there is a read-only system, this Python with its packages, the files that are given to it, and a small `/tmp`
in memory. There is no network, no environment, no other process and nothing of the grader. What a namespace cannot
bound (memory that is really used, seconds, printed output) is watched from outside, where the code cannot reach, and
`seccomp.py` refuses the system calls that reach memory which no watch sees.

Started by root, bubblewrap binds first and `setpriv` then becomes a user who exists nowhere else: the limit on
processes does not bind root, and it counts all processes of a user. `warm.py` lets programs begin with torch imported.
"""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from aibook.labs import seccomp, warm
from aibook.labs.bubblewrap import MB, Limits, SandboxError, bubblewrap, clean_environment, prlimit, pythons

LOOK = 0.1  # seconds between two looks of the watch


class Sandbox:
    """A running sandbox: `stdin` and `stdout` are pipes to it, what it prints on stderr is bounded and kept.

    `ended_by` is empty, or names the limit that ended it: "memory", "output" or "time". Use as a context manager;
    nothing of it is left afterwards.
    """

    def __init__(
        self,
        python: Sequence[str],
        *,
        files: Mapping[str, Path] | None = None,
        environment: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        unsafe: bool = False,
        start_warm: bool = False,
    ) -> None:
        """Start this Python with the arguments `python`, such as `-c` and a program, or a file.

        files: what to show inside, read-only: path inside -> file or folder outside, readable by everyone.
        environment: added to the clean one.
        unsafe: run without bubblewrap, as the user who calls, with everything in reach; only resource limits hold.
        start_warm: with `warm.PRELOADED` imported already, where that can be had.

        Raises SandboxError where bubblewrap is missing.
        """
        self.limits = limits or Limits()
        self.ended_by = ""
        self.printed = 0
        self.peak_mb = 0.0
        self.warm = False
        self._kept = bytearray()
        self._seconds: dict[psutil.Process, float] = {}
        self._began = time.monotonic()
        self._root: psutil.Process | None = None
        self._waiter: psutil.Process | None = None  # outside of the box; parent of the program, and of its siblings
        self._home = tempfile.mkdtemp(prefix="aibook-unsafe-") if unsafe else None
        inside = {**clean_environment(), **(environment or {})}
        before = prlimit(self.limits) if unsafe else bubblewrap(files or {}, inside, self.limits)
        if not start_warm or unsafe or not self._enter(before, python, inside):
            command, seen = [*before, sys.executable, *python], inside if unsafe else {"PATH": os.defpath}
            self._start(command, seen, b"" if unsafe else seccomp.program())
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def _start(self, command: Sequence[str], environment: Mapping[str, str], calls: bytes) -> None:
        """Start a program; `calls` is the filter that bubblewrap is to set, if any."""
        reads, writes = os.pipe()
        os.write(writes, calls)
        os.close(writes)
        if calls:
            command = [command[0], "--seccomp", str(reads), *command[1:]]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            env=environment, cwd=self._home or "/", start_new_session=True, pass_fds=[reads] if calls else [],
        )  # fmt: skip
        os.close(reads)
        self.stdin, self.stdout, self._stderr = self.process.stdin, self.process.stdout, self.process.stderr
        self._root = psutil.Process(self.process.pid)

    def _enter(self, before: Sequence[str], python: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Whether a box could be made and entered by a process that is warm. `process` is then the empty box."""
        try:
            door = warm.door()
        except warm.ColdError:
            return False
        pipes = [os.pipe(), os.pipe(), os.pipe()]  # input is read inside, output and error are written there
        inside, outside = [pipes[0][0], pipes[1][1], pipes[2][1]], [pipes[0][1], pipes[1][0], pipes[2][0]]
        try:
            self.process, first = warm.empty_box(before)
            self._root = psutil.Process(self.process.pid)
            waiter = door.enter(first, python, environment, self.limits, inside)
        except BaseException as error:
            if self._root:
                self._kill()
                self.process.wait()
            for end in outside:
                os.close(end)
            if not isinstance(error, warm.ColdError):
                raise
            warm.give_up(error)
            return False
        finally:
            for end in inside:
                os.close(end)
        with contextlib.suppress(psutil.NoSuchProcess):  # it may have ended
            self._waiter = psutil.Process(waiter)
        modes = ("wb", "rb", "rb")
        self.stdin, self.stdout, self._stderr = map(os.fdopen, outside, modes, (0, 0, 0))
        self.warm = True
        return True

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """End every process in it, and wait until they are gone."""
        tree = self._tree()
        self._kill()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        psutil.wait_procs(tree, timeout=5)
        self._over.set()
        self._watch.join()
        streams = (self.stdin, self.stdout, self._stderr, self.process.stdin, self.process.stdout)
        for stream in streams:
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
            selector.register(self._stderr, selectors.EVENT_READ)
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
        chunk = os.read(self._stderr.fileno(), 2**16)
        if not chunk:
            selector.unregister(self._stderr)
            return
        self.printed += len(chunk)
        self._kept += chunk[: max(0, self.limits.kept_bytes - len(self._kept))]
        if self.printed > self.limits.output_mb * MB:
            self.end("output")

    def _tree(self) -> list[psutil.Process]:
        found = []
        with contextlib.suppress(psutil.Error):
            found += [self._root, *self._root.children(recursive=True)]
        if self._waiter:
            with contextlib.suppress(psutil.Error):
                found += self._waiter.children(recursive=True)
        return found

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
        alone = 3 + self.warm  # bubblewrap's two processes, the `cat` of a box that began empty, and one program
        if resident > self.limits.memory_mb * MB and len(tree) > alone:
            resident = sum(map(_proportional, tree))  # pages that programs share count once
        self.peak_mb = max(self.peak_mb, resident / MB)
        if resident > self.limits.memory_mb * MB:
            self.end("memory")

    def _kill(self) -> None:
        # The first process inside takes all others with it, and bubblewrap's monitor, which waits for it, ends by
        # itself. Were the monitor gone before, this machine's init would have to bury the first: that may take seconds.
        tree = self._tree()
        monitor = 1 if self._home is None and len(tree) > 1 else 0
        for process in tree[monitor:]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if not monitor:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # gone by now
                os.killpg(self.process.pid, signal.SIGKILL)


def probe() -> str:
    """Run a sandbox; empty if this Python works in it, otherwise what went wrong."""
    quick = replace(Limits(), wall_seconds=30)
    here = map(Path, pythons())
    own = {path.parts[2] for path in here if path.parts[1] == "tmp"}  # this Python, should it live there
    program = f"import ctypes, os, sys; assert sys.prefix == {sys.prefix!r}, 'this Python loses its packages there'; "
    program += f"print(os.getuid(), sorted({{*os.listdir('/tmp')}} - {own!r}), flush=True)"
    try:
        with Sandbox(["-c", program], limits=quick) as box:
            said = box.stdout.read().decode()
            box.process.wait()
            time.sleep(2 * LOOK)
            error = box.output.strip()
    except (OSError, SandboxError) as caught:
        return str(caught)
    if said.endswith("[]\n") and not said.startswith("0 "):
        return ""
    return error.splitlines()[-1] if error else f"it ended with status {box.process.returncode} and said {said!r}"


def _proportional(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.Error:
        return 0
