"""The results as MyST Markdown, in the language of the page that shows them."""

from collections.abc import Callable, Iterable

from aibook import studies
from aibook.results.collect import Results
from aibook.results.text import number, spread

# English words, and their Chinese.
WORDS = {
    "zh_CN": {
        "Record": "记录值",
        "Here": "本书运行",
        "Band": "允许区间",
        "Published": "文献数值",
        "mean ± sd": "均值 ± 标准差",
        "curve": "曲线",
        "time": "时间",
        "missing": "缺失",
        "outside": "超出区间",
        "study": "多种子实验存档",
        "seeds": "个随机种子",
        "CPU seconds": "CPU 秒",
        "out of date": "已过期",
        "Notebook": "笔记本",
        "Wall seconds": "挂钟秒数",
        "Peak memory (MB)": "内存峰值（MB）",
        "Date": "日期",
        "Machine": "机器",
    }
}


def results_table(results: Results, language: str, title: str) -> str:
    """Records of one notebook as a captioned table, and where its studies come from.

    title: what the caption says, in Markdown (a link to the notebook, where it is a page).
    """
    say = _words(language)
    profiles = sorted(results.studies)
    spreads = [f"`{profile}`: {say('mean ± sd')}" for profile in profiles]
    rows = [
        [
            f"`{name}`",
            f"{number(record.value)} {record.unit}",
            _band(results, name, say),
            *(_spread(results.studies[profile], name) for profile in profiles),
            _published(results.expected.get(name, {}), language),
        ]
        for name, record in results.records.items()
    ]
    header = [say("Record"), say("Here"), say("Band"), *spreads, say("Published")]
    notes = []
    if results.stale:
        notes.append(f"- **{say('out of date')}**: {_reasons(results.stale)}")
    notes += [_study(results, profile, say) for profile in profiles]
    return "\n".join([f"::::{{table}} {title}", *_table(header, rows), "::::", "", *notes])


def execution_table(book: Iterable[Results], language: str, title: Callable[[str], str]) -> str:
    """What executing each notebook cost, and where and when that was."""
    say = _words(language)
    header = [say(word) for word in ("Notebook", "CPU seconds", "Wall seconds", "Peak memory (MB)", "Date", "Machine")]
    rows = []
    for results in book:
        stamp = results.execution
        costs = [f"{stamp[cost]:,.0f}" if cost in stamp else "" for cost in ("cpu_seconds", "wall_seconds", "peak_mb")]
        name = title(results.notebook) + (f" (**{say('out of date')}**)" if results.stale else "")
        rows.append([name, *costs, stamp.get("date", "")[:10], stamp.get("machine", "")])
    return "\n".join(_table(header, rows))


def _words(language: str) -> Callable[[str], str]:
    return (lambda word: word) if language == "en" else WORDS[language].__getitem__


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", r"\|").strip() for cell in line) + " |" for line in lines]


def _band(results: Results, name: str, say: Callable) -> str:
    record, entry = results.records[name], results.expected.get(name, {})
    if "band" not in entry:
        return say("missing") if record.banded else say("time") if record.kind == "time" else say("curve")
    low, high = entry["band"]
    inside = low <= record.value <= high
    return f"{number(low)} … {number(high)}" + ("" if inside else f" **{say('outside')}**")


def _spread(study: dict, name: str) -> str:
    pair = studies.summary(study, name)
    return spread(*pair) if pair else ""


def _published(entry: dict, language: str) -> str:
    if "published" not in entry:
        return ""
    published = entry["published"]
    return f"{published['value']} {{cite:p}}`{published['cite']}`: {published['note'].get(language, '')}"


def _study(results: Results, profile: str, say: Callable) -> str:
    study = results.studies[profile]
    parts = [
        f"{len(study['seeds'])} {say('seeds')}",
        f"{sum(study['cpu_seconds']):,.0f} {say('CPU seconds')}",
        study["date"],
        study["machine"],
    ]
    line = f"- `{profile}` {say('study')}: {', '.join(parts)}"
    why = results.stale_studies.get(profile)
    return f"{line}. **{say('out of date')}**: {_reasons(why)}" if why else line


def _reasons(reasons: list[str]) -> str:
    return "; ".join(f"`{reason}`" for reason in reasons)
