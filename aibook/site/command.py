"""`aibook site`: builds what has changed, and puts it in place when all of it is whole."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from aibook import house
from aibook.site import stamp
from aibook.site.editions import Edition, chosen

STAMPS, WORK, STAGE = house.BUILD / "stamps", house.BUILD / "work", house.BUILD / "stage"
SHOWN = 20  # problems of one edition that are printed; the log holds the rest


def main(language: str, *, clean: bool = False) -> int:
    """Build the editions that `language` names into `_build/site`. Returns 0, or 1 after saying what is wrong."""
    console = Console(stderr=True)
    house.BUILD.mkdir(exist_ok=True)
    with FileLock(house.BUILD / "site.lock"):
        if clean:
            for folder in (STAMPS, WORK):
                shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(STAGE, ignore_errors=True)
        wanted = stamp.inputs()
        stale = [edition for edition in chosen(language) if not is_fresh(edition.folder, wanted)]
        if not stale and is_fresh("wheels", wanted):
            _say(console, f"The site is up to date: {house.SITE}")
            return 0
        return _build(stale, wanted, console)


def is_fresh(folder: str, wanted: str) -> bool:
    """Whether `folder` of the site is what the sources with the hash `wanted` give."""
    mark = STAMPS / folder
    return (house.SITE / folder).is_dir() and mark.is_file() and mark.read_text() == wanted


def _build(editions: list[Edition], wanted: str, console: Console) -> int:
    from aibook.site import publish

    start = time.monotonic()
    percent = TextColumn("{task.percentage:>3.0f} %")
    columns = (TextColumn("{task.description}"), BarColumn(), percent, TimeElapsedColumn())
    bars = Progress(*columns, transient=True, console=console)
    with bars as progress, ThreadPoolExecutor() as pool:
        succeeded = list(pool.map(lambda edition: _pages(edition, progress, console), editions))
    STAGE.mkdir()
    try:
        for edition in editions if all(succeeded) else []:
            publish.edition(edition, WORK / edition.folder / "html", STAGE)
        publish.common(STAGE)
    except _mistakes() as error:
        _say(console, str(error))
        succeeded = [False]
    if not all(succeeded):
        console.print("[red]The site was not built.[/red] What was there before is as it was.")
        return 1
    publish.replace(STAGE, house.SITE)
    STAMPS.mkdir(exist_ok=True)
    for folder in [*(edition.folder for edition in editions), publish.WHEELS]:
        (STAMPS / folder).write_text(wanted)
    seconds = time.monotonic() - start
    _say(console, f"The site is built ({seconds:.0f} s): {house.SITE}. `aibook serve` shows it.")
    return 0


def _pages(edition: Edition, progress: Progress, console: Console) -> bool:
    """Build one edition's pages in its working folder; print what is wrong with them and return whether all is well."""
    from aibook.site import run, source

    task = progress.add_task(edition.name, total=100)
    tree, work = house.BUILD / "src" / edition.folder, WORK / edition.folder
    _forget_if_founded_anew(work)
    try:
        source.assemble(edition, tree)
    except _mistakes() as error:
        _say(console, f"{edition.name}: {error}")
        return False
    result = run.build(tree, work, lambda percent: progress.update(task, completed=percent))
    if result.status == 0 and not result.problems:
        return True
    # Sphinx does not repeat the warnings of a page that it has read before, so the next build reads all of them.
    log = house.BUILD / f"site-{edition.folder}.log"
    log.write_text(result.log, encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)
    for problem in result.problems[:SHOWN]:
        _say(console, f"{edition.folder}/{problem.place}\n    {problem.text}")
    if not result.problems:
        _say(console, result.log[-2000:])
    more = len(result.problems) - SHOWN
    _say(console, f"{edition.name}: {f'{more} more, ' if more > 0 else ''}all that Jupyter Book said: {log}")
    return False


def _mistakes() -> tuple[type[Exception], ...]:
    """What the parts of the workshop raise for a mistake in the sources; each says what and where it is."""
    from nbformat.reader import NotJSONError

    from aibook.editions.colab.parsing import FlattenError
    from aibook.labs.release import LabError
    from aibook.translate.catalog import CatalogError
    from aibook.translate.markdown import MarkupError
    from aibook.translate.sources import SourceError
    from aibook.translate.tree import UntranslatedError

    return NotJSONError, FlattenError, LabError, CatalogError, MarkupError, SourceError, UntranslatedError


def _say(console: Console, text: str) -> None:
    """Print paths and messages as they are: neither wrapped, nor coloured, nor read as markup."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def _forget_if_founded_anew(work: Path) -> None:
    """Drop an earlier build whose configuration, styles, templates, lock or code were others."""
    mark, foundations = work / "foundations", stamp.foundations()
    if not (mark.is_file() and mark.read_text() == foundations):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        mark.write_text(foundations)
