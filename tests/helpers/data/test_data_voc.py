"""VOC annotations as people leave them: what is wrong is mended or dropped, counted, and never returned."""

from itertools import product

import numpy as np
import pytest

from helpers.data.voc import Report, read

CLASSES = ("cat", "dog")
SIZE = (100, 50)  # width, height
SIDES = ("xmin", "ymin", "xmax", "ymax")


def thing(corners, label="cat"):
    box = "".join(f"<{side}>{value}</{side}>" for side, value in zip(SIDES, corners, strict=True) if value is not None)
    return f"<object><name>{label}</name><bndbox>{box}</bndbox></object>"


def annotation(*things, head=""):
    return f"<annotation>{head}{''.join(things)}</annotation>".encode()


def read_boxes(*boxes):
    return read(annotation(*map(thing, boxes)), "a.xml", CLASSES, SIZE)


def test_boxes_become_ours():
    """VOC counts from 1 and means the last pixel too."""
    content = annotation(thing((10, 20, 30, 40), "dog"), thing((1, 1, 100, 50), " cat\n"), thing((10.5, 2, 30.25, 4)))
    boxes, labels, report = read(content, "a.xml", CLASSES, SIZE)
    np.testing.assert_array_equal(boxes, [[9, 19, 30, 40], [0, 0, 100, 50], [9.5, 1, 30.25, 4]])
    assert labels.tolist() == [1, 0, 0]
    assert (boxes.dtype, labels.dtype) == (np.float32, np.int64)
    assert report == Report(kept=3)


@pytest.mark.parametrize(
    ("given", "mended"),
    [
        ((30, 40, 10, 20), (9, 19, 30, 40)),
        ((30, 20, 10, 40), (9, 19, 30, 40)),
        ((10, 40, 30, 20), (9, 19, 30, 40)),
        ((0, 20, 30, 40), (0, 19, 30, 40)),
        ((10, -7.5, 30, 40), (9, 0, 30, 40)),
        ((90, 20, 101, 40), (89, 19, 100, 40)),
        ((10, 20, 30, 4e9), (9, 19, 30, 50)),
        ((100, 20, 120, 40), (99, 19, 100, 40)),  # the last column is inside
        ((-5, 20, 1, 40), (0, 19, 1, 40)),  # so is the first
        ((1e308, 1e308, -1e308, -1e308), (0, 0, 100, 50)),
    ],
)
def test_what_is_inverted_or_sticks_out_is_mended(given, mended):
    boxes, labels, report = read_boxes(given)
    np.testing.assert_array_equal(boxes, [mended])
    assert labels.tolist() == [0]
    assert report == Report(kept=1, mended=1)


@pytest.mark.parametrize(
    "given",
    [
        (10, 20, 10, 20),
        (10, 20, 10, 40),
        (10, 20, 30, 20),
        (101, 20, 120, 40),
        (10, 51, 30, 60),
        (-9, 20, 0, 40),
        (10, -9, 30, 0),
        (30, 60, 10, 55),  # inverted, too
        (100 + 1 - 1e-9, 20, 120, 40),  # of no width once it is float32
        (10, 20, 30, "wide"),
        (10, 20, 30, ""),
        (10, 20, 30, None),
        (10, "nan", 30, 40),
        ("-inf", 20, 30, 40),
        (10, 20, "1e999", 40),
        (None, None, None, None),
    ],
    ids=str,
)
def test_what_cannot_be_mended_is_dropped(given):
    boxes, labels, report = read_boxes((10, 20, 30, 40), given, (1, 2, 3, 4))
    np.testing.assert_array_equal(boxes, [[9, 19, 30, 40], [0, 1, 3, 4]])
    assert labels.tolist() == [0, 0]
    assert report == Report(kept=2, dropped=1)


def test_an_object_without_a_box_is_dropped():
    content = annotation("<object><name>cat</name></object>", thing((10, 20, 30, 40), "dog"))
    boxes, labels, report = read(content, "a.xml", CLASSES, SIZE)
    assert boxes.shape == (1, 4)
    assert labels.tolist() == [1]
    assert report == Report(kept=1, dropped=1)


@pytest.mark.parametrize("content", [annotation(), annotation(thing((10, 20, 10, 20)))], ids=["no object", "no box"])
def test_a_picture_may_have_nothing_on_it(content):
    boxes, labels, _ = read(content, "a.xml", CLASSES, SIZE)
    assert (boxes.shape, boxes.dtype) == ((0, 4), np.float32)
    assert (labels.shape, labels.dtype) == ((0,), np.int64)


def test_every_box_lies_in_the_picture_and_has_an_area():
    values = [
        *range(-3, 5),
        *range(97, 105),
        1e-60,
        1 - 1e-12,
        48,
        50,
        50.9999999999,
        51,
        1e30,
        -1e30,
        "nan",
        "x",
        None,
    ]
    rng = np.random.default_rng(0)
    given = [tuple(values[i] for i in row) for row in rng.integers(len(values), size=(5000, 4))]
    boxes, labels, report = read_boxes(*given)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= SIZE).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert len(boxes) == len(labels) == report.kept
    assert report.kept + report.dropped == len(given)
    assert 0 < report.mended < report.kept
    assert report.dropped > 0


def test_a_box_frames_the_pixels_that_voc_means():
    """Every box of whole numbers that does or does not reach out of a picture of 3 × 2 pixels, pixel by pixel."""
    for xmin, ymin, xmax, ymax in product(range(-1, 6), range(-1, 5), range(-1, 6), range(-1, 5)):
        columns = [x for x in range(3) if min(xmin, xmax) <= x + 1 <= max(xmin, xmax)]
        rows = [y for y in range(2) if min(ymin, ymax) <= y + 1 <= max(ymin, ymax)]
        meant = [[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]] if columns and rows else []
        boxes, _, report = read(annotation(thing((xmin, ymin, xmax, ymax))), "a.xml", CLASSES, (3, 2))
        assert boxes.tolist() == (meant if xmin != xmax and ymin != ymax else [])
        as_given = meant == [[xmin - 1, ymin - 1, xmax, ymax]]
        assert report.mended == bool(report.kept and not as_given)


def test_the_pictures_own_size_counts_not_the_files():
    head = "<size><width>10</width><height>nonsense</height><depth>3</depth></size>"
    boxes, _, report = read(annotation(thing((10, 20, 30, 40)), head=head), "a.xml", CLASSES, SIZE)
    np.testing.assert_array_equal(boxes, [[9, 19, 30, 40]])
    assert report == Report(kept=1)


def test_the_parts_of_an_object_are_no_objects():
    """VOC's own files have the boxes of people's heads and hands inside the person."""
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></part>"
    content = annotation(thing((10, 20, 30, 40)).replace("<name>", f"{part}<name>", 1))
    boxes, labels, report = read(content, "a.xml", CLASSES, SIZE)
    np.testing.assert_array_equal(boxes, [[9, 19, 30, 40]])
    assert labels.tolist() == [0]
    assert report == Report(kept=1)


@pytest.mark.parametrize("label", ["cow", "Cat", ""])
def test_another_class_is_an_error_that_names_file_and_class(label):
    with pytest.raises(ValueError, match=rf"a\.xml has an object of class '{label}', which is none of cat, dog"):
        read(annotation(thing((10, 20, 30, 40)), thing((10, 20, 10, 20), label)), "a.xml", CLASSES, SIZE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no XML",
        annotation(thing((10, 20, 30, 40)))[:-5],
        b"<annotation>\xff\x00</annotation>",
        b'<?xml version="1.0" encoding="nonsense"?><annotation/>',
        b"<html/>",
    ],
)
def test_what_is_no_annotation_is_an_error_that_names_the_file(content):
    with pytest.raises(ValueError, match=r"a\.xml (cannot be read as XML|is no VOC annotation: its root is <html>)"):
        read(content, "a.xml", CLASSES, SIZE)


def test_reports_add_up():
    reports = [Report(3, 1, 0), Report(), Report(5, 2, 4)]
    assert sum(reports, Report()) == Report(kept=8, mended=3, dropped=4)
