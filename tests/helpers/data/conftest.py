"""A cache of the test's own, small registry entries, and a server on loopback."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from helpers.data import registry
from helpers.data.registry import Entry, File, Variant


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder; no `$AIBOOK_DATA`."""
    monkeypatch.setenv("AIBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("AIBOOK_DATA", raising=False)
    return tmp_path / "cache"


def _file(name, content):
    return File(name, len(content), hashlib.sha256(content).hexdigest())


def _entry(contents, *sources, name="tiny"):
    """An entry of one variant: file names and contents, sources."""
    files = tuple(_file(key, content) for key, content in contents.items())
    return Entry(name, "Tiny", "nobody (1900)", "none", "http://tiny.invalid", (Variant("", files, sources),))


def _left_in(folder):
    """What lies in a cache folder beside the lock."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


@pytest.fixture
def server():
    """`pages` maps a path to its bytes, or to a function of the request handler; `asked` lists the paths asked for."""
    site = SimpleNamespace(pages={}, asked=[])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.asked.append(self.path)
            page = site.pages.get(self.path)
            if page is None:
                self.send_error(404)
            elif callable(page):
                page(self)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        site.url = f"http://127.0.0.1:{http.server_address[1]}"
        yield site
        http.shutdown()


def _slow(content, pause):
    """A page that sends the first half, calls `pause`, and sends the rest."""

    def page(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        half = len(content) // 2
        handler.wfile.write(content[:half])
        handler.wfile.flush()
        pause()
        handler.wfile.write(content[half:])

    return page


@pytest.fixture
def toys():
    """Makers of small things: `file`, `entry`, `slow` pages, and `left_in` to see what lies in a folder."""
    return SimpleNamespace(file=_file, entry=_entry, slow=_slow, left_in=_left_in)


@pytest.fixture
def serve(cache, toys, tmp_path, monkeypatch):
    """Registers files under a name and puts them into `$AIBOOK_DATA`, with a variant name if one is given."""

    def put(name, contents, variant=""):
        own = tmp_path / "own"
        own.mkdir(exist_ok=True)
        for key, content in contents.items():
            (own / key).write_bytes(content)
        monkeypatch.setenv("AIBOOK_DATA", str(own))
        files = tuple(toys.file(key, content) for key, content in contents.items())
        entry = Entry(name, "Tiny", "", "", "", (Variant(variant, files, ()),), notice="a notice")
        monkeypatch.setattr(registry, "entries", lambda: {name: entry})

    return put
