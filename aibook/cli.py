"""The command `aibook`. Commands import what they need when they are called, so that `--help` answers at once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="The workshop of *Introduction to AI Applications*: executes, translates, builds and checks the book.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
data = typer.Typer(help="List, fetch and verify the data sets and pretrained weights.", no_args_is_help=True)
labs = typer.Typer(help="Release the labs, collect and grade what is handed in, give marks.", no_args_is_help=True)
app.add_typer(data, name="data")
app.add_typer(labs, name="labs")


class Language(StrEnum):
    en = "en"
    zh_CN = "zh_CN"
    all = "all"


class MarksFormat(StrEnum):
    csv = "csv"
    moodle = "moodle"
    canvas = "canvas"


Notebooks = Annotated[list[Path] | None, typer.Argument(help="Notebooks or folders; all of the book when left out.")]


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what this machine has and lacks, what each lack costs, and how to get it."""
    from aibook.doctor import main

    raise typer.Exit(main(as_json=json))


@app.command()
def run(
    notebooks: Notebooks = None,
    all_: Annotated[bool, typer.Option("--all", help="Execute fresh notebooks too.")] = False,
    profile: Annotated[str, typer.Option(help="smoke, laptop, study or full.")] = "laptop",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter, such as DATA=cifar10 (repeatable)."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Execute with SEED = 0…N-1 and keep the records as a stored study.")] = 0,
    jobs: Annotated[int, typer.Option(help="Notebooks at once; 0 chooses by cores and memory.")] = 0,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    into: Annotated[Path | None, typer.Option(help="Write here instead of over the committed notebooks.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds a notebook may take; 0 takes the profile's own limit.")] = 0,
    memory: Annotated[int, typer.Option(help="MB a notebook may use; 0 shares out what the machine has.")] = 0,
    list_stale: Annotated[
        bool, typer.Option("--list-stale", help="Only list what is stale and why; exit status 1 if anything is.")
    ] = False,
) -> None:
    """Execute the notebooks whose outputs are stale, and stamp them with their fingerprint."""
    from aibook.execute.command import main

    raise typer.Exit(
        main(
            notebooks or [],
            everything=all_,
            profile=profile,
            parameters=set_ or [],
            seeds=seeds,
            jobs=jobs,
            scheduler=scheduler,
            into=into,
            timeout=timeout,
            memory=memory,
            list_stale=list_stale,
        )
    )


@app.command()
def site(
    language: Annotated[Language, typer.Option(help="Which edition to build.")] = Language.all,
    clean: Annotated[bool, typer.Option("--clean", help="Build from nothing.")] = False,
) -> None:
    """Build the site, the Colab editions and the student labs from the committed outputs into `_build/site`."""
    from aibook.site.command import main

    raise typer.Exit(main(language.value, clean=clean))


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8000,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser.")] = True,
) -> None:
    """Serve the built site on this machine."""
    from aibook.site.serve import main

    raise typer.Exit(main(port, open_browser=open_browser))


@app.command()
def translate(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit status 1 if anything is missing.")
    ] = False,
) -> None:
    """Bring `book/locale` up to date with the English text and say what is missing or differs in structure."""
    from aibook.translate.command import main

    raise typer.Exit(main(check=check))


@app.command()
def results(
    check: Annotated[
        bool, typer.Option("--check", help="Hold records and studies against bands and fingerprints.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    set_bands: Annotated[
        list[Path] | None, typer.Option(help="Set this notebook's bands from its stored study (repeatable).")
    ] = None,
) -> None:
    """Print every record of the book with its band, study and published figure."""
    from aibook.results.command import main

    raise typer.Exit(main(check=check, as_json=json, set_bands=set_bands or []))


@app.command()
def detectron2(
    into: Annotated[
        Path | None, typer.Option(help="A folder of packages to unpack it into, instead of this Python's own.")
    ] = None,
) -> None:
    """Bring Detectron2: compiled from its official source where that is possible, otherwise its Python code."""
    from aibook.detectron2.command import main

    raise typer.Exit(main(into))


@data.command("list")
def data_list() -> None:
    """List the registered data sets: size, licence, whether they are here."""
    from aibook.data_command import list_

    raise typer.Exit(list_())


@data.command("fetch")
def data_fetch(names: Annotated[list[str] | None, typer.Argument(help="Names; all when left out.")] = None) -> None:
    """Fetch data sets into the cache and verify them."""
    from aibook.data_command import fetch

    raise typer.Exit(fetch(names or []))


@data.command("verify")
def data_verify(names: Annotated[list[str] | None, typer.Argument(help="Names; all when left out.")] = None) -> None:
    """Verify the checksums of what is in the cache."""
    from aibook.data_command import verify

    raise typer.Exit(verify(names or []))


@labs.command("release")
def labs_release(
    notebooks: Notebooks = None,
    into: Annotated[Path, typer.Option(help="Folder for the student versions.")] = Path("_build/labs"),
) -> None:
    """Write the student versions of the labs, both languages, without solutions."""
    from aibook.labs.release import main

    raise typer.Exit(main(notebooks or [], into=into))


@labs.command("grade")
def labs_grade(
    submissions: Annotated[Path, typer.Argument(help="A folder with a folder for each student, with their notebooks.")],
    seed_file: Annotated[
        Path, typer.Option(help="File with the secret that the hidden questions are drawn with, 16 characters or more.")
    ],
    new_seed: Annotated[
        bool, typer.Option("--new-seed", help="Make the seed file, with a random secret that only you can read.")
    ] = False,
    grades: Annotated[
        Path | None, typer.Option(help="Database of the results; `grades.sqlite` beside the students when left out.")
    ] = None,
    lab: Annotated[
        str, typer.Option(help="Grade this lab alone; notebooks that show no lab's cells count as it too.")
    ] = "",
    jobs: Annotated[int, typer.Option(help="Submissions at once; 0 chooses by cores and memory.")] = 0,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler, whose workers have this book and the submissions under the "
                          "same paths. They get the secret."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Grade what is graded already too.")] = False,
    unsafe: Annotated[
        bool,
        typer.Option("--unsafe", help="Grade without a sandbox. The notebooks then run as you: they can read and "
                                      "delete your files, use the network, and read the secret."),
    ] = False,
) -> None:  # fmt: skip
    """Grade submissions in sandboxes, and store the results.

    What was graded with the same file, grader and seed is not graded again, so an interrupted run goes on where it was,
    and a changed grader says whose marks changed. Of several notebooks of one lab by one student, the newest counts.
    """
    from aibook.labs.grade import main

    raise typer.Exit(
        main(submissions, seed_file=seed_file, new_seed=new_seed, grades=grades, lab=lab, jobs=jobs,
             scheduler=scheduler, again=again, unsafe=unsafe)
    )  # fmt: skip


# -- around the grading run --------------------------------------------------------------------------------------------
Collected = Annotated[Path, typer.Argument(help="The folder that `collect` filled, and `grade` graded.")]
Grades = Annotated[Path | None, typer.Option(help="Database of the results, where `grade` was told another.")]
Gradebook = Annotated[Path | None, typer.Option(help="The gradebook, for what a person scored in the formgrader.")]
RosterFile = Annotated[
    Path | None, typer.Option("--roster", help="CSV with a header, Moodle's and Canvas' too: id, name, e-mail.")
]


@labs.command("collect")
def labs_collect(
    source: Annotated[Path, typer.Argument(help="A zip from Moodle or Canvas, or a folder of files.")],
    into: Annotated[Path, typer.Option(help="Where each student gets a folder.")],
    roster: RosterFile = None,
) -> None:
    """Sort what was handed in into a folder for each student, and say what became of every file."""
    from aibook.labs.collect import main

    raise typer.Exit(main(source, into, roster))


@labs.command("similarity")
def labs_similarity(
    submissions: Collected,
    into: Annotated[Path, typer.Option(help="Page with the pairs side by side.")] = Path("similarity.html"),
    least: Annotated[float, typer.Option(help="Show pairs from this excess on; 1 is wholly the same.")] = 0.6,
) -> None:
    """List pairs of submissions that are more alike than is usual in the class, and those like the master's solution.

    It compares solution cells without names, comments and what everyone was given. It finds what to look at; it proves
    nothing.
    """
    from aibook.labs.similarity import main

    raise typer.Exit(main(submissions, into, least))


@labs.command("gradebook")
def labs_gradebook(
    submissions: Collected,
    db: Annotated[Path, typer.Option(help="nbgrader's gradebook; the notebooks to look at are written beside it.")],
    roster: RosterFile = None,
    grades: Grades = None,
) -> None:
    """Write the results into nbgrader's gradebook, where its formgrader takes scores for the open questions.

    What a person entered there is kept; where the answer or the automatic score under it has changed, it is marked as
    needing a look.
    """
    from aibook.labs.gradebook import main

    raise typer.Exit(main(submissions, db, roster, grades))


@labs.command("feedback")
def labs_feedback(
    submissions: Collected,
    into: Annotated[Path, typer.Option(help="Folder for the pages.")],
    roster: RosterFile = None,
    db: Gradebook = None,
    grades: Grades = None,
    language: Annotated[Language, typer.Option(help="Which language a page shows at first.")] = Language.en,
) -> None:
    """Write a page for each student, in both languages: points, reasons and comments."""
    from aibook.labs.feedback import main

    raise typer.Exit(main(submissions, into, roster, db, grades, language.value))


@labs.command("export")
def labs_export(
    submissions: Collected,
    roster: Annotated[Path, typer.Option(help="CSV with a header, Moodle's and Canvas' too: everyone gets a row.")],
    format: Annotated[MarksFormat, typer.Option(help="Whose import is to read it.")] = MarksFormat.csv,
    into: Annotated[Path, typer.Option(help="File for the marks.")] = Path("marks.csv"),
    db: Gradebook = None,
    grades: Grades = None,
) -> None:
    """Write the marks as a table with a row for everyone on the roster; notes on them go into a second file."""
    from aibook.labs.export import main

    raise typer.Exit(main(submissions, roster, format.value, into, db, grades))


def main() -> None:
    app()
