"""The package is unpacked whole, without its compiled part, or not at all."""

import errno
import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from aibook.detectron2 import Unavailable, here, package
from helpers.data.registry import File

LOADED = """
import sys
sys.path.insert(0, sys.argv[1])
import detectron2.modeling, detectron2.evaluation, detectron2.utils.visualizer
print(detectron2.__file__)
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AIBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("AIBOOK_DATA", raising=False)


@pytest.fixture
def small(tmp_path, cache, monkeypatch):
    """A small package in the place of the real one, delivered by the test; returns its path."""
    path = tmp_path / "small.whl"
    with zipfile.ZipFile(path, "w") as box:
        box.writestr("detectron2/__init__.py", '__version__ = "0.7.2"\n')
        box.writestr("detectron2/layers/nms.py", "def nms():\n    return 1\n")
        box.writestr("detectron2/_C.cpython-310-x86_64-linux-gnu.so", b"compiled")
        box.writestr("tools/train_net.py", "")
    content = path.read_bytes()
    monkeypatch.setattr(package, "WHEEL", File("small.whl", len(content), hashlib.sha256(content).hexdigest()))

    @contextmanager
    def delivered(self, name, workspace):
        with path.open("rb") as stream:
            yield stream

    monkeypatch.setattr(package.Download, "open", delivered)
    return path


def left_in(site):
    return sorted(path.name for path in site.iterdir()) if site.exists() else []


def test_the_real_package_is_fetched_verified_and_importable(tmp_path, monkeypatch):
    """From the machine's own cache where it is there, so that it is downloaded once."""
    monkeypatch.delenv("AIBOOK_DATA", raising=False)
    site = tmp_path / "site"
    found = package.install(site)
    assert found.checksum == package.WHEEL.sha256 and package.ORIGIN in str(found)
    assert left_in(site) == ["detectron2"]
    assert not list(site.rglob("*.so"))
    assert (site / "detectron2" / "model_zoo" / "configs" / "Base-RetinaNet.yaml").is_file()
    ran = subprocess.run([sys.executable, "-c", LOADED, site], capture_output=True, text=True)
    assert ran.stdout.strip() == str(site / "detectron2" / "__init__.py"), ran.stderr


def test_only_the_python_part_is_unpacked_with_its_byte_code(small, tmp_path):
    site = tmp_path / "deep" / "site"
    package.install(site)
    files = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    tag = sys.implementation.cache_tag
    assert files == {
        "detectron2/__init__.py",
        f"detectron2/__pycache__/__init__.{tag}.pyc",
        f"detectron2/{here.MARKER}",
        "detectron2/layers/nms.py",
        f"detectron2/layers/__pycache__/nms.{tag}.pyc",
    }


def test_a_wrong_checksum_installs_nothing_and_says_what_to_do(small, tmp_path, monkeypatch):
    monkeypatch.setattr(package, "WHEEL", replace(package.WHEEL, sha256="0" * 64))
    with pytest.raises(Unavailable, match=r"another sha256.*(?s:.)*What you can do") as caught:
        package.install(tmp_path / "site")
    assert "python -m pip download" in str(caught.value)
    assert left_in(tmp_path / "site") == []


def test_no_network_is_told_in_pips_words_with_what_to_do(cache, tmp_path, monkeypatch):
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(Unavailable, match="No matching distribution found") as caught:
        package.install(tmp_path / "site")
    assert "connect this machine to the network" in str(caught.value)
    assert left_in(tmp_path / "site") == []


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "is full.*Make room"), (errno.EROFS, "cannot write")])
def test_a_disk_that_takes_nothing_more_is_named(small, tmp_path, monkeypatch, number, words):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(package.zipfile.ZipFile, "extractall", refuse)
    with pytest.raises(Unavailable, match=words + ".*aibook detectron2"):
        package.install(tmp_path / "site")
    assert left_in(tmp_path / "site") == []


def test_too_little_room_is_known_beforehand(small, tmp_path, monkeypatch):
    site, usage = tmp_path / "site", shutil.disk_usage(tmp_path)
    full = usage._replace(free=10_000_000)
    monkeypatch.setattr(package.shutil, "disk_usage", lambda path: full if path == site else usage)
    with pytest.raises(Unavailable, match="24 MB are needed, 10 MB are free"):
        package.install(site)


def test_an_interrupt_leaves_nothing_and_the_next_call_begins_again(small, tmp_path, monkeypatch):
    site = tmp_path / "site"
    with monkeypatch.context() as patch:
        patch.setattr(package, "_compile", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            package.install(site)
    assert left_in(site) == []
    (site / f"{package.PREFIX}killed").mkdir()  # a process that was killed could not clean up
    assert package.install(site) and left_in(site) == ["detectron2"]


def test_what_is_there_stays_and_an_older_package_is_replaced(small, tmp_path):
    site = tmp_path / "site"
    package.install(site)
    code = site / "detectron2" / "layers" / "nms.py"
    code.write_text("changed = 1\n")
    package.install(site)
    assert code.read_text() == "changed = 1\n"
    (site / "detectron2" / here.MARKER).write_text('{"origin": "an older package", "sha256": "12"}')
    assert package.install(site).checksum == package.WHEEL.sha256
    assert "def nms" in code.read_text() and left_in(site) == ["detectron2"]


def test_several_processes_at_once_leave_one_whole_copy(small, tmp_path):
    site = tmp_path / "site"
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("fork")) as pool:
        found = list(pool.map(package.install, [site] * 8))
    assert len(set(map(str, found))) == 1 and left_in(site) == ["detectron2"]
