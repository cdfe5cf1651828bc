"""Stored studies: one notebook run with several seeds, its records kept in `helpers/studies`.

A study is JSON beside the code that reads it in notebooks (`helpers.studies`), so that it travels with the package.
It names what it came from by a fingerprint of its own, by which it is known to be out of date.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import mean, stdev

from aibook import house, recordbook
from aibook.recordbook import Value


class StudyError(ValueError):
    """Runs that make no study; the stored one is left as it was."""


def key(notebook: Path) -> str:
    """Name of a notebook in studies and bands, such as "cv/01-image-recognition".

    Raises ValueError for a notebook outside the book.
    """
    notebook = Path(notebook).resolve()
    if not notebook.is_relative_to(house.NOTEBOOKS):
        raise ValueError(f"{notebook} is not one of the book's notebooks, which stand in {house.NOTEBOOKS}")
    return notebook.relative_to(house.NOTEBOOKS).with_suffix("").as_posix()


def file(notebook: Path, profile: str) -> Path:
    """Where the study of a notebook in a profile is kept, whether it exists or not."""
    return house.STUDIES / f"{key(notebook).replace('/', '-')}.{profile}.json"


def of(notebook: Path) -> dict[str, dict]:
    """Stored studies of a notebook by profile."""
    prefix = key(notebook).replace("/", "-")
    found = [read(path) for path in sorted(house.STUDIES.glob(f"{prefix}.*.json"))]
    return {study["profile"]: study for study in found}


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def summary(study: dict, name: str) -> tuple[float, float] | None:
    """Mean and standard deviation (divisor n - 1) of a record over the seeds; None for a curve or no such record."""
    values = study["records"].get(name, {}).get("values", [])
    if not values or isinstance(values[0], list):
        return None
    return mean(values), stdev(values)


def store(notebook: Path, profile: str, runs: Iterable[tuple], fingerprint=None) -> Path:
    """Keep the records of several runs of `notebook` as its study in `profile`, and return the file.

    runs: (seed, executed notebook, outcome of its execution) for each run.
    fingerprint: of the notebook as it was *before* the runs (`fingerprint(notebook, study=True)`); taken now when
        left out, which is right only if nothing was edited meanwhile.

    Raises StudyError when a run failed, a record is missing for a seed, or there are fewer than two seeds; the study
    stored before stays as it was.
    """
    runs = sorted(runs, key=lambda run: run[0])
    failed = [f"seed {seed}: {outcome.status}" for seed, _, outcome in runs if outcome.status != "ok"]
    if failed:
        raise StudyError(f"no study of {key(notebook)} was stored, since runs failed ({'; '.join(failed)})")
    seeds = [seed for seed, _, _ in runs]
    if len(set(seeds)) < 2:
        raise StudyError(f"a study of {key(notebook)} needs at least two seeds, not {seeds}")
    records = _gather(key(notebook), {seed: recordbook.read(Path(executed)) for seed, executed, _ in runs})
    if fingerprint is None:
        from aibook.fingerprint import fingerprint as take

        fingerprint = take(notebook, study=True)
    study = {
        "cpu_seconds": [round(outcome.cpu_seconds, 1) for _, _, outcome in runs],
        "date": datetime.now(UTC).date().isoformat(),
        "fingerprint": {"hash": fingerprint.hash, "parts": fingerprint.parts},
        "machine": "; ".join(sorted({outcome.machine for _, _, outcome in runs})),
        "notebook": key(notebook),
        "profile": profile,
        "python": platform.python_version(),
        "seeds": seeds,
        "records": records,
        "torch": _version("torch"),
        "wall_seconds": [round(outcome.wall_seconds, 1) for _, _, outcome in runs],
    }
    study["digest"] = _digest(study)
    path = file(notebook, profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(_dump(study), encoding="utf-8")
    os.replace(temporary, path)
    return path


def stale(study: dict) -> list[str]:
    """Why a stored study does not say what its notebook would measure; empty when it does."""
    from aibook.fingerprint import FingerprintError, differences, fingerprint

    notebook = house.NOTEBOOKS / f"{study['notebook']}.ipynb"
    if not notebook.exists():
        return [f"its notebook {study['notebook']} is gone"]
    if study.get("digest") != _digest(study):
        return ["it is not what was stored: its file was edited"]
    try:
        now = fingerprint(notebook, study=True)
    except FingerprintError as error:
        return [str(error)]
    before = study["fingerprint"]
    return [] if now.hash == before["hash"] else differences(before["parts"], now.parts)


def _gather(notebook: str, by_seed: dict[int, dict[str, recordbook.Record]]) -> dict[str, dict]:
    """Values of each record in the order of the seeds; figures repeated from a study are left out."""
    records = {}
    for name in sorted({name for records in by_seed.values() for name in records}):
        found = {seed: records[name] for seed, records in by_seed.items() if name in records}
        one = next(iter(found.values()))
        if one.kind == "study":
            continue
        if missing := sorted(by_seed.keys() - found.keys()):
            raise StudyError(f"no study of {notebook} was stored: record {name!r} is missing for seed {missing}")
        if len({_points(record.value) for record in found.values()}) > 1:
            raise StudyError(f"no study of {notebook} was stored: curve {name!r} differs in length between seeds")
        values = [_rounded(record.value) for record in found.values()]
        records[name] = {"better": one.better, "kind": one.kind, "unit": one.unit, "values": values}
    if not records:
        raise StudyError(f"no study of {notebook} was stored: the notebook records nothing")
    return records


def _digest(study: dict) -> str:
    """Hash of all that a study says (seeds, machine, cost and date too), by which an edited one is known."""
    said = {name: value for name, value in study.items() if name != "digest"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _points(value: Value) -> int:
    return len(value) if isinstance(value, list) else 0


def _rounded(value: Value) -> Value:
    if isinstance(value, list):
        return [_rounded(point) for point in value]
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _dump(study: dict) -> str:
    """JSON with a line for each field and each record, so that a change of one shows as a change of one line."""
    records = study["records"].items()
    lines = [f"    {json.dumps(name)}: {json.dumps(record, sort_keys=True)}" for name, record in records]
    fields = {name: json.dumps(value, sort_keys=True, ensure_ascii=False) for name, value in study.items()}
    fields["records"] = "{\n" + ",\n".join(lines) + "\n  }"
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {fields[name]}" for name in sorted(fields)) + "\n}\n"
