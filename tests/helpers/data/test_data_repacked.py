"""An archive that a server packs anew at each request: whatever its bytes, those in the cache are the same."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from helpers.data import UnavailableError
from helpers.data.errors import SourceError
from helpers.data.fetching import obtain
from helpers.data.sources import Repacked, from_table
from helpers.data.sources.repacked import repack

MEMBERS = ("data/a/", "LICENSE")
WANTED = {"LICENSE": b"free", "data/a/1.txt": b"one " * 100, "data/a/2/ü.txt": bytes(range(256))}
OTHERS = {"README.md": b"read me", "data/b.txt": b"b", "LICENSE.old": b"not free", "more/LICENSE": b"other"}
GITHUB = "set-1a2b3c/"


def packed(contents, top=GITHUB, method=zipfile.ZIP_DEFLATED, date=(2019, 11, 21, 0, 54, 0), comment=b""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as box:
        box.comment = comment
        for name, content in {top: b"", f"{top}data/": b"", f"{top}data/a/": b""}.items():
            box.writestr(zipfile.ZipInfo(name, date), content)
        for name, content in contents.items():
            box.writestr(zipfile.ZipInfo(top + name, date), content, method)
    return buffer.getvalue()


def canonical(archive, members=MEMBERS, limit=None):
    into = io.BytesIO()
    repack(io.BytesIO(archive), into, members, limit)
    return into.getvalue()


ARCHIVE = packed(OTHERS | WANTED)
CANONICAL = canonical(ARCHIVE)


def test_the_members_arrive_in_canonical_form(cache, server, toys):
    server.pages["/set.zip"] = ARCHIVE
    source = from_table({"kind": "repacked", "url": f"{server.url}/set.zip", "members": [*MEMBERS], "size": 1000})
    folder = obtain(toys.entry({"set.zip": CANONICAL}, source))
    assert toys.left_in(cache) == [".verified.json", "set.zip"]
    with zipfile.ZipFile(folder / "set.zip") as box:
        assert {name: box.read(name) for name in box.namelist()} == WANTED
        assert box.namelist() == sorted(WANTED)
        assert {info.compress_type for info in box.infolist()} == {zipfile.ZIP_STORED}


@pytest.mark.parametrize(
    "archive",
    [
        packed(WANTED),
        packed(dict(reversed((OTHERS | WANTED).items()))),
        packed(WANTED, top="another-name/"),
        packed(WANTED, method=zipfile.ZIP_STORED),
        packed(WANTED, method=zipfile.ZIP_BZIP2),
        packed(WANTED, method=zipfile.ZIP_LZMA),
        packed(WANTED, date=(2030, 1, 1, 0, 0, 0), comment=b"packed anew"),
        packed(WANTED, top="canonical-again/"),
    ],
    ids=["no others", "order", "folder", "stored", "bzip2", "lzma", "dates", "twice"],
)
def test_the_bytes_depend_on_names_and_contents_alone(archive):
    assert archive != ARCHIVE
    assert canonical(archive) == CANONICAL


@pytest.mark.parametrize("changed", [{"LICENSE": b"fref"}, {"data/a/3.txt": b""}], ids=["content", "name"])
def test_they_depend_on_names_and_contents(changed):
    assert canonical(packed(WANTED | changed)) != CANONICAL


def test_the_form_itself_stays():
    """A Python that wrote zip archives in another way would refuse every archive that is registered."""
    digest = hashlib.sha256(CANONICAL).hexdigest()
    assert digest == "25a3784ac929a919d83ccc89ca66cd643fdd01c9b02dcb4886f287a39a4976ba"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (packed(OTHERS), "the archive holds no data/a/, LICENSE"),
        (packed({"data/a/1.txt": b"one"}), "the archive holds no LICENSE"),
        (ARCHIVE[:-100], "the archive is damaged"),
        (packed(WANTED, method=zipfile.ZIP_STORED).replace(b"free", b"freE"), "the archive is damaged.*CRC"),
        (b"<html>not now</html>", "the archive is damaged"),
        (b"", "the archive is damaged"),
        (ARCHIVE + bytes(40_000), "the archive is longer than 4,000 bytes"),
        (packed(WANTED | {"data/a/bomb": bytes(1_000_000)}), "the archive's files have 1,000,660 bytes"),
        (packed(WANTED | {"LICENSE": b"fref"}), "set.zip has the right size but another sha256"),
        (None, "HTTPError: .*404"),
    ],
    ids=["lacks all", "lacks one", "truncated", "bit", "page", "empty", "long", "bomb", "other content", "not there"],
)
def test_another_archive_is_refused_and_the_next_source_tried(cache, server, toys, page, said):
    if page is not None:
        server.pages["/bad.zip"] = page
    server.pages["/good.zip"] = ARCHIVE
    bad, good = (Repacked(f"{server.url}/{name}.zip", MEMBERS, 1000) for name in ("bad", "good"))
    with pytest.raises(UnavailableError, match=rf"{server.url}/bad\.zip: {said}"):
        obtain(toys.entry({"set.zip": CANONICAL}, bad))
    assert toys.left_in(cache) == []
    assert (obtain(toys.entry({"set.zip": CANONICAL}, bad, good)) / "set.zip").read_bytes() == CANONICAL


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_wrong_byte_anywhere_is_a_failed_source_or_changes_no_content(method):
    """Whatever zipfile makes of it: a password, another compression, a date of its own."""
    archive, refused, unchanged = packed(OTHERS | WANTED, method=method), 0, 0
    for place in range(len(archive)):
        for flip in (0x01, 0xFF):
            wrong = bytearray(archive)
            wrong[place] ^= flip
            try:
                content = canonical(bytes(wrong), limit=100_000)
            except SourceError:
                refused += 1
                continue
            unchanged += content == CANONICAL
            with zipfile.ZipFile(io.BytesIO(content)) as box:  # names may differ, which their checksum will tell
                assert {box.read(name) for name in box.namelist()} <= set((OTHERS | WANTED).values())
    assert min(refused, unchanged) > len(archive) / 4


def test_what_to_do_by_hand_works(tmp_path):
    """The advice without its download: a shell command that makes the file."""
    advice = Repacked("https://set.invalid/1a2b3c.zip", MEMBERS, 1000).advice("set.zip")
    download, _, command = advice.partition(" && ")
    assert download == "curl --location --output archive.zip https://set.invalid/1a2b3c.zip"
    (tmp_path / "archive.zip").write_bytes(ARCHIVE)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    assert command.startswith("python -c ")
    command = command.replace("python", sys.executable, 1)
    subprocess.run(command, shell=True, cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "set.zip").read_bytes() == CANONICAL
