"""A process that has imported the heavy packages once, and whose copies enter boxes that bubblewrap has made.

Started as a script, from a clean environment, by `warm.py`. For each request it forks. The copy joins the namespaces of
the box, gives up every right, and only then runs the program that is asked for: the original never runs any code of a
student's, so each copy is as fresh as a new Python, less the seconds that imports take. What the program finds in its
memory are these imports and the request; nothing of the grader has ever been here.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import runpy
import selectors
import signal
import socket
import sys
import types

# linux/sched.h: the namespaces of mounts, cgroups, host names, IPC, users, processes, network
BITS = {"mounts": 17, "cgroup": 25, "uts": 26, "ipc": 27, "user": 28, "pid": 29, "net": 30}
CLONE_NEW = {kind: 1 << bit for kind, bit in BITS.items()}
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, CLEAR_ALL = 4, 24, 38, 47, 4
PR_SET_SECCOMP, FILTER = 22, 2
CAPABILITY_VERSION_3 = 0x20080522
libc = ctypes.CDLL(None, use_errno=True)


def serve(listener: socket.socket) -> list[str] | None:
    """Fork a copy for each request. Returns in the copies, with the arguments of Python to run.

    In the original it returns None, when standard input, which its starter holds open, comes to its end. A request is
    JSON, with four descriptors: the copy's standard input, output and error, and the box.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # copies that have ended leave nothing behind
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fd == 0:
                return None
            if key.fileobj is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
            elif arguments := _answer(key.fileobj, selector):
                return arguments


def _answer(client: socket.socket, selector: selectors.BaseSelector) -> list[str] | None:
    """Read a request, or an end. Returns in the copy, with the arguments."""
    try:
        data, descriptors, *_ = socket.recv_fds(client, 2**17, 4)
    except OSError:
        data, descriptors = b"", []
    if not data:
        selector.unregister(client)
        client.close()
    elif len(descriptors) == 4 and _forked(client):
        reply = os.dup(client.fileno())
        for key in list(selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.detach()  # or its end would close a descriptor that has become another file's
        selector.close()
        request = json.loads(data)
        _enter(reply, request, *descriptors)
        return request["arguments"]
    for descriptor in descriptors:
        os.close(descriptor)
    return None


def _forked(client: socket.socket) -> bool:
    """Whether this is the copy. Where there can be none, the client is told, and all goes on."""
    try:
        return os.fork() == 0
    except OSError as error:
        client.send(json.dumps({"error": str(error)}).encode())
        return False


def _enter(reply: int, request: dict, stdin: int, stdout: int, stderr: int, box: int) -> None:
    """Join the box. Whoever returns from here is in it, without rights; a process outside waits for its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        kinds = [kind for kind in CLONE_NEW if kind != "user" or not request["root"]]  # root's boxes have its users
        _done(libc.setns(box, sum(CLONE_NEW[kind] for kind in kinds)))
        child = os.fork()  # into the namespace of processes, which only children enter
    except OSError as error:
        os.write(reply, json.dumps({"error": str(error)}).encode())
        os._exit(1)
    if child:
        os.write(reply, json.dumps({"waiter": os.getpid()}).encode())
        os.closerange(0, box)
        os.closerange(box + 1, 4096)
        _wait(child, box)
        os._exit(0)
    for number, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, number)
    os.closerange(3, 4096)
    os.setsid()
    os.chdir("/tmp")
    for limit, value in request["limits"]:
        resource.setrlimit(limit, (value, value))
    _give_up_rights(request["user"] if request["root"] else None, bytes.fromhex(request["calls"]))
    os.environ.clear()
    os.environ.update(request["environment"])
    if "numpy" in sys.modules:  # or all copies would draw the same numbers
        sys.modules["numpy"].random.seed()
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path]


def _wait(child: int, box: int) -> None:
    """End the box when its program has ended, as boxes do; then bury siblings that the program gave itself."""
    os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):  # the box may be gone
        signal.pidfd_send_signal(box, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


class _Program(ctypes.Structure):
    """`struct sock_fprog`: a filter of system calls, of so many lines."""

    _fields_ = [("lines", ctypes.c_ushort), ("first", ctypes.c_char_p)]


def _give_up_rights(user: int | None, calls: bytes) -> None:
    """Become `user`, if one is given, without capabilities or a way to get any, and with a filter of system calls."""
    capability = 0
    while libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    if ctypes.get_errno() != 22:  # EINVAL: there are no more
        _done(-1)
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    header, none = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    _done(libc.prctl(PR_CAP_AMBIENT, CLEAR_ALL, 0, 0, 0))
    _done(libc.capset(header, none))
    _done(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _done(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))  # as after exec: its own /proc is its own
    if calls:
        _done(libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(_Program(len(calls) // 8, calls)), 0, 0))


def _done(status: int) -> None:
    if status != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def run(arguments: list[str]) -> None:
    """What `python ARGUMENTS` runs: -c and a program, or a file."""
    first, *sys.argv[1:] = arguments
    if first == "-c":
        program = compile(sys.argv.pop(1), "<string>", "exec")
        sys.argv[0], sys.path[:0] = "-c", [""]
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(program, module.__dict__)
    else:
        sys.argv[0], sys.path[:0] = first, [os.path.dirname(first)]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    for name in sys.argv[2:]:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    gc.collect()
    gc.freeze()  # so that the copies' collections do not touch, and so copy, what all share
    if (arguments := serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        run(arguments)
