"""Programs that begin in a box with torch already there: the other end of `zygote.py`.

Importing torch, and what its optimisers load with their first step, takes two to four CPU-seconds, more than grading
many a lab. Bubblewrap makes an empty box, as always; a copy of a process that has these imports enters it, as `nsenter`
or `docker exec` would, and gives up its rights. Where that cannot be had, Python starts in the box as usual.
"""

import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from aibook.labs import seccomp
from aibook.labs.bubblewrap import Limits, SandboxError, bubblewrap, clean_environment, free_user, rlimits

PRELOADED = ("numpy", "torch", "torch._dynamo", "torchvision.ops")
PATIENCE = 20  # seconds for a reply


class ColdError(Exception):
    """No warm start can be had; the message says why."""


class Zygote:
    """The process that forks, for all who know its address. Ends with the one that started it."""

    def __init__(self, preloaded: Sequence[str] = PRELOADED) -> None:
        if not hasattr(os, "pidfd_open"):
            raise ColdError("only Linux has it")
        self._home = tempfile.TemporaryDirectory(prefix="aibook-warm-")  # no other user looks into it
        self.address = f"{self._home.name}/door"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self.address)
            listener.listen(64)
            script = str(Path(__file__).with_name("zygote.py"))
            self.process = subprocess.Popen(
                [sys.executable, "-sP", script, str(listener.fileno()), *preloaded], env=clean_environment(), cwd="/",
                executable=self._python(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                pass_fds=[listener.fileno()], start_new_session=True,
            )  # fmt: skip

    def _python(self) -> str:
        """A copy of this Python's program: in a box, /proc/self/exe leads to it past the box's read-only mounts."""
        program, home = Path(sys.executable).resolve(), Path(self._home.name)
        (home / "bin").mkdir()
        (home / "lib").symlink_to(program.parent.parent / "lib")  # where its libraries are, seen from beside it
        return shutil.copy(program, home / "bin" / program.name)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self._home.cleanup()


class Door:
    """A connection to a zygote, by its address."""

    def __init__(self, address: str) -> None:
        self._lock = threading.Lock()
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.settimeout(6 * PATIENCE)  # it may still import
        self._connection.connect(address)

    def enter(
        self, first: int, arguments: Sequence[str], environment: Mapping[str, str], limits: Limits, pipes: Sequence[int]
    ) -> int:
        """Run `python ARGUMENTS` in the box whose first process is `first`; the number of the one that waits for it.

        That one is outside of the box. pipes: standard input, output and error. Raises ColdError.
        """
        root = os.geteuid() == 0
        request = {"arguments": list(arguments), "environment": dict(environment), "root": root,
                   "user": free_user() if root else 0, "limits": list(rlimits(limits).values()),
                   "calls": seccomp.program().hex()}  # fmt: skip
        with self._lock:
            try:
                box = os.pidfd_open(first)
                try:
                    socket.send_fds(self._connection, [json.dumps(request).encode()], [*pipes, box])
                finally:
                    os.close(box)
                said = self._connection.recv(2**16)
                self._connection.settimeout(PATIENCE)
            except TimeoutError as error:
                self._connection.close()  # a late reply must not be taken for another call's
                raise ColdError("the process with the imports does not answer") from error
            except OSError as error:
                raise ColdError(f"the process with the imports is gone ({error})") from error
        if not said:
            raise ColdError("the process with the imports is gone")
        reply = json.loads(said)
        if "waiter" not in reply:
            raise ColdError(reply.get("error", "no answer"))
        return reply["waiter"]


def empty_box(line: Sequence[str]) -> tuple[subprocess.Popen, int]:
    """Open a box in which `cat` waits, from bubblewrap's command line; with the number of its first process.

    Raises ColdError when it does not open.
    """
    told, tells = os.pipe()
    process = subprocess.Popen(
        [line[0], "--info-fd", str(tells), *line[1:], "cat"], env={"PATH": os.defpath}, cwd="/", bufsize=0,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=[tells],
        start_new_session=True,
    )  # fmt: skip
    os.close(tells)
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"?")
        if _read(process.stdout.fileno(), "?") and (said := _read(told, "}")):
            return process, json.loads(said)["child-pid"]
        raise ColdError("no box opened")
    except BaseException:
        with contextlib.suppress(OSError):  # a child that is not yet tied to bubblewrap's life would stay
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
        process.kill()
        process.wait()
        raise
    finally:
        os.close(told)


def _read(descriptor: int, until: str) -> str:
    """What can be read up to `until`; empty if it does not come."""
    said, poll = "", select.poll()
    poll.register(descriptor, select.POLLIN)
    while not said.endswith(until):
        if not poll.poll(1000 * PATIENCE) or not (part := os.read(descriptor, 4096)):
            return ""
        said = (said + part.decode()).rstrip()
    return said


_made: dict[int, Zygote] = {}  # by process, since a fork must not share its parent's
_doors: dict[int, Door | ColdError] = {}
_making = threading.Lock()


def start() -> str:
    """The address of this process's zygote, which begins to import; empty where there can be none."""
    with _making:
        if os.getpid() not in _made:
            try:
                _made[os.getpid()] = Zygote()
            except (OSError, ColdError):
                return ""
        return _made[os.getpid()].address


def use(address: str) -> None:
    """Enter boxes through another process's zygote; none of its own, where the address is empty."""
    try:
        _doors[os.getpid()] = Door(address) if address else ColdError("there is no warm process")
    except OSError as error:
        _doors[os.getpid()] = ColdError(str(error))


def door() -> Door:
    """This process's. Raises ColdError, again and again once it has failed."""
    if os.getpid() not in _doors:
        use(start())
    found = _doors[os.getpid()]
    if isinstance(found, ColdError):
        raise found
    return found


def probe() -> str:
    """Enter an empty box; empty if that works, otherwise what went wrong. It imports nothing, so it takes no time."""
    try:
        zygote = Zygote(preloaded=())
    except (OSError, ColdError) as error:
        return str(error)
    box = None
    reads, writes = os.pipe()
    try:
        box, first = empty_box(bubblewrap({}, clean_environment(), Limits()))
        Door(zygote.address).enter(first, ["-c", "print('in')"], clean_environment(), Limits(), [reads, writes, writes])
        return "" if _read(reads, "in") else "no program runs in it"
    except (OSError, ColdError, SandboxError) as error:
        return str(error)
    finally:
        for end in (reads, writes):
            os.close(end)
        if box is not None:
            box.kill()
            box.wait()
        zygote.close()


def give_up(why: ColdError) -> None:
    """All that this process starts from now on starts cold."""
    _doors[os.getpid()] = why


@atexit.register
def _close() -> None:
    if own := _made.pop(os.getpid(), None):
        own.close()
