"""Bands: the interval in which a record must lie, kept in `tests/expected.yml`."""

import math
import os
import re
from pathlib import Path
from statistics import mean, stdev

import yaml

from aibook import house, studies

CONFIDENCE = 0.99
P_VALUE = re.compile(r"(?:^|_)p(?:_|$)")
FLOOR = 0.005  # of |mean|: what another processor's arithmetic may move although no seed does
POINTS = {"%": 0.5, "points": 1.0}  # of a percentage; of a difference of two

HEADER = """\
# Bands of the book's records, by notebook and record. `aibook results --check` and the tests hold each record of a
# committed notebook, and `make verify` each record of a fresh execution, against its band.
#
# The rule: a band is the interval in which one new run with another seed falls with a probability of 99 %, judging by
# the n runs of the notebook's stored `laptop` study: mean ± t(0.995, n-1) · sd · sqrt(1 + 1/n), Student's prediction
# interval for a normal quantity. It is never narrower than ± 0.5 % of the mean, since another processor adds in
# another order, nor than ± 1 for a count, nor than ± 0.5 points for a percentage (± 1 for a difference of two, in
# points), a share of finitely many cases that moves in steps and may be the same in all n runs by chance; only a
# number of weights must be met exactly. The ends are rounded outwards. Times and curves have no band. A p-value (`p`,
# `p_…`, `…_p`, `…_p_…`) is no normal quantity: its band is [0, 1].
#
# Measure again and set them anew:
#     aibook run --seeds 5 NOTEBOOK && aibook results --set-bands NOTEBOOK
# `band`, `seeds` and `from` are written by that command. `published` is written by hand, and kept: the figure that a
# paper reports (`value`), the paper's key in book/references.bib (`cite`), and why the two may differ (`note`, in `en`
# and `zh_CN`). Of the comments, this header alone is kept.
"""


def interval(values: list[int | float], unit: str = "") -> list[int | float]:
    """Band [low, high] for one new run, from the values of a record over n ≥ 2 seeds, by the rule of `HEADER`."""
    from scipy.stats import t

    centre, deviation, n = mean(values), stdev(values), len(values)
    counted = all(isinstance(value, int) for value in values)
    if deviation == 0 and counted and unit == "weights":
        return [values[0], values[0]]
    half = t.ppf((1 + CONFIDENCE) / 2, n - 1) * deviation * math.sqrt(1 + 1 / n)
    half = max(half, FLOOR * abs(centre), 1.0 if counted else 0.0, POINTS.get(unit, 0.0))
    if half == 0:
        return [0.0, 0.0]
    scale = 10.0 ** (1 - math.floor(math.log10(half)))  # keeps two significant digits of the half-width
    return [
        float(f"{math.floor((centre - half) * scale) / scale:.12g}"),
        float(f"{math.ceil((centre + half) * scale) / scale:.12g}"),
    ]


def read() -> dict[str, dict[str, dict]]:
    """`tests/expected.yml`: {notebook: {record: {band, seeds, from, published}}}, each field where there is one."""
    if not house.EXPECTED.exists():
        return {}
    return yaml.safe_load(house.EXPECTED.read_text(encoding="utf-8")) or {}


def set_from_study(notebook: Path) -> list[str]:
    """Set the bands of a notebook from its `laptop` study; returns a line for each band that changed.

    Raises FileNotFoundError, with the command to run, when there is no such study; ValueError when it is stale.
    """
    name, path = studies.key(notebook), studies.file(notebook, "laptop")
    again = f"aibook run --seeds 5 notebooks/{name}.ipynb"
    if not path.exists():
        raise FileNotFoundError(f"{name} has no laptop study to take bands from; make it with\n    {again}")
    study = studies.read(path)
    if reasons := studies.stale(study):
        raise ValueError(
            f"the laptop study of {name} is out of date ({'; '.join(reasons)}); make it again with\n    {again}"
        )
    expected = read()
    before = expected.get(name, {})
    expected[name] = _entries(before, study, path.name)
    _write(expected)
    changed = []
    for record in before.keys() | expected[name].keys():
        old, new = (entries.get(record, {}).get("band") for entries in (before, expected[name]))
        if old != new:
            changed.append(f"{name}: {record}: {old or 'no band'} → {new or 'no band'}")
    return sorted(changed)


def _entries(before: dict[str, dict], study: dict, source: str) -> dict[str, dict]:
    """Entries of one notebook: bands from the study, published figures from before, in the order of before."""
    banded = {
        name: (record["values"], record["unit"])
        for name, record in study["records"].items()
        if record["kind"] == "result" and not isinstance(record["values"][0], list)
    }
    entries = {}
    for name in [*before, *(name for name in banded if name not in before)]:
        entry = {}
        if name in banded:
            band = [0.0, 1.0] if P_VALUE.search(name) else interval(*banded[name])
            entry = {"band": band, "seeds": study["seeds"], "from": source}
        if "published" in before.get(name, {}):
            entry["published"] = before[name]["published"]
        if entry:
            entries[name] = entry
    return entries


class _Dumper(yaml.SafeDumper):
    """Lists on one line, shared lists written out."""

    def ignore_aliases(self, data) -> bool:
        return True


_Dumper.add_representer(
    list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)
)


def _write(expected: dict) -> None:
    body = yaml.dump(expected, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    temporary = house.EXPECTED.with_name(f".{house.EXPECTED.name}.{os.getpid()}")
    temporary.write_text(f"{HEADER}\n{body}", encoding="utf-8")
    os.replace(temporary, house.EXPECTED)
