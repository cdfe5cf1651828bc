"""Sum up the last lines of several pytest logs in one line of the same form; exit status 1 if a log has none."""

import re
import sys
from collections import Counter
from pathlib import Path

SUMMARY = re.compile(
    r"^=* ?(?P<counts>\d+ [a-z ]+(?:, \d+ [a-z ]+)*) in (?P<seconds>[\d.]+)s(?: \([\d:]+\))? ?=*$", re.MULTILINE
)
ORDER = ["failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings", "errors"]


def summary(logs: list[str]) -> str | None:
    """One line with the counts and seconds of all logs added; None if one of them has no line of pytest's."""
    counts: Counter[str] = Counter()
    seconds = 0.0
    for log in logs:
        found = list(SUMMARY.finditer(re.sub(r"\x1b\[[0-9;]*m", "", log)))
        if not found:
            return None
        for number, word in (part.split(" ", 1) for part in found[-1]["counts"].split(", ")):
            counts[word if word.endswith("ed") else word.removesuffix("s") + "s"] += int(number)
        seconds += float(found[-1]["seconds"])
    words = sorted(counts, key=lambda word: [*ORDER, word].index(word))
    return f" {', '.join(f'{counts[word]} {word}' for word in words)} in {seconds:.2f}s ".center(80, "=")


def main() -> int:
    line = summary([Path(path).read_text(encoding="utf-8", errors="replace") for path in sys.argv[1:]])
    print(line or "A test run ended without a summary: see the logs above.", flush=True)
    return 0 if line else 1


if __name__ == "__main__":
    sys.exit(main())
