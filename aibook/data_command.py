"""`aibook data`: what data sets there are and which are here; fetch them; verify them."""

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table


def list_() -> int:
    """Print the registered data sets; exit status 0."""
    from helpers.data import entries
    from helpers.data.fetching import cached, own_folder
    from helpers.data.store import cache

    table = Table(
        Column("name", no_wrap=True),  # for copying into a command: never cut
        Column("what", overflow="fold"),
        Column("size", no_wrap=True),
        Column("licence", overflow="fold"),
        Column("here?", no_wrap=True),
    )
    for entry in entries().values():
        own, variant = own_folder(entry), cached(entry)
        if variant is not None:
            here = f"[green]yes[/green]{f' ({variant.name})' if variant.name else ''}"
        elif own is not None and any(all(own.holds(file.name) for file in each.files) for each in entry.variants):
            here = "in $AIBOOK_DATA"
        else:
            here = "no"
        size = (variant or entry.variants[0]).size
        table.add_row(entry.name, escape(entry.title), f"{size / 1e6:,.0f} MB", escape(entry.licence), here)
    console = Console()
    console.print(table)
    console.print(f"The cache is {cache()} (set AIBOOK_CACHE to move it).", highlight=False, markup=False)
    return 0


def fetch(names: list[str]) -> int:
    """Fetch the data sets `names` (all when empty); exit status 1 if one cannot be had, 2 for an unknown name."""
    from helpers.data import DataError
    from helpers.data.fetching import obtain

    chosen = _chosen(names)
    if chosen is None:
        return 2
    console, failed = Console(highlight=False), []
    for entry in chosen:
        try:
            console.print(f"[green]✓[/green] {entry.name}: {escape(str(obtain(entry)))}", soft_wrap=True)
            if entry.notice:
                console.print(f"  {entry.notice}", markup=False)
        except DataError as error:
            failed.append(entry.name)
            console.print(f"[red]✗ {entry.name}[/red]: {escape(str(error))}", soft_wrap=True)
    return 1 if failed else 0


def verify(names: list[str]) -> int:
    """Read every cached file of `names` (all when empty); exit status 1 if one is damaged, 2 for an unknown name.

    Damaged files are removed, so that the next use fetches them again.
    """
    from helpers.data import store
    from helpers.data.fetching import place

    chosen = _chosen(names)
    if chosen is None:
        return 2
    console, status = Console(highlight=False), 0
    for entry in chosen:
        here = [variant for variant in entry.variants if place(entry, variant).is_dir()]
        if not here:
            console.print(f"  {entry.name}: not in the cache")
        for variant in here:
            folder = place(entry, variant)
            with store.locked(folder):
                wrong = store.damaged(folder, variant.files)
            whole = sum((folder / file.name).is_file() for file in variant.files)
            label = f"{entry.name} {variant.name}".strip()
            if wrong:
                status = 1
                told = f"damaged and removed: {', '.join(wrong)}. To fetch again: aibook data fetch {entry.name}"
                console.print(f"[red]✗[/red] {label}: {escape(told)}", soft_wrap=True)
            else:
                console.print(f"[green]✓[/green] {label}: {whole} of {len(variant.files)} files here, whole")
    return status


def _chosen(names: list[str]) -> list | None:
    from helpers.data import entries

    unknown = [name for name in names if name not in entries()]
    if unknown:
        Console(stderr=True).print(
            f"no data set is called {', '.join(unknown)}; there are: {', '.join(entries())}", markup=False
        )
        return None
    return [entries()[name] for name in names or entries()]
