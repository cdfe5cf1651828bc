"""`aibook serve`: shows the built site on this machine."""

import errno
import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from rich.console import Console

from aibook import house

HOST = "127.0.0.1"
TRIES = 20


class Handler(SimpleHTTPRequestHandler):
    """Serves files with the types that browsers and Colab expect, and says nothing of each request."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".ipynb": "application/x-ipynb+json",
        ".json": "application/json",
        ".woff": "font/woff",
        ".woff2": "font/woff2",
        ".whl": "application/octet-stream",
    }

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")  # a page that was built anew is shown at the next reload
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def main(port: int, *, open_browser: bool = True) -> int:
    """Serve until Ctrl-C. Returns 1 when there is no site, or no free port among the next few."""
    console = Console(stderr=True)
    if not (house.SITE / "index.html").is_file():
        console.print(f"There is no site in {house.SITE}. Build it first: aibook site", soft_wrap=True)
        return 1
    server = listen(port)
    if server is None:
        console.print(f"The ports {port} to {port + TRIES - 1} are all taken. Name another: aibook serve --port 9000")
        return 1
    if server.server_port != port:
        console.print(f"Port {port} is taken by another program.")
    address = f"http://{HOST}:{server.server_port}/"
    console.print(f"The book is at {address} (Ctrl-C ends)")
    if open_browser:
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        console.print("")
    finally:
        server.server_close()
    return 0


def listen(port: int) -> ThreadingHTTPServer | None:
    """A server of the site on the first free port from `port` on (any free one for 0), or None."""
    for candidate in range(port, port + TRIES) if port else [0]:
        try:
            return ThreadingHTTPServer((HOST, candidate), partial(Handler, directory=house.SITE))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return None
