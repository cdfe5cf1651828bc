"""Whatever ends the command, no kernel outlives it."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest


def started(toy, *options):
    """`aibook run`, as far as the cell that tells its process number; and the kernel's process."""
    told = toy.root / "kernel"
    toy.notebook("cv/01-quick", "1 + 1")
    toy.notebook("cv/02-slow", f"import os, time\nopen({str(told)!r}, 'w').write(str(os.getpid()))\ntime.sleep(100)")
    environment = os.environ | {"AIBOOK_ROOT": str(toy.root)}
    command = [sys.executable, "-c", "from aibook.cli import main; main()", "run", *options]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    return process, psutil.Process(int(told.read_text()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_says_what_was_finished_and_leaves_no_kernel(toy, number):
    process, kernel = started(toy, "--jobs", "1" if number == signal.SIGINT else "2")
    process.send_signal(number)
    process.send_signal(number)  # as one does
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130, out
    assert "Not finished: " in out
    if number == signal.SIGINT:  # one after the other, so the first was done
        assert "Finished: cv/01-quick.\nNot finished: cv/02-slow." in out
    assert not kernel.is_running()
    assert list((toy.root / "_build" / "run").iterdir()) == []
    assert '"outputs": []' in (toy.root / "notebooks/cv/02-slow.ipynb").read_text()


def test_a_killed_command_leaves_no_kernel_either(toy):
    process, kernel = started(toy)
    process.kill()
    process.wait()
    psutil.wait_procs([kernel], timeout=10)
    assert not kernel.is_running()
