"""The part of MathJax 3 that the book serves itself: TeX in, HTML out, and its fonts."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

# One file in this order is the smallest MathJax that sets TeX: the stock bundle is half as large again, for a menu.
PARTS = ["startup", "core", "input/tex", "output/chtml", "output/chtml/fonts/tex", "a11y/assistive-mml"]


def files() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, as MathJax expects them beside its script."""
    home = Path(find_spec("mathjax").origin).parent / "static" / "mathjax" / "es5"
    yield "mathjax.js", b"\n".join((home / f"{part}.js").read_bytes() for part in PARTS)
    for pattern in ("output/chtml/fonts/woff-v2/*.woff", "input/tex/extensions/*.js"):
        for path in sorted(home.glob(pattern)):
            if path.name != "all-packages.js":
                yield str(path.relative_to(home)), path.read_bytes()
