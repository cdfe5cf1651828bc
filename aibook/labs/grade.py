"""`aibook labs grade`: what is handed in, graded in sandboxes and stored; safe to interrupt, and to run again."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from aibook import house
from aibook.labs import grading, masters, report, sandbox, session, submissions
from aibook.labs.masters import Master
from aibook.labs.pool import ClusterError, Ended, Job, Run, graded, stopping
from aibook.labs.store import FILE, Change, Store, StoreError
from aibook.labs.student import Text, stage

SHORTEST = 16  # characters of a seed: the graders are public, and whoever guesses it knows the questions


class CallError(Exception):
    """The command was called with something that it cannot do; the message says what to do."""


def main(
    folder: Path, *, seed_file: Path, new_seed: bool = False, grades: Path | None = None, lab: str = "", jobs: int = 0,
    scheduler: str | None = None, unsafe: bool = False, again: bool = False,
) -> int:  # fmt: skip
    """Do what the command's options say. Exit status 0; 1 when something was not graded, 2 for a wrong call, 130."""
    console = Console(soft_wrap=True)
    try:
        secret = seed(seed_file, new=new_seed)
        known = known_labs()
        if lab and lab not in known:
            raise CallError(f"There is no lab {lab!r} with a grader. Labs are: {', '.join(known)}.")
        if not folder.is_dir():
            raise CallError(f"{folder} is no folder. It should hold a folder for each student, with their notebooks.")
        _require_sandbox(console, scheduler, unsafe)
    except CallError as error:
        report.line(console, error, "red")
        return 2
    except sandbox.SandboxError as error:
        report.line(console, error, "red")
        return 1
    found, skipped = collected(folder, known, lab)
    try:
        with Store(grades or folder / FILE) as store:
            return _grade(console, store, found, skipped, known, secret, jobs, scheduler, unsafe, again)
    except (StoreError, ClusterError) as error:
        report.line(console, error, "red")
        report.line(console, "What was graded until now is stored; the same command goes on from there.")
        return 1


def seed(path: Path, *, new: bool = False) -> str:
    """The secret that hidden inputs are drawn with. `new`: make the file, for its owner alone. Raises CallError."""
    try:
        if new:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32) + "\n")
        text = path.read_text(encoding="utf-8").strip()
    except FileExistsError:
        raise CallError(f"{path} is there already: leave --new-seed out, or name another file.") from None
    except FileNotFoundError:
        raise CallError(
            f"There is no seed in {path}. With --new-seed one is made there, for you alone to read. Keep it: the same "
            "seed gives the same marks."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CallError(f"{path} cannot be read: {error}") from None
    if len(text) < SHORTEST:
        raise CallError(f"The seed in {path} has fewer than {SHORTEST} characters, so it could be guessed.")
    return text


def known_labs() -> dict[str, Master]:
    """The masters of all labs that have a grader."""
    return {lab: masters.read(lab) for lab in grading.graders()}


@dataclass
class Found:
    """Notebooks of one student and lab, as far as they are known, the newest first."""

    student: str
    lab: str
    paths: list[Path] = field(default_factory=list)

    def job(self) -> Job:
        notes: tuple[Text, ...] = ()
        if len(self.paths) > 1:
            newest, others = session.clean(self.paths[0].name), len(self.paths)
            notes = ((f"{others} notebooks of this lab were handed in; the newest is graded: {newest}.",
                      f"共提交了该实验的 {others} 个笔记本，按最新的一个评分：{newest}。"),)  # fmt: skip
        return Job(self.student, self.lab, self.paths[0], notes)


def collected(folder: Path, known: dict[str, Master], lab: str = "") -> tuple[list[Found], list[Path]]:
    """What is in `folder`/STUDENT/*.ipynb, by student and lab; and notebooks elsewhere, or that are no plain files.

    lab: only this one; it is also what a notebook counts as that shows nothing of any lab.
    """
    found: dict[tuple[str, str], Found] = {}
    skipped: list[Path] = []
    for path in sorted(folder.rglob("*.ipynb")):
        inside = path.relative_to(folder).parts
        if any(part.startswith(".") for part in inside):
            continue
        if len(inside) != 2 or path.is_symlink() or not path.is_file():
            skipped.append(path)
            continue
        its = _lab(path, known) or lab
        if lab in ("", its):
            student = session.clean(os.fsencode(path.parent.name).decode("utf-8", "replace"))
            found.setdefault((student, its), Found(student, its)).paths.append(path)
    for one in found.values():
        one.paths.sort(key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    return list(found.values()), skipped


def _lab(path: Path, known: dict[str, Master]) -> str:
    try:
        submission = submissions.read(path)
    except submissions.Unreadable:
        submission = submissions.Submission(())
    ids = {name: master.ids | master.checks | {q.grade_id for q in master.questions} for name, master in known.items()}
    return submissions.identify(submission, ids, path.stem)


def _require_sandbox(console: Console, scheduler: str | None, unsafe: bool) -> None:
    if unsafe:
        report.line(
            console,
            "--unsafe: the notebooks run without a sandbox, as you, with your files, your network and this seed in "
            "reach. Whoever wrote them can do what you can do, and give themselves any marks.",
            "red",
        )
    elif scheduler is None and (why := sandbox.probe()):  # of a cluster, its workers are asked
        raise sandbox.SandboxError(
            f"No sandbox, no grading: {why}. (--unsafe grades without: only for notebooks that you have read.)"
        )


def _grade(console, store, found, skipped, known, secret, workers, scheduler, unsafe, again) -> int:
    from aibook.execute import machine

    prints = {lab: session.fingerprint(lab, secret) for lab in ("", *known)}
    _forget_nameless(store, found)
    stored = store.current()
    wanted = [one for one in found if again or not _is_current(one, stored, prints)]
    report.listed(console, "Left aside: links, or not in a student's folder", [str(path) for path in skipped])
    if not found:
        report.line(console, "There are no notebooks: they should lie in a folder for each student.", "yellow")
    elif not wanted:
        report.line(console, f"Nothing to grade: {len(found)} submissions, all graded with this grader and seed.")
    elif len(wanted) < len(found):
        report.line(console, f"{len(found) - len(wanted)} of {len(found)} submissions are graded already.")
    done, failed, changed = 0, [], []  # results themselves are only stored: hundreds of them would fill the memory
    interrupted = False
    if wanted:
        at_once = workers or max(1, min(len(wanted), machine.cores(), machine.memory_mb() // machine.USUAL_MB))
        home = house.BUILD / "run"
        home.mkdir(parents=True, exist_ok=True)
        shared = Path(tempfile.mkdtemp(prefix=".grading-", dir=home))
        go = shared / "go"
        try:
            go.touch()
            staged = stage(shared / "inside", house.ROOT / "helpers")
            runs = {lab: Run(known.get(lab), prints[lab], secret, staged, go, unsafe) for lab in prints}
            with stopping(go) as stopped, report.shown_on(console, len(wanted)) as shown:
                try:
                    for one in graded([one.job() for one in wanted], runs, at_once, scheduler, go):
                        changed += _stored(store, one)
                        failed += [f"{one.job.student}: {one.job.path.name}: {one.failure}"] if one.failure else []
                        done += 1
                        shown.one_more()
                finally:
                    interrupted = stopped()
                    go.unlink(missing_ok=True)
        finally:
            shutil.rmtree(shared, ignore_errors=True)
    return _finish(console, store, found, changed, failed, f"{done} of {len(wanted)}" if interrupted else "")


def _forget_nameless(store: Store, found: Sequence[Found]) -> None:
    """Take away results of notebooks of no lab, where their students have handed in others since."""
    here, students = {(one.student, one.lab) for one in found}, {one.student for one in found}
    for student, lab in store.current():
        if not lab and student in students and (student, lab) not in here:
            store.forget(student, lab)


def _is_current(found: Found, stored: dict, prints: dict[str, str]) -> bool:
    """Whether this very file was graded with this grader and this seed."""
    have = stored.get((found.student, found.lab))
    return have is not None and have == (session.digest(found.paths[0]), prints[found.lab])


def _stored(store: Store, ended: Ended) -> list[Change]:
    change = store.put(ended.result) if ended.result else None
    return [change] if change else []


def _finish(
    console: Console, store: Store, found: Iterable[Found], changed: Sequence[Change], failed: Sequence[str],
    interrupted: str,
) -> int:  # fmt: skip
    here = {(one.student, one.lab) for one in found}
    results = [result for result in store.results() if (result.student, result.lab) in here]
    report.summary(console, results)
    report.changes(console, changed)
    report.listed(console, "Not graded, since the grading itself failed; the same command tries again", failed, "red")
    if interrupted:
        report.line(console, f"Interrupted: {interrupted} graded and stored; the same command goes on from there.")
        return 130
    return int(bool(failed) or any(mark.kind == "grader" for result in results for mark in result.marks))
