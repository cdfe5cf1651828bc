"""BCCD's loader on small archives made here: pictures, boxes and splits are those put in."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from helpers.data import bccd, fetch, fetching, registry
from helpers.data.registry import Entry, Variant
from helpers.data.sources import Repacked

# The picture's number → its shade, and its objects: class, xmin, ymin, xmax, ymax.
CELLS = {
    1: (10, [("RBC", 1, 1, 640, 480), ("Platelets", 5, 6, 7, 8)]),
    2: (60, []),
    3: (110, [("WBC", 20, 10, 10, 20), ("RBC", 9, 9, 9, 9)]),
    4: (160, [("WBC", 600, 400, 700, 500)]),
    5: (210, [("RBC", 100, 100, 200, 200)]),
}
LISTS = {"train": [2, 5], "val": [3], "test": [1, 4]}
MEMBERS = ("BCCD/", "LICENSE")


def jpeg(shade, size=(640, 480)):
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, "JPEG")
    return buffer.getvalue()


def xml(objects):
    sides = ("xmin", "ymin", "xmax", "ymax")
    things = (
        f"<object><name>{label}</name><bndbox>{''.join(f'<{s}>{c}</{s}>' for s, c in zip(sides, box, strict=True))}"
        "</bndbox></object>"
        for label, *box in objects
    )
    return f"<annotation>{''.join(things)}</annotation>"


def contents(**changed):
    """The archive's members; `changed` ones are named by the last part of their name, _ for a dot."""
    members = {"LICENSE": b"free"}
    for part, numbers in LISTS.items():
        members[f"BCCD/ImageSets/Main/{part}.txt"] = "".join(f"Cell_{number}\n" for number in numbers)
    for number, (shade, objects) in CELLS.items():
        members[f"BCCD/JPEGImages/Cell_{number}.jpg"] = jpeg(shade)
        members[f"BCCD/Annotations/Cell_{number}.xml"] = xml(objects)
    return {name: changed.get(name.rpartition("/")[2].replace(".", "_"), data) for name, data in members.items()}


def packed(members, top=""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as box:
        for name, content in members.items():
            box.writestr(top + name, content)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def as_in_a_new_process():
    bccd._say.cache_clear()


@pytest.mark.parametrize("split", ["train", "val", "test", "trainval"])
def test_each_split_has_its_pictures_and_boxes(serve, split):
    serve("bccd", {"bccd.zip": packed(contents())}, "git")
    numbers = {**LISTS, "trainval": LISTS["train"] + LISTS["val"]}[split]
    loaded = bccd.load(split)
    assert loaded.names == [f"Cell_{number}.jpg" for number in numbers]
    assert loaded.classes == ("RBC", "WBC", "Platelets")
    assert loaded.images.shape == (len(numbers), 480, 640, 3)
    assert loaded.images.dtype == np.uint8
    assert isinstance(loaded.images, np.memmap)
    np.testing.assert_allclose(loaded.images.mean((1, 2, 3)), [CELLS[number][0] for number in numbers], atol=1)
    right = {
        1: ([[0, 0, 640, 480], [4, 5, 7, 8]], [0, 2]),
        2: ([], []),
        3: ([[9, 9, 20, 20]], [1]),
        4: ([[599, 399, 640, 480]], [1]),
        5: ([[99, 99, 200, 200]], [0]),
    }
    for number, boxes, labels in zip(numbers, loaded.boxes, loaded.labels, strict=True):
        np.testing.assert_array_equal(boxes, np.reshape(right[number][0], (-1, 4)))
        assert labels.tolist() == right[number][1]
        assert (boxes.dtype, labels.dtype) == (np.float32, np.int64)


def test_what_was_mended_is_said_once_for_each_split(serve, capsys):
    serve("bccd", {"bccd.zip": packed(contents())}, "git")
    for split in ("val", "test", "val", "trainval", "test"):
        bccd.load(split)
    assert capsys.readouterr().out.splitlines() == [
        "BCCD, val: 1 boxes, 1 mended, 1 dropped",
        "BCCD, test: 3 boxes, 1 mended, 0 dropped",
        "BCCD, trainval: 2 boxes, 1 mended, 1 dropped",
    ]


def test_pictures_are_decoded_once_for_all_splits(serve, monkeypatch):
    serve("bccd", {"bccd.zip": packed(contents())}, "git")
    first = bccd.load("train").images.copy()
    monkeypatch.setattr(bccd, "_decode", None)
    np.testing.assert_array_equal(bccd.load("train").images, first)
    assert len(bccd.load("test")) == 2


def test_both_variants_load_alike(cache, server, toys, tmp_path, monkeypatch):
    """Upstream's archive, with a folder around everything and more in it, and the one made by `git archive`."""
    more = {"README.md": b"read me", "example.jpg": jpeg(0)}
    server.pages["/1a2b.zip"] = packed(more | contents(), top="BCCD_Dataset-1a2b/")
    source = Repacked(f"{server.url}/1a2b.zip", MEMBERS, 100_000)
    with source.open("bccd-canonical.zip", tmp_path) as stream:
        canonical = toys.file("bccd-canonical.zip", stream.read())
    own = packed(dict(reversed(contents().items())))
    variants = Variant("upstream", (canonical,), (source,)), Variant("git", (toys.file("bccd.zip", own),), ())
    entry = Entry("bccd", "Tiny", "", "", "", variants)
    monkeypatch.setattr(registry, "entries", lambda: {"bccd": entry})
    upstream = {split: bccd.load(split) for split in bccd.SPLITS}
    assert fetch("bccd") == fetching.place(entry, variants[0])

    (tmp_path / "bccd.zip").write_bytes(own)
    monkeypatch.setenv("AIBOOK_DATA", str(tmp_path))
    for split, there in upstream.items():
        here = bccd.load(split)
        assert here.names == there.names
        np.testing.assert_array_equal(here.images, there.images)
        for mine, theirs in zip(here.boxes + here.labels, there.boxes + there.labels, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert fetch("bccd") == fetching.place(entry, variants[1])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"Cell_4_jpg": b"no picture"}, r"Cell_4\.jpg cannot be read as a picture"),
        ({"Cell_4_jpg": jpeg(9)[:700]}, r"Cell_4\.jpg cannot be read as a picture \(.*truncated"),
        ({"Cell_4_jpg": jpeg(9, (480, 640))}, r"Cell_4\.jpg is 480 × 640 pixels, not 640 × 480"),
        ({"Cell_4_xml": xml([("Rbc", 1, 2, 3, 4)])}, r"Cell_4\.xml has an object of class 'Rbc'"),
        ({"Cell_4_xml": "<annotation>"}, r"Cell_4\.xml cannot be read as XML"),
    ],
    ids=["no picture", "truncated", "size", "class", "XML"],
)
def test_what_cannot_be_used_is_named(serve, toys, cache, changed, said):
    serve("bccd", {"bccd.zip": packed(contents(**changed))}, "git")
    with pytest.raises(ValueError, match=rf"BCCD's {said}"):
        bccd.load("test")
    assert toys.left_in(cache) == [".verified.json", "bccd.zip"]


def test_a_grey_picture_becomes_rgb(serve):
    buffer = io.BytesIO()
    Image.new("L", (640, 480), 77).save(buffer, "JPEG")
    serve("bccd", {"bccd.zip": packed(contents(Cell_3_jpg=buffer.getvalue()))}, "git")
    np.testing.assert_array_equal(np.unique(bccd.load("val").images), [77])


def test_another_split_is_refused():
    with pytest.raises(ValueError, match="'train', 'val', 'test' or 'trainval', not 'valid'"):
        bccd.load("valid")
