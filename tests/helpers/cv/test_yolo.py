"""What goes into a detector's training: wrong boxes are named, pictures and truth stay together."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.cv.yolo import Batches, checked, mirrored, padded, pictures, read_picture, resized
from helpers.data.annotated import Annotated


def scenes(*truth, height=40, width=60):
    """One list of (x1, y1, x2, y2, class) for each picture."""
    images = np.random.default_rng(0).integers(0, 256, (len(truth), height, width, 3), dtype=np.uint8)
    rows = np.array([(i, *row) for i, rows in enumerate(truth) for row in rows], float).reshape(-1, 6)
    return Annotated.from_rows(images, rows, ("cat", "dog"), [f"smear_{i}.jpg" for i in range(len(truth))])


def test_sound_data_pass_the_check_unchanged_with_and_without_objects():
    data = scenes([(0, 0, 60, 40, 0), (3, 4, 5, 6, 1)], [])
    assert checked(data) is data


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((10, 5, 10, 9, 0), "no area"),
        ((10, 9, 12, 5, 0), "no area"),
        ((50, 5, 61, 9, 0), "leaves the picture of 60 × 40 pixels"),
        ((-1, 5, 6, 9, 0), "leaves the picture"),
        ((1, 5, 6, float("nan"), 0), "not a number"),
        ((1, 5, 6, 9, 2), "class 2 of 2"),
    ],
)
def test_a_wrong_box_is_refused_with_the_name_of_its_picture_and_its_place(row, words):
    with pytest.raises(ValueError, match=words) as refused:
        checked(scenes([], [(0, 0, 5, 5, 0), row]))
    assert str(refused.value).startswith("smear_1.jpg, object 1")


def test_boxes_without_classes_are_refused():
    data = scenes([(0, 0, 5, 5, 0)])
    with pytest.raises(ValueError, match=r"smear_0.jpg: 1 boxes but 0 classes"):
        checked(replace(data, labels=[np.zeros(0, int)]))


def test_a_file_that_is_no_picture_or_is_cut_short_is_named(tmp_path):
    (tmp_path / "note.jpg").write_text("no picture")
    Image.new("RGB", (50, 50)).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    for name in ("note.jpg", "half.png", "missing.jpg"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as a picture"):
            read_picture(tmp_path / name, (32, 32))


def test_a_picture_file_is_read_as_rgb_at_the_asked_size(tmp_path):
    Image.new("L", (30, 20), 200).save(tmp_path / "grey.png")
    picture = read_picture(tmp_path / "grey.png", (8, 16))
    assert picture.shape == (3, 8, 16) and picture.dtype == torch.uint8 and (picture == 200).all()


def test_resized_boxes_stay_on_what_they_frame():
    data = scenes([(10, 20, 30, 40, 1)], height=80, width=120)
    data.images[:], data.images[0, 20:40, 10:30] = 0, 255
    small = resized(data, (40, 40))
    x1, y1, x2, y2 = small.boxes[0][0]
    assert (x1, y1, x2, y2) == pytest.approx((10 / 3, 10, 10, 20))
    assert small.images.shape == (1, 40, 40, 3)
    rows, columns = np.nonzero(small.images[0, :, :, 0] > 127)
    assert abs(rows.min() - y1) <= 1 and abs(rows.max() + 1 - y2) <= 1
    assert abs(columns.min() - x1) <= 1 and abs(columns.max() + 1 - x2) <= 1


def test_a_mirrored_mirror_is_the_picture_and_boxes_follow():
    data = scenes([(10, 20, 30, 40, 1)], [])
    once, twice = mirrored(data), mirrored(mirrored(data))
    assert once.boxes[0].tolist() == [[30, 20, 50, 40]] and len(once.boxes[1]) == 0
    assert np.array_equal(once.images[0, :, 0], data.images[0, :, -1])
    assert np.array_equal(twice.images, data.images) and np.array_equal(twice.boxes[0], data.boxes[0])


def test_pictures_keep_every_pixel_when_the_size_stays():
    data = scenes([], [])
    assert torch.equal(pictures(data, batch_size=1), torch.from_numpy(data.images).permute(0, 3, 1, 2))


def test_padded_truth_has_centres_sizes_and_minus_one_where_nothing_is():
    truth, labels = padded(scenes([(10, 20, 30, 30, 1), (0, 0, 2, 4, 0)], [], [(1, 1, 3, 3, 0)]))
    assert truth[0].tolist() == [[20, 25, 20, 10], [1, 2, 2, 4]]
    assert labels.tolist() == [[1, 0], [-1, -1], [0, -1]]
    assert padded(scenes([], []))[1].tolist() == [[-1], [-1]]


def test_batches_go_round_without_repetition_and_scale_the_truth_with_the_size():
    truth, labels = padded(scenes(*[[(10, 20, 30, 30, 1)]] * 7))
    truth[:, 0, 0] = torch.arange(7)
    maps = [torch.arange(7.0).view(7, 1, 1, 1).expand(7, 2, side, side).half() for side in (10, 20)]
    torch.manual_seed(0)
    sides = set()
    for round_ in range(20):
        drawn = []
        for x, t, k, rows in islice(Batches(maps, truth, labels, 3), 2):
            factor = x.shape[2] / 10
            sides.add(x.shape[2])
            assert torch.equal(x[:, 0, 0, 0].long(), rows) and x.dtype == torch.float32
            assert torch.allclose(t[:, 0, 0], rows * factor) and torch.allclose(t[:, 0, 3], torch.tensor(10 * factor))
            assert (k == 1).all()
            drawn += rows.tolist()
        assert len(set(drawn)) == 6, round_
    assert sides == {10, 20}


def test_too_few_pictures_for_a_batch_are_refused():
    with pytest.raises(ValueError, match="2 pictures do not fill one batch of 16"):
        Batches([torch.zeros(2, 1, 1, 1)], *padded(scenes([], [])))
