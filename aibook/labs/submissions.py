"""A notebook that somebody handed in, read with care: it may be no notebook, huge, old, renamed, or cut to pieces."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

MOST_BYTES = 512 * 2**20
HERE = 16 * 2**20  # bytes of JSON that are read in this process: they may take thirty times as much memory
# Reads larger ones where memory and time are bounded, and writes what is left without outputs.
APART = f"""
import json, resource, sys
for limit, most in ((resource.RLIMIT_AS, 3 * 2**30), (resource.RLIMIT_CPU, 60)):
    resource.setrlimit(limit, (most, most))
node = json.load(open(sys.argv[1], "rb"))
for sheet in [node, *node.get("worksheets", [])]:
    for cell in sheet.get("cells", []):
        cell.pop("outputs", None), cell.pop("attachments", None)
text = json.dumps(node)
print(text if len(text) <= {HERE} else "no JSON")
"""
MOST_CELLS = 2_000
MOST_SOURCE = 2 * 2**20


class Unreadable(Exception):
    """There is nothing to grade in the file; `text` says why, in English and Chinese."""

    def __init__(self, english: str, chinese: str) -> None:
        super().__init__(english)
        self.text = (english, chinese)


@dataclass(frozen=True)
class Cell:
    """One cell: what it is, its source, and what nbgrader's metadata say of it."""

    kind: str  # "code" or "markdown"
    source: str
    grade_id: str = ""
    tags: tuple[str, ...] = ()
    grade: bool = False
    solution: bool = False
    points: float = 0.0


@dataclass(frozen=True)
class Submission:
    """The cells of one notebook."""

    cells: tuple[Cell, ...] = field(repr=False)

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == "code"]

    @property
    def grade_ids(self) -> set[str]:
        return {cell.grade_id for cell in self.cells if cell.grade_id}


def read(path: Path) -> Submission:
    """The notebook at `path`, outputs left aside. Raises Unreadable."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Unreadable(
                f"The file has more than {MOST_BYTES // 2**20} MB. Clear its outputs and hand it in again.",
                f"文件超过 {MOST_BYTES // 2**20} MB。请清除输出后重新提交。",
            )
        node = json.loads(path.read_bytes() if path.stat().st_size <= HERE else _without_outputs(path))
    except (OSError, ValueError, RecursionError, MemoryError):
        raise Unreadable(
            "The file is not a notebook: it holds no JSON.", "该文件不是笔记本：其内容不是 JSON。"
        ) from None
    cells = [cell for raw in _raw_cells(node)[:MOST_CELLS] if (cell := _cell(raw))]
    if not any(cell.kind == "code" and cell.source.strip() for cell in cells):
        raise Unreadable("The notebook has no cell with code.", "笔记本中没有任何含代码的单元。")
    if sum(len(cell.source) for cell in cells) > MOST_SOURCE:
        raise Unreadable("The notebook's cells hold more than 2 MB of text.", "笔记本各单元的文本合计超过 2 MB。")
    return Submission(tuple(cells))


def identify(submission: Submission, labs: dict[str, Iterable[str]], name: str) -> str:
    """Which lab it is, whatever its name: the one with most of its grade ids, or else the one that `name` begins with.

    labs: name of a lab -> its grade ids. Empty where nothing fits.
    """
    shared = {lab: len(submission.grade_ids & set(ids)) for lab, ids in labs.items()}
    best = max(shared, key=shared.get, default="")
    if best and shared[best]:
        return best
    return next((lab for lab in labs if name.startswith(lab)), "")


def _without_outputs(path: Path) -> bytes:
    """A large notebook's JSON without its outputs; no JSON where it cannot be had."""
    done = subprocess.run([sys.executable, "-I", "-c", APART, path], capture_output=True, check=False)
    return done.stdout


def _raw_cells(node) -> list:
    """The cells of a notebook of any format: until version 3 they stood in worksheets."""
    if not isinstance(node, dict):
        return []
    sheets = node.get("worksheets")
    sheets = [node, *sheets] if isinstance(sheets, list) else [node]
    found = []
    for sheet in sheets:
        if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list):
            found += sheet["cells"]
    return found


def _cell(raw) -> Cell | None:
    if not isinstance(raw, dict) or raw.get("cell_type") not in ("code", "markdown"):
        return None
    source = raw.get("source", raw.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    grading, tags = metadata.get("nbgrader"), metadata.get("tags")
    grading = grading if isinstance(grading, dict) else {}
    points = grading.get("points")
    return Cell(
        kind=raw["cell_type"],
        source=source if isinstance(source, str) else "",
        grade_id=str(grading.get("grade_id", ""))[:200],
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        grade=grading.get("grade") is True,
        solution=grading.get("solution") is True,
        points=float(points) if isinstance(points, int | float) else 0.0,
    )
