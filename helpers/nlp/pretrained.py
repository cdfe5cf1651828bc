"""Where a pretrained model comes from: a package registry for the models that the chapters use, else the hub.

    tokenizer = AutoTokenizer.from_pretrained(pretrained("minilm"))
    model = AutoModel.from_pretrained(pretrained("minilm"))

The loading itself is the ordinary one of `transformers`, whichever name stands there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers.data import e5_small, entry, fetch, smollm2


@dataclass(frozen=True)
class Packaged:
    """A checkpoint that a package registry carries; `data` is its name in the registry of `helpers.data`."""

    data: str
    hub: str  # the same model on the hub
    folder: Callable[[], Path]


PACKAGED = {
    "minilm": Packaged("minilm-l6", "sentence-transformers/all-MiniLM-L6-v2", lambda: fetch("minilm-l6")),
    "e5": Packaged("e5-small", "intfloat/multilingual-e5-small", e5_small.checkpoint),
    "smollm2": Packaged("smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct", smollm2.checkpoint),
}


def pretrained(name: str) -> str:
    """What to give to `from_pretrained` for the model called `name`, having said where it comes from.

    name: "minilm", "e5", "smollm2": a folder in the cache, filled from a package registry at the first call. Any
        other name is a folder of the reader's own or a name on the Hugging Face hub, such as "bert-base-chinese",
        and is returned as it is.

    Raises DataError when a packaged model cannot be had; ValueError for an empty name and for a path to nowhere.
    """
    if name in PACKAGED:
        chosen = PACKAGED[name]
        folder = chosen.folder()
        _say(f"{name}: {entry(chosen.data).title} ({entry(chosen.data).licence}), from a package, in the local cache")
        return str(folder)
    if not name.strip():
        raise ValueError(f"a model needs a name; packaged are: {', '.join(PACKAGED)}")
    if Path(name).expanduser().is_dir():
        _say(f"{name}: a folder of your own")
        return str(Path(name).expanduser())
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ValueError(f"there is no folder {name}. Packaged models are: {', '.join(PACKAGED)}")
    _say(f"{name}: from the Hugging Face hub (a download at the first use)")
    return name


@cache
def _say(line: str) -> None:
    print(line)
