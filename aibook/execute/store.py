"""The way into an execution and out of it: a notebook made ready; its outputs written, or nothing at all."""

import ast
import json
import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from aibook.execute import machine, normalise
from aibook.execute.outcome import Job
from aibook.fingerprint import Fingerprint, FingerprintError, fingerprint, outputs_hash, why_stale


class Unfit(Exception):
    """A notebook that cannot be executed or written; the message says why and what to do."""


@dataclass(frozen=True)
class Prepared:
    """A notebook as it was when its execution began. `before`: what stood in the output's place, if anything."""

    text: bytes
    fingerprint: Fingerprint
    profile: str
    before: NotebookNode | None
    fresh: bool


def read(path: Path) -> NotebookNode:
    """A notebook in nbformat 4.5, with cell ids. Raises Unfit for one that is missing, truncated or invalid."""
    try:
        node = json.loads(path.read_bytes())
    except OSError as error:
        raise Unfit(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Unfit(f"{path} is not a valid notebook (truncated?): {error}") from error
    try:
        node = normalise.with_ids(nbformat.from_dict(node))
        nbformat.validate(node)
    except (nbformat.ValidationError, AttributeError, KeyError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise Unfit(f"{path} is not a valid notebook: {reason}") from error
    language = node.metadata.get("kernelspec", {}).get("language", "python")
    if language != "python":
        raise Unfit(f"{path} asks for a kernel of {language}; the book's notebooks are executed by Python")
    for cell in node.cells:
        if not isinstance(cell.source, str):
            cell.source = "".join(cell.source)
    return node


def defaults(node: NotebookNode, path: Path) -> dict:
    """Names and values that the cell tagged `parameters` sets. Raises Unfit where there is none."""
    for cell in node.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            try:
                return {
                    statement.targets[0].id: ast.literal_eval(statement.value)
                    for statement in ast.parse(cell.source).body
                    if isinstance(statement, ast.Assign)
                }
            except (AttributeError, SyntaxError, ValueError) as error:
                raise Unfit(f"the cell of {path} tagged `parameters` may only set names to plain values") from error
    raise Unfit(f'{path} has no cell tagged `parameters`; add one with PROFILE = "laptop" and SEED = 0')


def prepare(job: Job, folder: Path) -> Prepared:
    """Read the job's notebook and put what its worker needs into `folder`. Raises Unfit."""
    node = read(job.notebook)
    own = defaults(node, job.notebook)
    if unknown := sorted(job.parameters.keys() - own.keys()):
        raise Unfit(
            f"{job.notebook} has no parameter {', '.join(unknown)}; its `parameters` cell sets {', '.join(own)}"
        )
    injected = {name: value for name, value in job.parameters.items() if value != own[name]}
    profile = job.parameters.get("PROFILE", own.get("PROFILE", "laptop"))
    try:
        now = fingerprint(job.notebook)
        before = read(job.output) if job.output.exists() else None
        stamp = before.metadata.get("aibook", {}) if before else {}
        fresh = not why_stale(node, stamp=stamp, profile=profile)
    except FingerprintError as error:
        raise Unfit(str(error)) from error
    text = job.notebook.read_bytes()
    nbformat.write(node, folder / "source.ipynb")
    (folder / "parameters.json").write_text(json.dumps(injected), encoding="utf-8")
    return Prepared(text, now, profile, before, fresh)


def store(job: Job, prepared: Prepared, executed: Path, measured: Mapping[str, float]) -> None:
    """Normalise, stamp and write what was executed, in one step that either happens or does not.

    Raises Unfit when the notebook that would be overwritten was edited meanwhile, OSError when the disk is full; the
    output is then as before.
    """
    node = normalise.normalise(nbformat.read(executed, as_version=4), scratch=executed.parent)
    if prepared.fresh and prepared.before:
        normalise.keep_times(node, prepared.before)
    stamp(node, prepared, measured)
    # Another file loses no edit: it says what was executed, as its stamp does.
    if job.output.resolve() == job.notebook.resolve() and job.notebook.read_bytes() != prepared.text:
        raise Unfit(f"{job.notebook} was edited while it was executed; run it again")
    write(node, job.output)


def stamp(node: NotebookNode, prepared: Prepared, measured: Mapping[str, float]) -> None:
    """Say in the metadata what the outputs came from; where nothing changed, the stamp stays with its date."""
    outputs = outputs_hash(node)
    old = prepared.before.metadata.get("aibook", {}) if prepared.before else {}
    if prepared.fresh and old.get("outputs") == outputs:
        node.metadata["aibook"] = old
        return
    node.metadata["aibook"] = {
        "fingerprint": prepared.fingerprint.stamp(),
        "outputs": outputs,
        "profile": prepared.profile,
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "machine": machine.describe(),
        "packages": {name: _installed(name) for name in prepared.fingerprint.parts["packages"]},
        "cpu_seconds": round(measured["cpu_seconds"], 1),
        "wall_seconds": round(measured["wall_seconds"], 1),
        "peak_mb": round(measured["peak_mb"]),
    }


def write(node: NotebookNode, path: Path) -> None:
    """Write beside the place and move there, so that a failure leaves what was there as it was."""
    text = nbformat.writes(node)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=".", suffix=".tmp", encoding="utf-8", delete=False
    ) as new:
        try:
            new.write(text if text.endswith("\n") else text + "\n")
            new.flush()
            os.fsync(new.fileno())
            os.chmod(new.name, path.stat().st_mode if path.exists() else 0o644)
            os.replace(new.name, path)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
