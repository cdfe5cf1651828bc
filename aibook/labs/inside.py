"""The other end of the wire, in the sandbox: runs a notebook's cells and calls what they define, as it is asked to.

Started as a script beside its copy of `wire.py`; the book's workshop is not there. It is in the hands of the code that
it runs, which may change every line of it: nothing that it says is believed without being checked outside.
"""

import builtins
import contextlib
import importlib
import itertools
import linecache
import os
import re
import sys
import types

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    wire = importlib.import_module("wire")
else:
    from aibook.labs import wire

MAGIC_LINE = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)


def serve() -> None:
    """Answer one request after another until the pipe closes. Standard input and output belong to the cells."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    empty = os.open(os.devnull, os.O_RDWR)
    os.dup2(empty, 0)
    os.dup2(2, 1)
    session = Session()
    sys.modules["__grader__"], sys.modules["__main__"] = sys.modules["__main__"], session.module
    _send(replies, {"id": 0, "ready": True})
    while True:
        try:
            request = wire.exchange(requests.read)
        except EOFError:
            return
        try:
            answer = {"ok": session.answer(request)}
        except BaseException as error:
            answer = _described(error)
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
        try:
            _send(replies, {"id": request["id"], **answer})
        except wire.WireError as error:
            _send(replies, {"id": request["id"], "error": error.kind, "message": error.what})


def _send(replies, message: dict) -> None:
    replies.write(wire.frame(message))
    replies.flush()


class Session:
    """The names that the cells define, and the objects that stay here."""

    def __init__(self) -> None:
        self.module = types.ModuleType("__main__")
        self.module.__dict__.update(display=_nothing, get_ipython=_nothing)
        self.held: dict[int, object] = {}
        self.numbers = itertools.count(1)

    def answer(self, request: dict):
        return getattr(self, f"do_{request['do']}")(**request.get("with", {}))

    def do_set(self, **names) -> None:
        self.module.__dict__.update(names)

    def do_run(self, source: str, name: str) -> None:
        source = source.removeprefix("\ufeff")
        if source.lstrip().startswith("%%"):
            source = "\n" + source.lstrip().partition("\n")[2]
        try:
            code = compile(source, name, "exec", dont_inherit=True)
        except SyntaxError:
            source = MAGIC_LINE.sub(r"\1pass", source)  # IPython's %magic and !shell
            code = compile(source, name, "exec", dont_inherit=True)
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(code, self.module.__dict__)

    def do_generator(self, seed) -> wire.Handle:
        return self._hold(importlib.import_module("numpy").random.default_rng(seed))

    def do_seed(self, seed: int) -> None:
        importlib.import_module("random").seed(seed)
        importlib.import_module("numpy").random.seed(seed)
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(seed)

    def do_call(self, of, method: str, args: list, named: dict, keep, at_most: int, echo: bool):
        """Call `of`, a name or a handle, or its `method`; return the result, or a handle to it, with its arguments."""
        if isinstance(of, str):
            if of not in self.module.__dict__:
                raise Missing(of)
            target = self.module.__dict__[of]
        else:
            target = self.held[of.number]
        if method:
            target = getattr(target, method)
        given = [self.held[arg.number] if isinstance(arg, wire.Handle) else arg for arg in args]
        result = target(*given, **named)
        if at_most:
            result = list(itertools.islice(result, at_most + 1))
            if len(result) > at_most:
                raise wire.WireError("endless", str(at_most))
        if keep == "nothing":
            return None
        if keep:
            return self._hold(result)
        if echo:
            return [result, [None if isinstance(arg, wire.Handle) else arg for arg in args]]
        return result

    def _hold(self, value) -> wire.Handle:
        number = next(self.numbers)
        self.held[number] = value
        return wire.Handle(number)


class Missing(Exception):
    """The notebook defines no such name."""


def _nothing(*_args, **_named):
    """Stands for what a notebook's front end would do."""


def _described(error: BaseException) -> dict:
    """An exception in words: its kind, its type's name, its message, and where in the notebook it arose."""
    if isinstance(error, Missing):
        return {"error": "missing", "message": str(error)}
    if isinstance(error, wire.WireError):
        return {"error": error.kind, "message": error.what}
    # torch raises it too, with a message, for what a tensor cannot do
    kind = "unwritten" if type(error) is NotImplementedError and not error.args else "raised"
    try:
        message = str(error)[:300]
    except BaseException:
        message = ""
    where = f"<cell>, line {error.lineno}" if isinstance(error, SyntaxError) else ""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith("<cell"):
            where = f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return {"error": kind, "type": type(error).__name__[:80], "message": message, "where": where[:80]}


if __name__ == "__main__":
    builtins.exit = builtins.quit = _nothing
    serve()
