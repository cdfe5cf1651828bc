"""Each finding says what is there; each lack what it costs and how to get it."""

import json
import subprocess
import sys
from importlib import metadata

import pytest

from aibook import doctor

NAMES = [
    "Python",
    "processor",
    "cores",
    "memory",
    "disk",
    "GPU",
    "sandbox",
    "browser",
    "packages: site",
    "packages: book",
    "packages: tests",
    "Detectron2",
]


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(doctor, "_cpu_flags", lambda: {"sse2"})
    monkeypatch.setattr(doctor.machine, "cores", lambda: 1)
    monkeypatch.setattr(doctor.machine, "memory_mb", lambda: 100)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("usage", (), {"free": 2**30}))
    monkeypatch.setattr(doctor, "_output", lambda command, timeout=0: "")

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "version", missing)


def test_this_machine_is_described(capsys):
    assert doctor.main(as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert [finding["name"] for finding in found][: len(NAMES)] == NAMES
    assert "data: fashion-mnist" in {finding["name"] for finding in found}
    assert all(finding["found"] for finding in found)
    assert all(finding["ok"] != bool(finding["cost"] and finding["remedy"]) for finding in found)


def test_a_bare_machine_is_told_each_lack_and_its_remedy_and_is_no_failure(nothing_installed, capsys):
    lacks = {finding.name: finding for finding in doctor.findings() if not finding.ok}
    assert lacks.keys() >= set(NAMES) - {"Python"}
    assert all(lack.cost and lack.remedy for lack in lacks.values())
    assert "sudo apt install bubblewrap" in lacks["sandbox"].remedy
    assert "sudo apt install chromium" in lacks["browser"].remedy
    assert lacks["packages: book"].remedy == "make environment"
    assert lacks["Detectron2"].remedy == "aibook detectron2"
    assert doctor.main() == 0
    shown = capsys.readouterr().out
    assert "costs: " in shown
    assert "get it: make environment" in shown


def test_macos_is_told_what_can_be_done_on_macos(nothing_installed, monkeypatch):
    monkeypatch.setattr(doctor.sys, "platform", "darwin")
    monkeypatch.setattr(doctor.platform, "machine", lambda: "arm64")
    monkeypatch.setattr(doctor.machine, "processor", lambda: "Apple M3")
    findings = {finding.name: finding for finding in doctor.findings()}
    assert findings["browser"].remedy == "install it: brew install chromium"
    assert findings["sandbox"].found == "no bubblewrap on macOS"
    assert "labs are graded on Linux" in findings["sandbox"].remedy
    assert findings["processor"] == doctor.Finding("processor", True, "Apple M3")
    assert not [finding for finding in findings.values() if "apt" in finding.remedy.split()]
    monkeypatch.setattr(doctor.platform, "machine", lambda: "x86_64")
    assert "AVX512" in doctor.processor().remedy


def test_an_old_python_is_a_failure(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "OLDEST", (9, 9))
    assert doctor.main() == 1
    assert "install Python 3.11 or newer" in capsys.readouterr().out


def test_the_sandbox_is_tried_and_not_only_looked_for(monkeypatch, tmp_path):
    bwrap = tmp_path / "bwrap"
    bwrap.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    finding = doctor.sandbox()
    assert not finding.ok
    assert "No permissions to create a new namespace" in finding.found
    assert "unprivileged_userns" in finding.remedy


def test_a_gpu_is_tried_in_another_process(monkeypatch):
    answers = {"nvidia-smi": "NVIDIA X, 80000 MiB", sys.executable: "2.0 False"}
    monkeypatch.setattr(doctor, "_output", lambda command, timeout=0: answers[command[0]])
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: "there")
    assert not doctor.gpu().ok
    answers[sys.executable] = "2.0 NVIDIA X"
    assert doctor.gpu() == doctor.Finding("GPU", True, "NVIDIA X, 80000 MiB; torch 2.0 NVIDIA X")
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    assert doctor.gpu().ok


def test_no_torch_is_loaded_for_it():
    program = "import sys; from aibook import doctor; doctor.findings(); print({'torch', 'numpy'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def test_a_python_that_the_sandbox_cannot_read_is_told_apart(monkeypatch):
    from aibook.labs import sandbox

    monkeypatch.setattr(sandbox, "probe", lambda: "setpriv: failed to execute python: Permission denied")
    finding = doctor.sandbox()
    assert not finding.ok and "chmod -R a+rX" in finding.remedy
