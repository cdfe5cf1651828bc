"""Records: numbers that a notebook measures, kept in its outputs by name.

A record is an output that nothing displays, in the form of papermill's `record` and scrapbook's `glue`, so that

* MyST-NB shows it in the text: ``{glue:text}`test_accuracy:.1f` ``;
* `aibook results` lists it and the tests hold it against its band (`tests/expected.yml`).

Where no kernel listens (plain Python), recording checks the value and does nothing more.
"""

import math
import re
import sys

PREFIX = "application/papermill.record/"
DIGITS = 6  # significant digits kept: more than any band tells apart, too few to show the order of a summation
BETTER = ("higher", "lower", None)
KINDS = ("result", "time", "study")


def record(name: str, value, unit: str = "", better: str | None = None, kind: str = "result") -> None:
    """Keep `value` under `name` in the notebook's outputs.

    name: an identifier, once per notebook (running its cell again overwrites it).
    value: a number (also a NumPy scalar or a 0-d tensor), or a curve: a one-dimensional sequence of numbers.
    unit: such as "%", "s", "images/s".
    better: "higher" or "lower"; None where neither is.
    kind: "result" is held against a band; "time" (durations, speeds) is shown with its machine and never held
        against anything; "study" repeats a figure of a stored study in the text (see `helpers.studies`).

    Raises ValueError, naming the record, for a name that is no identifier, NaN, infinity, an empty curve, an
    unknown `better` or `kind`; TypeError for a value that is neither number nor curve.
    """
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise ValueError(f"record {name!r}: the name must be letters, digits and underscores, and start with a letter")
    if better not in BETTER:
        raise ValueError(f"record {name!r}: better={better!r} is none of {BETTER}")
    if kind not in KINDS:
        raise ValueError(f"record {name!r}: kind={kind!r} is none of {KINDS}")
    value = _plain(name, value)
    publisher = _publisher()
    if publisher is None:
        return
    publisher.publish(
        data={f"{PREFIX}text/plain": repr(value)},
        metadata={
            "scrapbook": {"name": name, "mime_prefix": PREFIX, "has_prefix": True},
            "aibook": {"value": value, "unit": unit, "better": better, "kind": kind},
        },
    )


def _plain(name: str, value) -> int | float | list[int | float]:
    """`value` as plain Python numbers, rounded to `DIGITS` significant digits."""
    if hasattr(value, "tolist"):  # NumPy scalars and arrays, tensors on any device
        value = value.tolist()
    if isinstance(value, list | tuple):
        if not value:
            raise ValueError(f"record {name!r}: the curve has no points")
        return [_number(name, point) for point in value]
    return _number(name, value)


def _number(name: str, value) -> int | float:
    if hasattr(value, "item"):  # a list of NumPy scalars or tensors
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"record {name!r}: {value!r} is neither a number nor a one-dimensional sequence of numbers")
    if not math.isfinite(value):
        raise ValueError(f"record {name!r}: the value is {value}; look for a division by zero or a diverged loss")
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")


def _publisher():
    """The running kernel's display publisher; None outside IPython.

    IPython is asked for, not imported: a process that has not loaded it has no kernel to publish to.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell.display_pub if shell else None
