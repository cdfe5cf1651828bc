"""The system calls that are refused in a box: ways to memory that nobody counts, and to more namespaces.

What is mapped is seen by the watch, and what lies in `/tmp` has its limit. Memory behind a descriptor (memfd) or in a
System V segment or queue has neither, nor has a tmpfs in a user namespace of one's own. The others that are refused
serve no notebook, and kernels have had many of their holes there; container engines refuse them, too.
"""

import platform
import struct

ALLOW, REFUSE = 0x7FFF0000, 0x00050000  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO, plus the error
EPERM, ENOSYS = 1, 38
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # classic BPF
NUMBER, MACHINE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, both machines being little-endian
CLONE_NEWUSER = 0x10000000
X32 = 0x40000000  # x86-64's other names for the same calls

# AUDIT_ARCH_… of the machine, and the numbers of its calls (asm/unistd_64.h, asm-generic/unistd.h)
CALLS = {
    "x86_64": (0xC000003E, {
        "memfd_create": 319, "memfd_secret": 447, "shmget": 29, "msgget": 68, "unshare": 272, "setns": 308,
        "mount": 165, "open_tree": 428, "move_mount": 429, "fsopen": 430, "add_key": 248, "request_key": 249,
        "keyctl": 250, "io_uring_setup": 425, "userfaultfd": 323, "bpf": 321, "perf_event_open": 298, "ptrace": 101,
        "clone": 56, "clone3": 435,
    }),
    "aarch64": (0xC00000B7, {
        "memfd_create": 279, "memfd_secret": 447, "shmget": 194, "msgget": 186, "unshare": 97, "setns": 268,
        "mount": 40, "open_tree": 428, "move_mount": 429, "fsopen": 430, "add_key": 217, "request_key": 218,
        "keyctl": 219, "io_uring_setup": 425, "userfaultfd": 282, "bpf": 280, "perf_event_open": 241, "ptrace": 117,
        "clone": 220, "clone3": 435,
    }),
}  # fmt: skip


def program(machine: str = "") -> bytes:
    """The filter, as an array of `struct sock_filter`; empty for a machine whose numbers are not known here.

    `clone3` does not exist in a box, since a filter cannot see its flags: the C library then takes `clone`.
    """
    audit, numbers = CALLS.get(machine or platform.machine(), (0, {}))
    if not numbers:
        return b""
    clone, clone3 = numbers["clone"], numbers["clone3"]
    refused = [number for name, number in numbers.items() if name not in ("clone", "clone3")]
    lines = [
        _line(LOAD, MACHINE), *_unless(EQUAL, audit, REFUSE | EPERM),
        _line(LOAD, NUMBER), *_if(AT_LEAST, X32, REFUSE | EPERM), *_if(EQUAL, clone3, REFUSE | ENOSYS),
    ]  # fmt: skip
    for number in refused:
        lines += _if(EQUAL, number, REFUSE | EPERM)
    lines += [*_unless(EQUAL, clone, ALLOW), _line(LOAD, FIRST_ARGUMENT), *_if(ANY_BIT, CLONE_NEWUSER, REFUSE | EPERM)]
    return b"".join([*lines, _line(RETURN, ALLOW)])


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _if(test: int, value: int, answer: int) -> list[bytes]:
    return [_line(test, value, 0, 1), _line(RETURN, answer)]


def _unless(test: int, value: int, answer: int) -> list[bytes]:
    return [_line(test, value, 1, 0), _line(RETURN, answer)]
