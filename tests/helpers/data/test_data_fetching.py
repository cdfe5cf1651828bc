"""What happens when fetching goes well, and when it does not: each fault has its message and leaves no half file."""

import errno
import gzip
import os
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path
from unittest.mock import Mock

import pytest

from helpers.data import NoSpaceError, UnavailableError, fetch, fetching, registry, store
from helpers.data.fetching import obtain
from helpers.data.sources import Apt, Pip, Url

CONTENT = os.urandom(300_000)


def test_a_file_arrives_whole_once(cache, server, toys):
    server.pages["/a.bin"] = CONTENT
    entry = toys.entry({"a.bin": CONTENT}, Url(server.url + "/{file}"))
    assert (obtain(entry) / "a.bin").read_bytes() == CONTENT
    assert obtain(entry) == cache / "tiny"
    assert server.asked == ["/a.bin"]
    assert toys.left_in(cache) == [".verified.json", "a.bin"]


def test_packed_files_are_unpacked_on_the_way(cache, server, toys):
    server.pages |= {"/a.gz": gzip.compress(b"first"), "/b.gz": gzip.compress(b"second")}
    folder = obtain(toys.entry({"a": b"first", "b": b"second"}, Url(server.url + "/{file}.gz")))
    assert (folder / "a").read_bytes() == b"first"
    assert (folder / "b").read_bytes() == b"second"


def test_an_unknown_name_lists_the_names(cache):
    with pytest.raises(KeyError, match="fashion-mnist"):
        fetch("fashion")


def cut_short(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[:1000])


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (CONTENT[:1000], r"truncated: 1,000 of 300,000 bytes"),
        (cut_short, r"truncated: 1,000 of 300,000 bytes"),
        (CONTENT + b"x", r"longer than the 300,000 bytes"),
        (CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]), r"another sha256"),
        (None, r"404"),
    ],
    ids=["short", "connection lost", "long", "one bit wrong", "not there"],
)
def test_a_wrong_file_is_refused_and_the_next_source_tried(cache, server, toys, page, said):
    if page is not None:
        server.pages["/bad/a.bin"] = page
    bad, good = Url(server.url + "/bad/{file}"), Url(server.url + "/good/{file}")
    with pytest.raises(UnavailableError, match=said):
        obtain(toys.entry({"a.bin": CONTENT}, bad))
    assert toys.left_in(cache) == []

    server.pages["/good/a.bin"] = CONTENT
    folder = obtain(toys.entry({"a.bin": CONTENT}, bad, good))
    assert (folder / "a.bin").read_bytes() == CONTENT
    assert server.asked == ["/bad/a.bin", "/bad/a.bin", "/good/a.bin"]


def test_a_truncated_gzip_is_said_to_be_one(cache, server, toys):
    server.pages["/a.bin.gz"] = gzip.compress(CONTENT)[:-1000]
    with pytest.raises(UnavailableError, match="truncated or damaged"):
        obtain(toys.entry({"a.bin": CONTENT}, Url(server.url + "/{file}.gz")))
    assert toys.left_in(cache) == []


def test_without_a_network_the_error_says_what_was_tried_and_what_to_do(cache, toys, monkeypatch, tmp_path):
    nowhere = "http://127.0.0.1:9"  # the discard port: nothing listens
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", nowhere + "/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))  # no apt-get
    entry = toys.entry(
        {"a.bin": CONTENT}, Pip("tiny-data==1.0", 100), Apt("tiny-data", "usr/{file}", 100), Url(nowhere + "/{file}")
    )
    with pytest.raises(UnavailableError) as caught:
        obtain(entry)
    message = str(caught.value)
    for part in (
        "the folder $AIBOOK_DATA: the variable is not set",
        f"the cache ({cache / 'tiny'}): not in it",
        "pip package tiny-data==1.0: ERROR:",
        "Debian package tiny-data: apt-get is not on this machine",
        "Connection refused",
        "a.bin (300,000 bytes)",
        "AIBOOK_DATA to that folder",
        "python -m pip download --no-deps --only-binary :all: tiny-data==1.0",
        "apt-get download tiny-data && dpkg -x",
        f"download {nowhere}/a.bin",
    ):
        assert part in message
    assert toys.left_in(cache) == []


def test_too_little_space_is_seen_before_anything_is_asked_for(cache, server, toys, monkeypatch):
    entry = toys.entry({"a.bin": CONTENT}, Url(server.url + "/{file}"))
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: store.shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(NoSpaceError, match="AIBOOK_CACHE"):
        obtain(entry)
    assert server.asked == []


def test_a_disk_that_fills_up_leaves_no_half_file_and_asks_no_other_source(cache, server, toys, monkeypatch):
    """`/dev/full` is Linux's own full disk; the partial file is led there. Elsewhere the last write fails."""
    server.pages["/a.bin"] = CONTENT
    file = toys.file("a.bin", CONTENT)
    cache.mkdir()
    if Path("/dev/full").exists():
        (cache / ".part-a.bin").symlink_to("/dev/full")
    else:
        monkeypatch.setattr(store.os, "fsync", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    with (
        Url(server.url + "/{file}").open("a.bin", cache) as stream,
        pytest.raises(NoSpaceError, match=r"full.*AIBOOK_CACHE"),
    ):
        store.install(stream, file, cache, lambda _: None)
    assert toys.left_in(cache) == []


def test_no_space_ends_the_search(cache, server, toys, monkeypatch):
    server.pages["/a.bin"] = CONTENT
    source = Url(server.url + "/{file}")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(NoSpaceError):
        obtain(toys.entry({"a.bin": CONTENT}, source, source))
    assert server.asked == ["/a.bin"]
    assert toys.left_in(cache) == []


def test_a_cache_that_cannot_be_written_names_the_variable(cache, server, toys):
    cache.write_text("a file where the folder should be")
    server.pages["/a.bin"] = CONTENT
    with pytest.raises(store.DataError, match="Set AIBOOK_CACHE"):
        obtain(toys.entry({"a.bin": CONTENT}, Url(server.url + "/{file}")))


PROCESS = """
    import signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with Ctrl-C ignored
    from helpers.data.fetching import obtain
    from helpers.data.registry import Entry, File, Variant
    from helpers.data.sources import Url
    url, size, sha256 = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    variant = Variant("", (File("a.bin", size, sha256),), (Url(url + "/{file}"),))
    print("ready", flush=True)
    print((obtain(Entry("tiny", "Tiny", "", "", "", (variant,))) / "a.bin").stat().st_size)
"""


@pytest.fixture
def process(server, toys):
    """Starts real processes that fetch a.bin from the server."""
    file = toys.file("a.bin", CONTENT)
    started = []

    def start():
        arguments = [sys.executable, "-c", textwrap.dedent(PROCESS), server.url, str(file.size), file.sha256]
        child = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def test_of_two_processes_one_fetches_and_both_have_the_file(cache, server, toys, process):
    asked, go_on = threading.Event(), threading.Event()

    def pause():
        asked.set()
        go_on.wait(20)

    server.pages["/a.bin"] = toys.slow(CONTENT, pause)
    first = process()
    assert asked.wait(20)
    second = process()
    assert second.stdout.readline() == "ready\n"
    assert "Waiting for another process" in second.stderr.readline()
    go_on.set()
    assert first.communicate(timeout=20)[0] == "ready\n300000\n"
    assert second.communicate(timeout=20)[0] == "300000\n"
    assert server.asked == ["/a.bin"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_leaves_nothing_that_counts(cache, server, toys, process, how):
    asked, go_on = threading.Event(), threading.Event()

    def pause():
        asked.set()
        go_on.wait(20)

    server.pages["/a.bin"] = toys.slow(CONTENT, pause)
    child = process()
    assert asked.wait(20)
    child.send_signal(how)
    _, errors = child.communicate(timeout=20)
    go_on.set()
    if how == signal.SIGINT:
        assert "KeyboardInterrupt" in errors
        assert toys.left_in(cache) == []
    assert not (cache / "tiny" / "a.bin").exists()

    server.pages["/a.bin"] = CONTENT
    obtain(toys.entry({"a.bin": CONTENT}, Url(server.url + "/{file}")))
    assert toys.left_in(cache) == [".verified.json", "a.bin"]


@pytest.mark.parametrize("damage", [b"short", bytes(len(CONTENT))], ids=["truncated", "overwritten"])
def test_a_damaged_cache_is_noticed_and_fetched_again(cache, server, toys, damage):
    server.pages["/a.bin"] = CONTENT
    entry = toys.entry({"a.bin": CONTENT}, Url(server.url + "/{file}"))
    path = obtain(entry) / "a.bin"
    path.write_bytes(damage)
    assert (obtain(entry) / "a.bin").read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_touched_file_is_read_again_but_not_fetched_again(cache, server, toys, monkeypatch):
    server.pages["/a.bin"] = CONTENT
    entry = toys.entry({"a.bin": CONTENT}, Url(server.url + "/{file}"))
    os.utime(obtain(entry) / "a.bin", (1, 1))
    reads = []
    monkeypatch.setattr(store, "sha256", lambda path, real=store.sha256: reads.append(path) or real(path))
    obtain(entry)
    obtain(entry)
    assert len(reads) == 1
    assert len(server.asked) == 1


def test_damage_that_keeps_size_and_time_is_found_by_reading_all(cache, server, toys):
    server.pages["/a.bin"] = CONTENT
    entry = toys.entry({"a.bin": CONTENT}, Url(server.url + "/{file}"))
    folder = obtain(entry)
    times = (folder / "a.bin").stat()
    (folder / "a.bin").write_bytes(bytes(len(CONTENT)))
    os.utime(folder / "a.bin", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert store.damaged(folder, entry.variants[0].files) == ["a.bin"]
    assert (obtain(entry) / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("place", ["a.bin", "a.bin.gz", "tiny/a.bin", "tiny/a.bin.gz"])
def test_the_own_folder_comes_first(cache, server, toys, tmp_path, monkeypatch, place):
    path = tmp_path / "own" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(CONTENT) if place.endswith(".gz") else CONTENT)
    monkeypatch.setenv("AIBOOK_DATA", str(tmp_path / "own"))
    server.pages["/a.bin"] = CONTENT
    folder = obtain(toys.entry({"a.bin": CONTENT}, Url(server.url + "/{file}")))
    assert (folder / "a.bin").read_bytes() == CONTENT
    assert server.asked == []


def test_a_wrong_file_in_the_own_folder_warns_and_the_next_source_is_tried(cache, server, toys, tmp_path, monkeypatch):
    (tmp_path / "a.bin").write_bytes(CONTENT[:7])
    monkeypatch.setenv("AIBOOK_DATA", str(tmp_path))
    server.pages["/a.bin"] = CONTENT
    entry = toys.entry({"a.bin": CONTENT}, Url(server.url + "/{file}"))
    with pytest.warns(UserWarning, match=r"AIBOOK_DATA.*truncated: 7 of 300,000 bytes"):
        folder = obtain(entry)
    assert (folder / "a.bin").read_bytes() == CONTENT
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once the cache has it, the wrong file matters no longer
        obtain(entry)


def test_the_variant_in_the_own_folder_comes_before_the_one_in_the_cache(cache, server, toys, tmp_path, monkeypatch):
    server.pages["/best"] = b"best"
    best = registry.Variant("best", (toys.file("best", b"best"),), (Url(server.url + "/{file}"),))
    other = registry.Variant("other", (toys.file("other", b"other"),), ())
    entry = registry.Entry("tiny", "Tiny", "", "", "", (best, other))
    assert obtain(entry) == fetching.place(entry, best)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "other").write_bytes(b"other")
    monkeypatch.setenv("AIBOOK_DATA", str(tmp_path / "own"))
    assert obtain(entry) == fetching.place(entry, other)
    assert (fetching.place(entry, other) / "other").read_bytes() == b"other"
    monkeypatch.delenv("AIBOOK_DATA")
    assert obtain(entry) == fetching.place(entry, best)


def test_only_what_is_missing_is_fetched(cache, server, toys):
    server.pages |= {"/a": b"first", "/b": b"second"}
    entry = toys.entry({"a": b"first", "b": b"second"}, Url(server.url + "/{file}"))
    (obtain(entry) / "b").unlink()
    obtain(entry)
    assert server.asked == ["/a", "/b", "/b"]


def test_the_core_is_light():
    """The site is built without torch and numpy, and lists the data all the same."""
    heavy = "{'numpy', 'torch', 'torchvision', 'PIL'}"
    subprocess.run(
        [sys.executable, "-c", f"import sys, helpers.data; sys.exit(sorted({heavy} & set(sys.modules)) or 0)"],
        check=True,
    )
