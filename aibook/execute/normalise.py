"""Outputs without what differs from one execution, or one machine, to the next."""

import base64
import hashlib
import os
import re
import struct
import sys
import sysconfig
import tempfile
from pathlib import Path

from nbformat import NotebookNode

from aibook import house

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"}
WIDGETS = ("application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json")
CURSOR_MOVES = re.compile(r"\x1b\[\d*[ABCDEFGJKST]")
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}")
KERNEL_FILE = re.compile(r"(?:/[^\s:\"'/]+)*/ipykernel_\d+/\d+\.py")
BAR_TIMES = re.compile(r"\s*\[(?:\d+:)?\d+:\d\d<[^\]\n]*\]")
# Ids that pandas' Styler and matplotlib's SVG draw at random: numbered in the order in which they appear.
RANDOM_IDS = {
    "text/html": re.compile(r"T_[0-9a-f]{5}(?![0-9a-f])"),
    "image/svg+xml": re.compile(r"\b[mp][0-9a-f]{10}\b"),
}
SVG_DATE = re.compile(r"\s*<dc:date>.*?</dc:date>", re.DOTALL)


def normalise(node: NotebookNode, *, scratch: Path | None = None) -> NotebookNode:
    """Normalise an executed notebook in place and return it; `scratch` is the folder in which it was executed."""
    with_ids(node)
    for name in ("papermill", "widgets"):
        node.metadata.pop(name, None)
    node.metadata["kernelspec"], node.metadata["language_info"] = dict(KERNELSPEC), dict(LANGUAGE)
    count = 0
    for cell in node.cells:
        for name in ("papermill", "execution", "ExecuteTime"):
            cell.metadata.pop(name, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if cell.cell_type != "code":
            continue
        if cell.execution_count is not None:
            count += 1
            cell.execution_count = count
        cell.outputs = [_output(output, cell.execution_count, scratch) for output in _streams_joined(cell.outputs)]
        cell.outputs = [output for output in cell.outputs if output.get("text", "x") and output.get("data", "x")]
    return node


def with_ids(node: NotebookNode) -> NotebookNode:
    """Give each cell without a usable id one that follows from its place and text; in place."""
    used: set[str] = set()
    for number, cell in enumerate(node.cells):
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"
        if not cell.get("id") or cell["id"] in used:
            cell["id"] = hashlib.sha256(f"{number}{cell.cell_type}{''.join(cell.source)}".encode()).hexdigest()[:8]
        used.add(cell["id"])
    node["nbformat_minor"] = max(node.get("nbformat_minor", 0), 5)
    return node


def keep_times(node: NotebookNode, before: NotebookNode) -> None:
    """Put the records of times that stood in the notebook before in the place of the new ones; in place."""
    old = {_time_record(output): output for cell in before.cells for output in cell.get("outputs", [])}
    for cell in node.cells:
        if cell.cell_type == "code":
            cell.outputs = [old.get(_time_record(o), o) if _time_record(o) else o for o in cell.outputs]


def _time_record(output: NotebookNode) -> str | None:
    metadata = output.get("metadata", {})
    return metadata.get("scrapbook", {}).get("name") if metadata.get("aibook", {}).get("kind") == "time" else None


def _streams_joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighbouring streams as one each, stdout first: how they interleave is chance."""
    joined: list[NotebookNode] = []
    run: dict[str, NotebookNode] = {}
    for output in [*outputs, None]:
        if output is not None and output.output_type == "stream":
            if output.name in run:
                run[output.name].text += output.text
            else:
                run[output.name] = output
            continue
        joined += sorted(run.values(), key=lambda stream: stream.name, reverse=True)
        run = {}
        if output is not None:
            joined.append(output)
    return joined


def _output(output: NotebookNode, count: int | None, scratch: Path | None) -> NotebookNode:
    if output.output_type == "stream":
        output.text = _text(_last_bars(output.text), scratch)
    elif output.output_type == "error":
        output.evalue = _text(output.evalue, scratch)
        output.traceback = [_text(line, scratch) for line in output.traceback]
    else:
        if output.output_type == "execute_result":
            output.execution_count = count
        widget = any(output.data.pop(name, None) is not None for name in WIDGETS)
        output["data"] = NotebookNode() if widget else output.data  # what is left is a text that names the widget
        for mime, content in output.data.items():
            if mime == "image/png":
                output.data[mime] = _png(content)
            elif isinstance(content, str) and (mime.startswith("text/") or mime == "image/svg+xml"):
                output.data[mime] = _text(_numbered(content, mime), scratch)
    return output


def _last_bars(text: str) -> str:
    """Each line as it stood at its end, without a progress bar's times; a bar that was wiped away is not there."""
    lines = []
    for line in CURSOR_MOVES.sub("", text).split("\n"):
        drawn = [part for part in line.split("\r") if part]
        lines.append(BAR_TIMES.sub("", drawn[-1]).rstrip() if drawn and "\r" in line else line)
    return "\n".join(lines)


def _text(text: str, scratch: Path | None) -> str:
    text = KERNEL_FILE.sub("<cell>", ADDRESS.sub("", text))
    for path, name in _places(scratch):
        text = re.sub(rf"{re.escape(path)}(?=[/\s'\":,)\]]|$)", name, text)
    return text


def _places(scratch: Path | None) -> list[tuple[str, str]]:
    """Absolute paths and what stands for them, inner folders first."""
    places = [
        (sysconfig.get_path("purelib"), "site-packages"),
        (sysconfig.get_path("stdlib"), "python"),
        (sys.prefix, ".venv"),
        (str(house.ROOT), "."),
        (str(Path.home()), "~"),
    ]
    if cache := os.environ.get("AIBOOK_CACHE"):
        places.append((cache, "~/.cache/aibook"))
    places.append((tempfile.gettempdir(), "/tmp"))
    if scratch:
        places += [(str(scratch / "cwd"), "."), (str(scratch), ".")]
    return sorted({place for place in places if len(place[0]) > 1}, key=lambda place: -len(place[0]))


def _numbered(text: str, mime: str) -> str:
    if mime == "image/svg+xml":
        text = SVG_DATE.sub("", text)
    if mime not in RANDOM_IDS:
        return text
    found: dict[str, str] = {}
    return RANDOM_IDS[mime].sub(lambda match: found.setdefault(match[0], f"{match[0][0]}_{len(found)}"), text)


def _png(encoded: str) -> str:
    """A PNG image without its texts and times, such as the version of the program that drew it."""
    image = base64.b64decode(encoded)
    kept, at = image[:8], 8
    while at < len(image):
        end = at + 12 + struct.unpack(">I", image[at : at + 4])[0]
        if image[at + 4 : at + 8] not in (b"tEXt", b"zTXt", b"iTXt", b"tIME"):
            kept += image[at:end]
        at = end
    return base64.b64encode(kept).decode()
