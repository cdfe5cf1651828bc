"""The command `aibook detectron2`."""

import sys
from pathlib import Path

from rich.console import Console

from aibook.detectron2 import Unavailable, here, official, package


def main(into: Path | None = None) -> int:
    """Bring Detectron2 into this Python, or into the folder of packages `into`; exit status 1 where that fails.

    Nothing is done where it is there already. An own folder always gets the package, which needs no compiler.
    """
    console, problems = Console(stderr=True, highlight=False, soft_wrap=True), Console(stderr=True, markup=False)
    found = here.find(into)
    if found and found.checksum in ("", package.WHEEL.sha256):
        console.print(f"[green]✓[/] Detectron2 {found}", markup=True)
        return 0
    try:
        if into is None and not found:
            if lack := official.lacking():
                console.print(f"Detectron2's official source is out of reach ({lack}): its Python code from a package.")
            elif _built(console):
                return 0
        found = package.install(into or here.site_packages())
    except Unavailable as error:
        problems.print(f"Detectron2 could not be brought here. {error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        problems.print("Stopped; nothing was changed. `aibook detectron2` begins again.")
        return 130
    console.print(f"[green]✓[/] Detectron2 {found}")
    return 0


def _built(console: Console) -> bool:
    console.print("Building Detectron2 from its official source; one to three minutes …")
    try:
        official.build()
    except Unavailable as error:
        console.print(f"{error}; so its Python code from a package.", markup=False)
        return False
    console.print(f"[green]✓[/] Detectron2, {official.SOURCE}@{official.COMMIT[:7]}")
    return True


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
