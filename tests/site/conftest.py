"""The book's own site, built once, served on this machine, and a headless browser to read it with."""

import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from aibook.site import serve
from aibook.site.command import main as build


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of each worker builds the whole site, or waits for the one that does."""
    for item in items:
        if "address" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(1_200))


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the site is served. `aibook site` holds a lock, so that workers wait for the first one's build."""
    assert build("all") == 0, "the site could not be built: see above"
    server = serve.listen(0)
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    yield f"http://{serve.HOST}:{server.server_port}"
    server.shutdown()


class Watched:
    """A page with all that went wrong on it, and every address that it asked for."""

    def __init__(self, context: BrowserContext):
        self.page: Page = context.new_page()
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self.sizes: dict[str, int] = {}
        self.page.on("console", lambda message: message.type == "error" and self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def _request(self, request) -> None:
        self.requests.append(request.url)
        address = urlsplit(request.url)
        if address.scheme in ("http", "https") and address.hostname != serve.HOST:
            self.wrong.append(f"asks for {request.url}, which is not on this machine")

    def _response(self, response) -> None:
        if response.status >= 400:
            self.wrong.append(f"{response.status} for {response.url}")
        elif response.status == 200:
            self.sizes[response.url] = int(response.headers.get("content-length", 0))

    def open(self, url: str) -> Page:
        self.page.goto(url)
        self.page.wait_for_load_state("networkidle")
        return self.page


@pytest.fixture
def open_browser(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Gives pages of a new reader, whose settings are the arguments: `locale`, `color_scheme`, `viewport` …"""
    contexts: list[BrowserContext] = []

    def new(**settings: object) -> Watched:
        contexts.append(browser.new_context(**{"reduced_motion": "reduce", **settings}))
        return Watched(contexts[-1])

    yield new
    for context in contexts:
        context.close()
