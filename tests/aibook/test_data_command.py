"""`aibook data`, through the command itself."""

import hashlib

import pytest
from typer.testing import CliRunner

from aibook.cli import app
from helpers.data import registry
from helpers.data.fetching import obtain


@pytest.fixture
def entries(tmp_path, monkeypatch):
    """One data set that can be had (from `$AIBOOK_DATA`) and one that cannot."""
    content = b"tiny"

    sha256 = hashlib.sha256(content).hexdigest()
    own = tmp_path / "own"
    own.mkdir()
    (own / "a").write_bytes(content)
    monkeypatch.setenv("AIBOOK_DATA", str(own))
    monkeypatch.setenv("AIBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "120")
    made = {
        name: registry.Entry(
            name,
            f"The {name} set",
            "nobody (1900)",
            "free",
            "http://tiny.invalid",
            (registry.Variant("", (registry.File(file, len(content), sha256),), ()),),
            notice=f"notice of {name}",
        )
        for name, file in {"good": "a", "lost": "b"}.items()
    }
    monkeypatch.setattr(registry, "entries", lambda: made)
    monkeypatch.setattr("helpers.data.entries", lambda: made)
    return made


def aibook(*arguments):
    result = CliRunner().invoke(app, ["data", *arguments])
    return result.exit_code, result.output


def row(output, name):
    return next(line for line in output.splitlines() if f"│ {name} " in line)


def test_list_says_what_is_here(entries):
    status, output = aibook("list")
    assert status == 0
    assert "in $AIBOOK_DATA" in row(output, "good")
    assert "no" in row(output, "lost").split("│")[-2]
    obtain(entries["good"])
    assert "yes" in row(aibook("list")[1], "good")
    assert "free" in row(output, "good")


def test_a_narrow_terminal_cuts_no_name(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    output = aibook("list")[1]
    assert all(name in output for name in registry.entries())


def test_fetch_gets_what_it_can_and_fails_for_the_rest(entries):
    status, output = aibook("fetch", "good")
    assert status == 0
    assert "✓ good" in output
    assert "notice of good" in output
    status, output = aibook("fetch")
    assert status == 1
    assert "✓ good" in output
    assert "✗ lost" in output
    assert "AIBOOK_DATA" in output


def test_verify_finds_damage_removes_it_and_fetching_mends_it(entries):
    path = obtain(entries["good"]) / "a"
    status, output = aibook("verify")
    assert status == 0
    assert "good: 1 of 1 files here, whole" in output
    assert "lost: not in the cache" in output
    path.write_bytes(b"tinY")
    status, output = aibook("verify", "good")
    assert status == 1
    assert "damaged and removed: a" in output
    assert "aibook data fetch good" in output
    assert not path.exists()
    assert aibook("fetch", "good")[0] == 0
    assert path.read_bytes() == b"tiny"


@pytest.mark.parametrize("command", ["fetch", "verify"])
def test_an_unknown_name_is_answered_with_the_names_there_are(entries, command):
    status, output = aibook(command, "nonsense")
    assert status == 2
    assert "good, lost" in output
