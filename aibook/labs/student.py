"""A student's notebook as something that can be called: in a sandbox, or, for code that is trusted, right here.

`Boxed` runs the notebook cell by cell in a sandbox and passes on calls. A cell or call that kills the sandbox costs
only itself: the notebook is run again, without that cell, for what is still to be asked.
"""

import itertools
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aibook.labs import inside, wire
from aibook.labs.sandbox import Limits, Sandbox, SandboxError
from aibook.labs.wire import Handle

Text = tuple[str, str]  # English, Chinese
RESTARTS = 8
INSIDE = "/grading"
STEP = 0.1  # seconds between two looks at the limits of a call


class StudentError(Exception):
    """The student's code gave no answer. `kind` says how it failed, `text` says it in English and Chinese."""

    def __init__(self, kind: str, text: Text) -> None:
        super().__init__(text[0])
        self.kind, self.text = kind, text


@dataclass(frozen=True)
class CallLimits:
    """Seconds that one request may take. The first is the same on every machine; the other stops what only sleeps."""

    cpu_seconds: float = 10
    wall_seconds: float = 60


CELL = CallLimits(60, 180)


@dataclass(frozen=True)
class CellProblem:
    """A cell that did not run to its end."""

    index: int
    kind: str
    text: Text


class Student:
    """What graders ask. Arguments and answers are numbers, strings, arrays, tensors, lists, dicts; or handles."""

    def call(
        self, name: str, *args: Any, named: Mapping[str, Any] | None = None, at_most: int = 0, echo: bool = False,
        limits: CallLimits | None = None,
    ) -> Any:  # fmt: skip
        """What the notebook's `name` returns for these arguments.

        at_most: take the result for an iterable, and return a list of its items; more than these are an error.
        echo: return [result, arguments as they are after the call].

        Raises StudentError.
        """
        return self._call(name, "", args, named, False, at_most, echo, limits)

    def make(self, name: str, *args: Any, named: Mapping[str, Any] | None = None) -> Handle:
        """As `call`, but the result stays where it is, and this is its handle."""
        return self._call(name, "", args, named, True, 0, False, None)

    def ask(self, thing: Handle, method: str, *args: Any, echo: bool = False, limits: CallLimits | None = None) -> Any:
        """What a method of the thing behind a handle returns; the empty method calls the thing itself."""
        return self._call(thing, method, args, None, False, 0, echo, limits)

    def tell(self, thing: Handle, method: str, *args: Any, limits: CallLimits | None = None) -> None:
        """Call a method, and drop what it returns."""
        self._call(thing, method, args, None, "nothing", 0, False, limits)

    def generator(self, seed: int) -> Handle:
        """A handle to a NumPy Generator, made where the student's code runs."""
        return self._ask("generator", {"seed": seed}, None)

    def seed(self, seed: int) -> None:
        """Seed the generators of Python, NumPy and torch there."""
        self._ask("seed", {"seed": seed}, None)

    def close(self) -> None:
        """Let go of what is held."""

    def _call(self, of, method, args, named, keep, at_most, echo, limits) -> Any:
        request = {"of": of, "method": method, "args": list(args), "named": dict(named or {})}
        answer = self._ask("call", request | {"keep": keep, "at_most": at_most, "echo": echo}, limits)
        # What a sandbox sends may be anything; graders take these three apart.
        echoed = type(answer) is list and len(answer) == 2 and type(answer[1]) is list and len(answer[1]) == len(args)
        items = type(answer) is list and len(answer) <= at_most
        if (keep is True and type(answer) is not Handle) or (at_most and not items) or (echo and not echoed):
            raise failure({"error": "broken"})
        return answer

    def _ask(self, do: str, arguments: dict, limits: CallLimits | None) -> Any:
        raise NotImplementedError


class Trusted(Student):
    """Names of trusted code (a master's solutions, a wrong answer of the tests), called in this process.

    All values cross the same wire as with `Boxed`, so that a grader cannot tell the two apart.
    """

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.session = inside.Session()
        self.session.do_set(**names)

    def _ask(self, do: str, arguments: dict, limits: CallLimits | None) -> Any:
        request = _over_the_wire({"do": do, "with": arguments})
        try:
            return _over_the_wire(self.session.answer(request))
        except Exception as error:
            raise failure(inside._described(error)) from error


class Boxed(Student):
    """The cells of a notebook in a sandbox, which starts with the first request. Use as a context manager."""

    def __init__(
        self,
        cells: Sequence[tuple[int, str]],
        *,
        staged: Path,
        names: Mapping[str, Any] | None = None,
        files: Mapping[str, Path] | None = None,
        environment: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        call_limits: CallLimits | None = None,
        cell_limits: CallLimits | None = None,
        unsafe: bool = False,
    ) -> None:
        """cells: number in the notebook, and source. staged: the folder that `stage` filled. names: set before each
        cell runs, such as the profile. The rest as in `Sandbox`; a file's path inside is relative to the sandbox.
        """
        self.cells, self.staged, self.names = list(cells), staged, dict(names or {})
        self.files = {INSIDE: staged, **(files or {})}
        self.environment = {"PYTHONPATH": str(staged) if unsafe else INSIDE, **(environment or {})}
        self.limits, self.unsafe = limits or Limits(), unsafe
        self.call_limits, self.cell_limits = call_limits or CallLimits(), cell_limits or CELL
        self.problems: dict[int, CellProblem] = {}
        self.cpu_seconds = self.peak_mb = 0.0
        self.starts, self.restarts = 0, RESTARTS
        self._fatal: set[int] = set()
        self._box: Sandbox | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> "Boxed":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        if self._box is not None:
            self.cpu_seconds += self._box.cpu_seconds()
            self.peak_mb = max(self.peak_mb, self._box.peak_mb)
            self._box.close()
            self._box = None

    @property
    def printed(self) -> str:
        """The beginning of what the sandbox that runs now has printed."""
        return self._box.output if self._box else ""

    def start(self) -> None:
        """Run the notebook's cells, if it is not there already. Raises StudentError when it kills every sandbox."""
        while self._box is None:
            if self.starts > self.restarts:
                raise StudentError(
                    "ended",
                    ("your code ended its process again and again", "你的代码一再终止了自己的进程"),
                )
            self.starts += 1
            self._open()
            if not self._run_cells():
                self.close()

    def _open(self) -> None:
        home = str(self.staged) if self.unsafe else INSIDE
        self._box = Sandbox(
            ["-s", f"{home}/inside.py"] if self.unsafe else [f"{INSIDE}/inside.py"], files=self.files,
            environment=self.environment, limits=self.limits, unsafe=self.unsafe, start_warm=True,
        )  # fmt: skip
        for pipe in (self._box.stdin, self._box.stdout):
            os.set_blocking(pipe.fileno(), False)
        try:
            self._receive(0, CallLimits(60, 120))
        except StudentError as error:  # no line of the student's has run yet
            time.sleep(0.3)
            said = self._box.output.strip().splitlines()
            self.close()
            raise SandboxError(f"no Python starts in the sandbox: {said[-1] if said else error}") from None

    def _run_cells(self) -> bool:
        """Whether all cells ran, or failed, without an end of the sandbox."""
        for index, source in self.cells:
            if index in self._fatal:
                continue
            self._send_and_receive("set", self.names, self.cell_limits)
            try:
                request = {"source": source, "name": f"<cell {index + 1}>"}
                self._send_and_receive("run", request, self.cell_limits)
            except StudentError as error:
                self.problems[index] = CellProblem(index, error.kind, error.text)
                if self._box.process.poll() is not None or self._box.ended_by:
                    self._fatal.add(index)
                    return False
        return True

    def _ask(self, do: str, arguments: dict, limits: CallLimits | None) -> Any:
        self.start()
        return self._send_and_receive(do, arguments, limits or self.call_limits)

    def _send_and_receive(self, do: str, arguments: dict, limits: CallLimits) -> Any:
        number = next(self._numbers)
        try:
            self._exchange_bytes(wire.frame({"id": number, "do": do, "with": arguments}), limits)
            reply = self._receive(number, limits)
        except StudentError:
            if do != "run" and do != "set":
                self.close()
            raise
        if "error" in reply:
            raise failure(reply)
        return reply.get("ok")

    def _receive(self, number: int, limits: CallLimits) -> dict:
        began, used = time.monotonic(), self._box.measured_seconds

        def read(length: int) -> bytes:
            return self._read(length, began, used, limits)

        try:
            reply = wire.exchange(read)
        except (wire.WireError, EOFError) as error:
            kind = error.kind if isinstance(error, wire.WireError) else "ended"
            what = error.what if isinstance(error, wire.WireError) else ""
            self._box.end("broken")
            raise failure({"error": kind, "message": what}) from None
        if type(reply) is not dict or reply.get("id") != number or type(reply.get("error", "")) is not str:
            self._box.end("broken")
            raise failure({"error": "broken", "message": "a reply to another question"})
        return reply

    def _read(self, length: int, began: float, used: float, limits: CallLimits) -> bytes:
        """Exactly `length` bytes from the sandbox, within the limits."""
        parts, missing = [], length
        while missing:
            if select.select([self._box.stdout], [], [], STEP)[0]:
                part = os.read(self._box.stdout.fileno(), min(missing, 2**20))
                if not part:
                    self._raise_end()
                parts.append(part)
                missing -= len(part)
            self._hold(began, used, limits)
        return b"".join(parts)

    def _exchange_bytes(self, data: bytes, limits: CallLimits) -> None:
        """Write all of `data` to the sandbox, which may not be listening."""
        began, used, view = time.monotonic(), self._box.measured_seconds, memoryview(data)
        while view:
            try:
                if select.select([], [self._box.stdin], [], STEP)[1]:
                    view = view[os.write(self._box.stdin.fileno(), view[: 2**20]) :]
            except BlockingIOError:
                pass
            except OSError:
                self._raise_end()
            self._hold(began, used, limits)

    def _hold(self, began: float, used: float, limits: CallLimits) -> None:
        if self._box.ended_by:
            self._raise_end()
        elapsed = time.monotonic() - began
        if elapsed < min(limits.cpu_seconds, limits.wall_seconds):  # on one core, so it cannot have used more
            return
        if elapsed > limits.wall_seconds or self._box.cpu_seconds() - used > limits.cpu_seconds:
            self._box.end("time")
            self._raise_end()

    def _raise_end(self) -> None:
        """The sandbox is over: say why."""
        if not self._box.ended_by:
            try:
                self._box.process.wait(timeout=2)
            except subprocess.TimeoutExpired:  # it closed its pipe, and lives on
                self._box.end("ended")
        raise failure({"error": self._box.ended_by or "ended", "message": ""})


def stage(folder: Path, helpers: Path) -> Path:
    """Put into `folder` what a sandbox needs of the book, compiled and readable by everyone; return it."""
    import compileall
    import shutil

    here = Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("inside.py", "wire.py"):
        shutil.copyfile(here / name, folder / name)
    target = folder / "helpers"
    shutil.copytree(
        helpers, target, ignore=shutil.ignore_patterns("__pycache__", "studies"), copy_function=shutil.copyfile
    )
    compileall.compile_dir(folder, quiet=2)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def failure(reply: Mapping[str, Any]) -> StudentError:
    """A reply that is an error, in words for the student. Nothing in it is trusted: all is text of bounded length."""

    def part(name: str) -> str:
        found = reply.get(name, "")
        return found[:300] if type(found) is str else ""

    kind, message, where = part("error"), part("message"), part("where")
    at, at_zh = (f" ({where})", f"（{where}）") if where else ("", "")
    words: dict[str, Text] = {
        "missing": (f"the notebook defines no `{message}`", f"笔记本没有定义 `{message}`"),
        "unwritten": (f"it is still to be written{at}", f"尚未完成{at_zh}"),
        "raised": (
            f"it raised {part('type')}: {message}{at}",
            f"代码抛出了异常 {part('type')}: {message}{at_zh}",
        ),
        "type": (
            f"it returned something of type {message}; graded are numbers, strings, arrays, tensors, lists and dicts",
            f"返回值的类型是 {message}；可评分的类型有数、字符串、数组、张量、列表和字典",
        ),
        "size": (f"what it returned is too large ({message})", f"返回值过大（{message}）"),
        "endless": (f"it yields more than {message} items", f"它产生的元素超过 {message} 个"),
        "broken": ("its process sent something that is no answer", "其进程发回的内容不是有效的答复"),
        "time": ("it did not end within its time", "未能在限定时间内结束"),
        "memory": ("it used more memory than it may", "使用的内存超过上限"),
        "output": ("it printed more than it may", "打印的输出超过上限"),
        "ended": ("it ended its process", "它终止了自己的进程"),
    }
    kind = kind if kind in words else "broken"
    return StudentError(kind, words[kind])


def _over_the_wire(value: Any) -> Any:
    data = wire.frame(value)
    header, body = wire.lengths(data[: wire.PREFIX.size])
    start = wire.PREFIX.size
    return wire.value(data[start : start + header], data[start + header : start + header + body])
