"""Builds one source tree with Jupyter Book, in a process of its own: `python -m aibook.site.sphinx_process SRC OUT`.

Sources that did not change are not read again, but every page is written anew: a link to a label that has moved,
a number, a table of contents can change on a page whose own source did not.
"""

import sys
from pathlib import Path

from jupyter_book.sphinx import build_sphinx
from sphinx.util.console import nocolor


def main(source: Path, output: Path) -> int:
    nocolor()
    result = build_sphinx(
        source,
        output / "html",
        noconfig=True,
        path_config=source / "_config.yml",
        confoverrides={
            "external_toc_path": str(source / "_toc.yml"),
            "nitpicky": True,
            "latex_individualpages": False,
        },
        doctreedir=output / "doctrees",
        warningiserror=True,
        keep_going=True,
        force_all=True,
    )
    return result if isinstance(result, int) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
