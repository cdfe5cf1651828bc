"""The sandbox: what is out of reach inside, and each limit hit once."""

import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import pytest

from aibook import house
from aibook.labs import bubblewrap, sandbox, seccomp
from aibook.labs import warm as warming
from aibook.labs.bubblewrap import Limits, SandboxError
from aibook.labs.sandbox import Sandbox
from tests.aibook.labs import boxes

pytestmark = boxes.needed
# MB: a warm box begins with 400 and touches more of what it shares as it ends (up to 567 in 40 boxes, once over 650).
IMPORTS = 800
SMALL = Limits(cpu_seconds=2, wall_seconds=20, memory_mb=200, address_mb=9_000, output_mb=2, file_mb=8, disk_mb=16)
HUNGRY = replace(SMALL, cpu_seconds=20)  # to take memory takes time, more on a busy machine


@pytest.fixture(params=["cold", pytest.param("warm", marks=boxes.needs_warm)])
def warm(request):
    """Every test in both kinds of box: where Python starts, and where a process that has torch enters."""
    return request.param == "warm"


@pytest.fixture
def run(warm):
    return functools.partial(ran, start_warm=warm)


def ran(program, limits=SMALL, **more):
    """What a program says on stdout, and its sandbox when it is over."""
    if more.get("start_warm"):
        limits = replace(limits, memory_mb=limits.memory_mb + IMPORTS)
    with Sandbox(["-c", textwrap.dedent(program)], limits=limits, **more) as box:
        assert box.warm == (more.get("start_warm", False) and not more.get("unsafe", False))
        said = box.stdout.read().decode()
        box.process.wait()
        time.sleep(2 * sandbox.LOOK)
    return said, box


def test_nothing_of_the_host_is_in_reach(run, warm, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "42")
    (tmp_path / "secret.txt").write_text("42")
    shown = tmp_path / "shown.txt"
    shown.write_text("for everyone")
    said, _ = run(
        f"""
        import json, os, socket, sys
        def refused(action):
            try:
                action()
            except OSError as error:
                return type(error).__name__
            return "allowed"
        print(json.dumps({{
            "user": os.getuid(), "groups": os.getgroups(), "environment": "SECRET" in os.environ,
            "secret": refused(lambda: open({str(tmp_path / "secret.txt")!r})),
            "book": refused(lambda: open({str(house.ROOT / "README.md")!r})),
            "shadow": refused(lambda: open("/etc/shadow")),
            "shown": open("/given/shown.txt").read(),
            "write shown": refused(lambda: open("/given/shown.txt", "w")),
            "write system": refused(lambda: open("/usr/x", "w")),
            "write packages": refused(lambda: open(os.path.join(sys.prefix, "x"), "w")),
            "write root": refused(lambda: open("/x", "w")),
            "write dev": refused(lambda: open("/dev/x", "w")),
            "write tmp": refused(lambda: open("/tmp/x", "w")),
            "network": refused(lambda: socket.create_connection(("1.1.1.1", 53), timeout=2)),
            "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
            "environment of the first": refused(lambda: open("/proc/1/environ").read()),
            "parent": refused(lambda: os.kill(1, 9)) if os.getppid() == 1 else "no parent",
        }}))
        """,
        files={"/given/shown.txt": shown},
    )
    found = json.loads(said)
    assert found.pop("user") not in (0, os.getuid()) or os.getuid() != 0
    assert found.pop("groups") in ([], [65534])
    assert found.pop("environment") is False
    assert found.pop("shown") == "for everyone"
    assert found.pop("write tmp") == "allowed"
    assert found.pop("processes") <= 2 + warm  # the empty box's own
    assert "allowed" not in found.values()


def test_an_endless_loop_ends_by_its_cpu_limit(run):
    _, box = run("while True: pass", Limits(cpu_seconds=1, wall_seconds=30))
    assert box.process.returncode != 0 and box.ended_by == ""
    assert 0.8 < box.cpu_seconds() < 3


def test_sleep_ends_by_the_clock(run):
    began = time.monotonic()
    _, box = run("import time; time.sleep(60)", Limits(wall_seconds=1))
    assert box.ended_by == "time" and time.monotonic() - began < 10


def test_memory_that_is_used_is_bounded(run):
    _, box = run("import time; x = bytearray(900 * 2**20); time.sleep(10)", HUNGRY)
    assert box.ended_by == "memory"


def test_memory_over_many_processes_is_bounded(run):
    _, box = run(
        """
        import os, time
        for _ in range(5):
            if os.fork() == 0:
                x = bytearray(os.urandom(1)) * (250 * 2**20)
                time.sleep(10)
        time.sleep(10)
        """,
        HUNGRY,
    )
    assert box.ended_by == "memory"


def test_memory_of_a_child_that_makes_itself_a_sibling_is_bounded(run):
    """CLONE_PARENT gives it the parent of the program, which is outside of a box that began warm."""
    _, box = run(
        """
        import ctypes, os, signal, time
        clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
        if ctypes.CDLL(None).syscall(clone, 0x8000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:
            x = bytearray(900 * 2**20)
        time.sleep(10)
        """,
        HUNGRY,
    )
    assert box.ended_by == "memory"


def test_ways_to_memory_that_nobody_counts_and_to_other_namespaces_are_closed(run):
    said, _ = run(
        """
        import ctypes, multiprocessing, os, subprocess, threading
        libc = ctypes.CDLL(None, use_errno=True)
        def refused(*call):
            return libc.syscall(*call) == -1 and ctypes.get_errno()
        numbers = {"x86_64": (29, 68, 272, 250, 435, 56), "aarch64": (194, 186, 97, 219, 435, 220)}[os.uname().machine]
        shmget, msgget, unshare, keyctl, clone3, clone = numbers
        try:
            os.memfd_create("more")
        except PermissionError as error:
            print(error.errno)
        print(refused(shmget, 0, 2**20, 0o1600), refused(msgget, 0, 0o1600))
        print(refused(unshare, 1 << 28), refused(keyctl, 1, 0))
        print(refused(clone3, 0, 0), refused(clone, 17 | 1 << 28, 0, 0, 0, 0))
        thread = threading.Thread(target=print, args=("a thread",))
        thread.start(), thread.join()
        print(subprocess.run(["echo", "a program"], capture_output=True, text=True).stdout.strip(), flush=True)
        if os.fork() == 0:
            print("a child", flush=True)
            os._exit(0)
        os.wait()
        """
    )
    assert said.splitlines() == ["1", "1 1", "1 1", "38 1", "a thread", "a program", "a child"]


def test_the_filter_of_a_machine_that_is_not_known_here_is_none():
    assert seccomp.program("riscv64") == b""
    assert len(seccomp.program("x86_64")) == len(seccomp.program("aarch64")) > 0


def test_the_program_that_runs_is_not_the_hosts_own_file(run):
    """In a box that began warm, the way there would not be read-only."""
    said, _ = run(
        """
        import os
        print(os.stat("/proc/self/exe").st_ino, bool(os.statvfs("/proc/self/exe").f_flag & os.ST_RDONLY), flush=True)
        """
    )
    number, read_only = said.split()
    assert read_only == "True" or int(number) != os.stat(os.path.realpath(sys.executable)).st_ino


def test_address_space_is_bounded(run):
    said, box = run(
        """
        try:
            bytearray(50 * 2**30)
        except MemoryError:
            print("refused")
        """
    )
    assert said == "refused\n" and box.ended_by == ""


def test_a_fork_bomb_stops_at_its_limit(run):
    said, _ = run(
        """
        import os, time
        made = 0
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(20)
                    os._exit(0)
                made += 1
        except BlockingIOError:
            print(made, flush=True)
        os._exit(0)
        """,
        Limits(processes=20, wall_seconds=3),
    )
    assert 10 <= int(said) < 20


def test_printed_output_is_bounded_and_its_beginning_kept(run):
    _, box = run("import sys\nwhile True: sys.stderr.write('x' * 1000)")
    assert box.ended_by == "output"
    assert box.output == "x" * SMALL.kept_bytes
    assert box.printed < 4 * 2**20


@pytest.mark.parametrize(("where", "says"), [("/tmp", "27|28"), ("/dev/shm", "27|28")])
def test_the_disk_cannot_be_filled(run, where, says):
    said, _ = run(
        f"""
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        written = 0
        try:
            for number in range(100):
                with open(f"{where}/{{number}}", "wb", buffering=0) as file:
                    for _ in range(6):
                        written += file.write(bytes(2**20))
                        if file.tell() % 2**20:
                            raise OSError(28, "full")
        except OSError as error:
            print(error.errno, written // 2**20)
        """
    )
    error, megabytes = said.split()
    assert error in says.split("|") and int(megabytes) <= 16


def test_one_file_is_bounded(run):
    said, _ = run(
        """
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            with open("/tmp/x", "wb", buffering=0) as file:
                for _ in range(9):
                    file.write(bytes(2**20))
        except OSError as error:
            print(error.errno)
        """
    )
    assert said == "27\n"


def test_nothing_is_left_behind(warm):
    program = "import os, time\nfor _ in range(3): os.fork()\nos.setsid() if os.getpgrp() != os.getpid() else 0\n"
    program += "time.sleep(60)"
    with Sandbox(["-c", program], start_warm=warm) as box:
        inside, began = [], time.monotonic()
        while len(inside) < 10 and time.monotonic() - began < 30:  # a busy machine takes its time
            time.sleep(0.1)
            inside = box._tree()
        assert len(inside) >= 10
    assert not [process for process in inside if process.is_running()]


def test_without_a_box_only_the_limits_hold(run, capfd):
    said, box = run("import os; print(os.getuid())", unsafe=True)
    assert int(said) == os.getuid()
    _, box = run("while True: pass", Limits(cpu_seconds=1, wall_seconds=30), unsafe=True)
    assert box.process.returncode != 0


def test_a_machine_without_bubblewrap_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    with pytest.raises(SandboxError, match="apt install bubblewrap"):
        bubblewrap.bubblewrap({}, {}, SMALL)
    assert "apt install bubblewrap" in sandbox.probe()


def test_an_ordinary_user_gets_a_user_namespace_and_root_another_user(monkeypatch):
    monkeypatch.setattr(bubblewrap.os, "geteuid", lambda: 1000)
    line = bubblewrap.bubblewrap({}, {}, SMALL)
    assert "--unshare-user" in line and "setpriv" not in line
    monkeypatch.setattr(bubblewrap.os, "geteuid", lambda: 0)
    line = bubblewrap.bubblewrap({}, {}, SMALL)
    assert "--unshare-user" not in line and "setpriv" in line


@pytest.mark.parametrize("ids", ["0 0 4294967295", "0 100000 65536", "0 1000 1\n1 100000 65536"])
def test_no_two_boxes_share_a_user(ids, monkeypatch):
    monkeypatch.setattr(bubblewrap.Path, "read_text", lambda self: ids)
    users = {bubblewrap.free_user() for _ in range(100)}
    assert len(users) > 95
    assert all(2000 <= user < min(2**31, 65537 if "65536" in ids else 2**31) for user in users)


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/usr/bin/python3"), reason="needs root, to be another")
def test_an_ordinary_user_has_a_sandbox_that_works(tmp_path):
    own = {part.split("/")[2] for part in (sys.prefix, sys.base_prefix) if part.startswith("/tmp/")}
    program = f"import os; print({{*os.listdir('/tmp')}} - {own!r}); print(open('/etc/shadow').read())"
    code = "import os; os.geteuid = lambda: 1000; from aibook.labs import bubblewrap as box; "
    code += "print('\\0'.join(box.bubblewrap({}, box.clean_environment(), box.Limits())))"
    line = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    line = line.strip().split("\0")
    unreadable = [part for part in (sys.prefix, sys.base_prefix) if part.startswith("/root")]
    for path in unreadable:  # an ordinary user cannot bind what it cannot see
        while path in line:
            at = line.index(path)
            del line[at - 1 : at + 2]
    user = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"]
    ran = subprocess.run([*user, *line, "/usr/bin/python3", "-c", program], capture_output=True, text=True)
    if "namespace" in ran.stderr:
        pytest.skip(f"ordinary users have no namespaces here: {ran.stderr.strip()}")
    assert ran.stdout == "set()\n" and "No such file" in ran.stderr


def test_no_right_and_no_door_is_left(run, warm):
    said, _ = run(
        """
        import json, os
        status = {key: value.strip() for key, _, value in (line.partition(":") for line in open("/proc/self/status"))}
        rights = [status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")]
        namespaces = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in os.listdir("/proc/self/ns")}
        print(json.dumps({
            "rights": rights, "new": status["NoNewPrivs"],
            "descriptors": [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")],
            "namespaces": namespaces, "environment": open("/proc/self/environ").read(), "session": os.getsid(0),
            "me": os.getpid(), "limits": open("/proc/self/limits").read(),
        }))
        """
    )
    found = json.loads(said)
    assert set(found["rights"]) == {"0" * 16} and found["new"] == "1"
    assert found["descriptors"] == ["0", "1", "2"]
    own = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "pid", "net", "ipc", "uts")}
    assert not [kind for kind in own if found["namespaces"][kind] == own[kind]]
    assert str(house.ROOT) not in found["environment"].replace(sys.prefix, "").replace(sys.base_prefix, "")
    assert found["session"] == found["me"] or not warm
    for line in ("Max cpu time              2 ", "Max open files            256 ", "Max core file size        0 "):
        assert line in found["limits"]


@boxes.needs_warm
def test_a_box_that_begins_warm_has_torch_and_nothing_of_the_grader():
    program = "import sys; print('torch' in sys.modules, any(name.startswith('aibook') for name in sys.modules))"
    assert ran(program, Limits(), start_warm=True)[0] == "True False\n"


@boxes.needs_warm
def test_what_one_box_changes_another_does_not_see():
    change = "import torch; torch.allclose = lambda *_: True; open('/tmp/left', 'w'); print('changed')"
    look = "import os, torch; print(torch.allclose.__name__, os.listdir('/tmp'))"
    own = sorted({part.split("/")[2] for part in (sys.prefix, sys.base_prefix) if part.startswith("/tmp/")})
    assert ran(change, Limits(), start_warm=True)[0] == "changed\n"
    assert ran(look, Limits(), start_warm=True)[0] == f"allclose {own}\n"


@boxes.needs_warm
def test_programs_in_two_boxes_do_not_see_each_other():
    """Each sees its own first process, `cat`, and itself."""
    program = "import os; print(sum(name.isdigit() for name in os.listdir('/proc')), flush=True); input()"
    with Sandbox(["-c", program], start_warm=True) as one, Sandbox(["-c", program], start_warm=True) as other:
        assert one.warm and other.warm
        assert one.stdout.readline() == other.stdout.readline() == b"3\n"


@boxes.needs_warm
def test_when_the_warm_process_is_gone_boxes_start_cold():
    assert ran("print(1)", start_warm=True)[0] == "1\n"
    warming.start()
    warming._made[os.getpid()].process.kill()
    warming._made[os.getpid()].process.wait()
    try:
        with Sandbox(["-c", "print(2)"], start_warm=True) as box:
            assert not box.warm and box.stdout.read() == b"2\n"
        with pytest.raises(warming.ColdError, match="gone"):
            warming.door()
    finally:
        warming._made.pop(os.getpid()).close()
        warming._doors.clear()


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/usr/bin/python3"), reason="needs root, to be another")
def test_a_warm_process_of_an_ordinary_user_enters_a_box_of_its_own(tmp_path):
    """By the system's Python, which every user can read; it needs no packages for that."""
    package = tmp_path / "aibook" / "labs"
    package.mkdir(parents=True)
    for name in ("bubblewrap.py", "seccomp.py", "warm.py", "zygote.py"):
        shutil.copy(house.ROOT / "aibook" / "labs" / name, package / name)
    (tmp_path / "secret").write_text("42")
    program = """
import os, subprocess, sys
from aibook.labs import warm
from aibook.labs.bubblewrap import Limits, bubblewrap, clean_environment
box, first = warm.empty_box(bubblewrap({}, clean_environment(), Limits()))
try:
    inside = "import os; print(os.getuid(), os.listdir('/tmp'), os.path.exists(SECRET), os.getpid() < 9); "
    inside += "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('Cap')], flush=True)"
    read, write = os.pipe()
    inside = inside.replace("SECRET", repr(sys.argv[1]))
    inside += "; print(os.stat('/proc/self/exe').st_uid, flush=True)"
    warm.door().enter(first, ["-c", inside], clean_environment(), Limits(), [0, write, 2])
    os.close(write)
    print(open(read).read(), box.wait(10) != 0)
finally:
    box.kill()
"""
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755)
    for parent in list(tmp_path.parents)[:-2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    user = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"]
    ran = subprocess.run(
        [*user, "/usr/bin/python3", "-c", program, str(tmp_path / "secret")], capture_output=True, text=True, cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": str(tmp_path)}, check=False,
    )  # fmt: skip
    if "no box opened" in ran.stderr:
        pytest.skip("ordinary users have no namespaces here")
    assert ran.stdout == f"1234 [] False True\n{['0' * 16] * 5}\n1234\n True\n", ran.stderr


def test_a_program_that_fails_says_so_and_ends_its_box(run):
    _, box = run("raise ValueError('no')")
    assert "ValueError: no" in box.output and box.process.returncode != 0
    _, box = run("import os; os._exit(3)")
    assert box.ended_by == "" and box.process.returncode != 0


def test_a_script_runs_as_main_beside_its_modules(warm, tmp_path):
    (tmp_path / "beside.py").write_text("value = 7")
    (tmp_path / "script.py").write_text("import sys, beside; print(__name__, beside.value, sys.argv)")
    for path in (tmp_path, *tmp_path.iterdir()):
        path.chmod(0o755)
    with Sandbox(["/given/script.py", "a"], files={"/given": tmp_path}, start_warm=warm) as box:
        assert box.stdout.read() == b"__main__ 7 ['/given/script.py', 'a']\n"


def test_a_late_reply_is_not_taken_for_the_next(monkeypatch, tmp_path):
    monkeypatch.setattr(warming, "PATIENCE", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "door"))
        listener.listen()
        door = warming.Door(str(tmp_path / "door"))
        late = listener.accept()[0]
        with open(os.devnull, "r+b") as null:
            pipes = [null.fileno()] * 3
            with pytest.raises(warming.ColdError, match="does not answer"):
                door.enter(os.getpid(), [], {}, SMALL, pipes)
            with pytest.raises(warming.ColdError, match="gone"):
                door.enter(os.getpid(), [], {}, SMALL, pipes)
        late.close()


@boxes.needs_warm
def test_the_probe_of_a_warm_start_says_what_is_wrong(monkeypatch):
    assert warming.probe() == ""
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    assert "apt install bubblewrap" in warming.probe()
    monkeypatch.delattr(os, "pidfd_open")
    assert "Linux" in warming.probe()
