"""`aibook run`: what is stale, executed, and how it went."""

import ast
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from aibook import house
from aibook.execute import plan, report
from aibook.execute.outcome import Outcome, name_of


def main(
    notebooks: list[Path],
    *,
    everything: bool = False,
    profile: str = "laptop",
    parameters: Sequence[str] = (),
    seeds: int = 0,
    jobs: int = 0,
    scheduler: str | None = None,
    into: Path | None = None,
    timeout: float = 0,
    memory: int = 0,
    list_stale: bool = False,
) -> int:
    """Do what the command's options say; exit status 0, 1 when something is stale or failed, 2 for a wrong call."""
    console = Console(soft_wrap=True)
    if profile not in plan.TIME_LIMITS:
        report.error(console, f"Unknown profile {profile!r}. Profiles are: {', '.join(plan.TIME_LIMITS)}.")
        return 2
    if seeds == 1 or seeds < 0:
        report.error(console, "A study needs at least two seeds. For example: --seeds 5")
        return 2
    if parameters and (seeds or (profile == "laptop" and into is None)):
        report.error(
            console,
            "With --set the outputs are not the book's: add --into FOLDER or a profile other than laptop; no --seeds.",
        )
        return 2
    try:
        own = dict(map(_parameter, parameters))
    except ValueError as error:
        report.error(console, error)
        return 2
    try:
        found = house.notebooks(notebooks)
    except FileNotFoundError as error:
        report.error(console, error)
        return 2
    if own and into is None:  # in a folder of their own, where no run without --set takes them for its own
        into = house.BUILD / "run" / "_".join([profile, *(f"{name}-{value}" for name, value in own.items())])
    targets = plan.targets(found, profile=profile, into=into, seeds=seeds)
    reasons, unfit = plan.stale(targets, profile)
    for failed in unfit:
        report.failure(console, failed)
    if list_stale:
        for target, why in reasons.items():
            if why:
                console.print(f"{target.name}: {'; '.join(why)}", highlight=False)
        return int(bool(unfit) or any(reasons.values()))
    wanted = [target for target, why in reasons.items() if why or everything or seeds or own]
    if not wanted:
        if not unfit:
            console.print(f"Nothing is stale: {len(found)} notebook{'s' * (len(found) != 1)}, all up to date.")
        return int(bool(unfit))
    if missing := [name for name in ("papermill", "ipykernel") if importlib.util.find_spec(name) is None]:
        names = ", ".join(target.name for target in wanted)
        console.print(f"To execute {names}, {' and '.join(missing)} must be installed. Run: make environment")
        return 1
    return _run(
        console,
        plan.jobs(wanted, profile, jobs, scheduler, timeout, memory, own),
        jobs,
        scheduler,
        profile,
        seeds,
        unfit,
    )


def _parameter(text: str) -> tuple[str, Any]:
    """Name and value of `NAME=VALUE`, where the value is a Python literal or else a string."""
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise ValueError(f"--set takes NAME=VALUE, such as DATA=cifar10, not {text!r}.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _run(console, jobs, workers, scheduler, profile, seeds, unfit) -> int:
    from aibook.execute.jobs import SchedulerUnreachable, execute
    from aibook.fingerprint import fingerprint

    # Taken now: what is edited while the seeds run is not what they ran.
    prints = {job.notebook: fingerprint(job.notebook, study=True) for job in jobs} if seeds else {}
    try:
        outcomes = execute(jobs, workers=workers, scheduler=scheduler, console=console)
    except SchedulerUnreachable as error:
        report.error(console, error)
        return 1
    for outcome in outcomes:
        if outcome.failure and outcome.status != "cancelled":
            report.failure(console, outcome)
    report.summary(console, outcomes)
    if any(outcome.status == "cancelled" for outcome in outcomes):
        report.interrupted(console, outcomes)
        return 130
    if any(job.output != job.notebook for job in jobs) and not seeds:
        where = {job.output.parent for job in jobs}
        console.print(
            f"Written to {', '.join(sorted(map(report.short, where)))}; the committed notebooks are untouched."
        )
    stored = [_store_study(console, notebook, profile, outcomes, prints[notebook]) for notebook in prints]
    return int(bool(unfit) or any(outcome.status != "ok" for outcome in outcomes) or not all(stored))


def _store_study(console: Console, notebook: Path, profile: str, outcomes: list[Outcome], taken) -> bool:
    from aibook import studies

    runs = [(o.job.parameters["SEED"], o.job.output, o) for o in outcomes if o.job.notebook == notebook]
    try:
        if all(outcome.status == "ok" for _, _, outcome in runs):
            _check_same_code(runs, taken)
        path = studies.store(notebook, profile, runs, taken)
    except studies.StudyError as error:
        report.error(console, error)
        return False
    console.print(f"Stored study of {name_of(notebook)}: {report.short(path)}", highlight=False)
    return True


def _check_same_code(runs: list[tuple[int, Path, Outcome]], taken) -> None:
    """Raises StudyError unless all seeds ran the same cells, helpers, packages and data, as their stamps say.

    taken: the notebook's fingerprint as a study's. What only presents results is no part of it, and may differ.
    """
    from aibook.fingerprint import differences
    from aibook.studies import StudyError

    runs = sorted(runs, key=lambda run: run[0])
    ran = {seed: _ran(executed, taken.parts) for seed, executed, _ in runs}
    if silent := [str(seed) for seed, parts in ran.items() if not parts]:
        raise StudyError(f"no study was stored: the notebook of seed {', '.join(silent)} does not say what it executed")
    first, expected = next(iter(ran.items()))
    if changed := [
        f"seed {seed}: {', '.join(differences(expected, parts))}" for seed, parts in ran.items() if parts != expected
    ]:
        raise StudyError(
            f"no study was stored: not all seeds ran the same. Compared with seed {first}, {'; '.join(changed)}. "
            "Run it again, and edit nothing meanwhile"
        )


def _ran(executed: Path, study: Mapping) -> dict:
    """The parts of a run's fingerprint that its records depend on; empty where it has no stamp."""
    from aibook.fingerprint import measured, stamp_of

    parts = stamp_of(executed).get("fingerprint", {}).get("parts", {})
    if not parts:
        return {}
    used = {kind: {name: parts[kind].get(name) for name in study[kind]} for kind in ("helpers", "packages", "data")}
    return {"cells": measured(executed), **used}
