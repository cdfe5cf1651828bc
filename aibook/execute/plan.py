"""From what was asked for to jobs: which notebooks, where their outputs go, and within which limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aibook import house
from aibook.execute import machine, outcome
from aibook.execute.outcome import Job, Outcome, name_of
from aibook.fingerprint import FingerprintError, stamp_of, why_stale

# Seconds that a notebook may take in each profile: several times what it should, as machines differ.
TIME_LIMITS = {"smoke": 300.0, "laptop": 1800.0, "study": 4 * 3600.0, "full": 24 * 3600.0}


@dataclass(frozen=True)
class Target:
    """A notebook and the place of its outputs; the same for the committed ones."""

    notebook: Path
    output: Path
    seed: int | None = None

    @property
    def name(self) -> str:
        return name_of(self.notebook)


def targets(notebooks: list[Path], *, profile: str, into: Path | None, seeds: int) -> list[Target]:
    """Only the profile `laptop`, and no other folder asked for, writes over the committed notebooks."""
    if into is None and profile == "laptop" and not seeds:
        return [Target(notebook, notebook) for notebook in notebooks]
    root = into.resolve() if into else house.BUILD / "run" / profile
    if not seeds:
        return [Target(notebook, root / f"{name_of(notebook)}.ipynb") for notebook in notebooks]
    return [
        Target(notebook, root / f"seed-{seed}" / f"{name_of(notebook)}.ipynb", seed)
        for notebook in notebooks
        for seed in range(seeds)
    ]


def stale(targets: list[Target], profile: str) -> tuple[dict[Target, list[str]], list[Outcome]]:
    """Why each target is stale, empty if it is not; and the outcomes of those that cannot even be asked."""
    reasons: dict[Target, list[str]] = {}
    unfit = {}
    for target in targets:
        try:
            if target.output == target.notebook:
                reasons[target] = why_stale(target.notebook, profile=profile)
            elif target.output.exists():
                reasons[target] = why_stale(target.notebook, stamp=stamp_of(target.output), profile=profile)
            else:
                reasons[target] = why_stale(target.notebook, stamp={}, profile=profile)
        except FingerprintError as error:
            unfit[target.notebook] = outcome.failed(Job(target.notebook, target.output), str(error))
    return reasons, list(unfit.values())


def jobs(
    targets: list[Target],
    profile: str,
    at_once: int,
    scheduler: str | None,
    timeout: float,
    memory_mb: int,
    parameters: Mapping[str, Any] = MappingProxyType({}),
) -> list[Job]:
    """A job each: one thread where several share the machine, all its cores for one that runs alone.

    `parameters` are set beside PROFILE and SEED.
    """
    at_once = min(at_once or machine.workers(len(targets)), len(targets))
    alone = at_once == 1 and scheduler is None
    share = 0 if scheduler or alone else machine.memory_mb() // at_once
    return [
        Job(
            target.notebook,
            target.output,
            {**parameters, "PROFILE": profile} | ({} if target.seed is None else {"SEED": target.seed}),
            threads=machine.cores() if alone else 1,
            timeout=timeout or TIME_LIMITS[profile],
            memory_mb=memory_mb or share,
            log=house.BUILD / "logs" / f"{_log_name(target, profile)}.log",
        )
        for target in targets
    ]


def _log_name(target: Target, profile: str) -> str:
    seed = "" if target.seed is None else f".seed-{target.seed}"
    return f"{target.name.replace('/', '-')}.{profile}{seed}"
