"""`aibook detectron2`: nothing where it is there; the official source where it can be had; otherwise the package."""

import subprocess
import sys

import pytest

from aibook.detectron2 import Unavailable, command, here, official, package

ANY = here.Here("there", "0.6", "built from its official source")
PACKAGE = here.Here("there", "0.7.2", package.ORIGIN, package.WHEEL.sha256)


@pytest.fixture
def asked(monkeypatch):
    """What the command asks for, with answers that say: nothing is here, the source is out of reach."""
    asked = []
    monkeypatch.setattr(here, "find", lambda into=None: None)
    monkeypatch.setattr(official, "lacking", lambda: asked.append("lacking") or "git is not installed")
    monkeypatch.setattr(official, "build", lambda: asked.append("build"))
    monkeypatch.setattr(package, "install", lambda site: asked.append(site) or PACKAGE)
    return asked


@pytest.mark.parametrize("found", [ANY, PACKAGE], ids=["official", "package"])
def test_nothing_is_done_where_it_is_there(asked, monkeypatch, capsys, found):
    monkeypatch.setattr(here, "find", lambda into=None: found)
    assert command.main() == 0 and asked == []
    assert str(found) in capsys.readouterr().err


def test_the_official_source_comes_first(asked, monkeypatch, capsys):
    monkeypatch.setattr(official, "lacking", lambda: "")
    assert command.main() == 0 and asked == ["build"]


def test_the_package_is_taken_where_the_source_is_out_of_reach_and_the_reason_is_told(asked, capsys):
    assert command.main() == 0 and asked == ["lacking", here.site_packages()]
    said = capsys.readouterr().err
    assert "out of reach (git is not installed)" in said and str(PACKAGE) in said


def test_the_package_is_taken_where_the_source_does_not_build(asked, monkeypatch, capsys):
    def fail():
        raise Unavailable("it could not be built: no CUDA")

    monkeypatch.setattr(official, "lacking", lambda: "")
    monkeypatch.setattr(official, "build", fail)
    assert command.main() == 0 and asked == [here.site_packages()]
    assert "no CUDA" in capsys.readouterr().err


def test_a_folder_and_an_older_package_get_the_package(asked, monkeypatch, tmp_path):
    assert command.main(tmp_path) == 0 and asked == [tmp_path]
    monkeypatch.setattr(here, "find", lambda into=None: here.Here("there", "0.7.1", "an older package", "12"))
    assert command.main() == 0 and asked == [tmp_path, here.site_packages()]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [(Unavailable("Make room."), 1, "could not be brought here. Make room."), (KeyboardInterrupt(), 130, "Stopped")],
)
def test_a_failure_and_an_interrupt_are_told_in_a_line(asked, monkeypatch, capsys, error, status, words):
    def fail(site):
        raise error

    monkeypatch.setattr(package, "install", fail)
    assert command.main() == status
    assert words in capsys.readouterr().err


def tools(folder, monkeypatch, git="exit 0"):
    """A PATH with a git that does this, and a compiler."""
    for name, does in {"git": git, "c++": "exit 0"}.items():
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin" if "sleep" in git else str(folder))
    monkeypatch.delenv("CXX", raising=False)


def test_what_the_source_lacks_is_named(tmp_path, monkeypatch):
    tools(tmp_path, monkeypatch)
    assert official.lacking() == ""
    tools(tmp_path, monkeypatch, git="exit 128")
    assert official.lacking() == "GitHub does not answer"
    monkeypatch.setattr(official, "PATIENCE", 0.2)
    tools(tmp_path, monkeypatch, git="exec sleep 20")
    assert official.lacking() == "GitHub did not answer within 0.2 s"
    (tmp_path / "c++").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert official.lacking() == "there is no C++ compiler"
    (tmp_path / "git").unlink()
    assert official.lacking() == "git is not installed"


def test_a_failed_build_says_pips_last_words(monkeypatch):
    done = subprocess.CompletedProcess([], 1, "", "a\nERROR: Failed building wheel\n\n")
    asked = []
    monkeypatch.setattr(official.subprocess, "run", lambda command, **_: asked.append(command) or done)
    with pytest.raises(Unavailable, match="could not be built: ERROR: Failed building wheel"):
        official.build()
    (command_,) = asked
    assert command_[:3] == [sys.executable, "-m", "pip"] and command_[-1].endswith(f"@{official.COMMIT}")


def test_it_answers_without_torch():
    program = "import sys; from aibook.detectron2 import command, official, package, here; here.find(); "
    program += "print({'torch', 'numpy', 'detectron2'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
