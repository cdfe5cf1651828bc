"""The bibliography: the slides' fifteen works are as published, and every entry leads somewhere."""

import re

import pytest
from pybtex.database import parse_file

from aibook import house

ENTRIES = parse_file(house.BOOK / "references.bib").entries

# The list of the slides: key, first author, other authors, year, arXiv number, words of the title, words of the venue.
SLIDES = [
    ("bochkovskiy2020yolov4", "Bochkovskiy", 2, 2020, "2004.10934", "YOLOv4", ""),
    ("brown2020language", "Brown", 30, 2020, "2005.14165", "Few-Shot Learners", "NeurIPS"),
    ("choromanski2020rethinking", "Choromanski", 12, 2020, "2009.14794", "Performers", "ICLR"),
    ("fedus2021switch", "Fedus", 2, 2021, "2101.03961", "Switch Transformers", "Journal of Machine Learning Research"),
    ("girshick2014rich", "Girshick", 3, 2014, "1311.2524", "Rich Feature Hierarchies", "CVPR"),
    ("girshick2015fast", "Girshick", 0, 2015, "1504.08083", "Fast R-CNN", "ICCV"),
    ("lan2019albert", "Lan", 5, 2019, "1909.11942", "ALBERT", "ICLR"),
    ("liu2019roberta", "Liu", 9, 2019, "1907.11692", "RoBERTa", ""),
    ("liu2021swin", "Liu", 7, 2021, "2103.14030", "Shifted Windows", "ICCV"),
    ("redmon2016you", "Redmon", 3, 2016, "1506.02640", "You Only Look Once", "CVPR"),
    ("redmon2017yolo9000", "Redmon", 1, 2017, "1612.08242", "YOLO9000", "CVPR"),
    ("redmon2018yolov3", "Redmon", 1, 2018, "1804.02767", "YOLOv3", ""),
    ("ren2015faster", "Ren", 3, 2015, "1506.01497", "Faster R-CNN", "NIPS"),
    ("sanh2019distilbert", "Sanh", 3, 2019, "1910.01108", "DistilBERT", "NeurIPS"),
    ("yang2019xlnet", "Yang", 5, 2019, "1906.08237", "XLNet", "NeurIPS"),
]


def plain(value: str) -> str:
    return value.replace("{", "").replace("}", "")


@pytest.mark.parametrize(
    ("key", "first", "others", "year", "arxiv", "title", "venue"), SLIDES, ids=lambda value: str(value)
)
def test_the_works_of_the_slides_are_as_published(key, first, others, year, arxiv, title, venue):
    entry = ENTRIES[key]
    authors = entry.persons["author"]
    assert authors[0].last_names == [first]
    assert len(authors) == others + 1
    assert entry.fields["year"] == str(year)
    assert entry.fields["eprint"] == arxiv
    assert title in plain(entry.fields["title"])
    assert venue in " ".join(entry.fields.get(field, "") for field in ("booktitle", "journal", "note"))


def test_the_references_page_cites_the_works_of_the_slides():
    page = (house.BOOK / "references.md").read_text(encoding="utf-8")
    cited = {key for keys in re.findall(r"\{cite:p\}`([^`]+)`", page) for key in keys.split(",")}
    assert cited == {key for key, *_ in SLIDES}


@pytest.mark.parametrize("key", list(ENTRIES))
def test_every_entry_is_complete_and_leads_somewhere(key):
    entry = ENTRIES[key]
    fields = entry.fields
    first = entry.persons["author"][0].last_names[-1]
    assert re.fullmatch(r"[a-z]+\d{4}[a-z0-9]+", key)
    assert key.startswith(re.sub(r"[^a-z]", "", plain(first).lower())[:5])
    assert fields["year"] in key and fields["title"]
    assert {"doi", "eprint", "url"} & set(fields)
    assert re.fullmatch(r"10\.\d{4,9}/\S+", fields.get("doi", "10.0000/-"))
    assert re.fullmatch(r"\d{4}\.\d{4,5}", fields.get("eprint", "0000.00000"))
    assert fields.get("archiveprefix", "none") == ("arXiv" if "eprint" in fields else "none")
    assert fields.get("url", "https://").startswith("https://")


def test_no_work_is_entered_twice():
    for field in ("doi", "eprint", "title"):
        values = [plain(entry.fields[field]).lower() for entry in ENTRIES.values() if field in entry.fields]
        assert sorted(values) == sorted(set(values)), field
