"""FashionScenes: the boxes are what can be seen, each scene is always the same, and the splits share nothing."""

from itertools import combinations

import numpy as np
import pytest

from helpers.data import fashion_mnist, fashion_scenes
from helpers.data.fashion_scenes import GARMENTS, PHOTOGRAPHS, SCENES, SIDE, VISIBLE, load

SPLITS = list(SCENES)


def assert_same(some, others):
    assert some.names == others.names
    np.testing.assert_array_equal(some.images, others.images)
    for mine, theirs in zip(some.boxes + some.labels, others.boxes + others.labels, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype


@pytest.fixture
def laid(monkeypatch):
    """Garments are laid on white; a list of each scene's, in order: their masks and the colours of their pixels."""
    scenes = []
    lay = fashion_scenes._lay

    def background(*_):
        scenes.append([])
        return np.full((SIDE, SIDE, 3), 250, np.float32)

    def note(rng, canvas, garment):
        mask = lay(rng, canvas, garment)
        scenes[-1].append((mask, canvas[mask].copy()))
        return mask

    monkeypatch.setattr(fashion_scenes, "_background", background)
    monkeypatch.setattr(fashion_scenes, "_lay", note)
    return scenes


def what_is_seen(garments):
    """Of garments (mask, colours) laid one over another: those of which enough is seen, with the mask of that."""
    kept, hidden, above = [], [], np.zeros((SIDE, SIDE), bool)
    for mask, colours in reversed(garments):
        seen = mask & ~above
        above |= mask
        (kept if seen.sum() >= VISIBLE * mask.sum() else hidden).insert(0, (mask, colours, seen))
    return kept, hidden


@pytest.mark.parametrize("split", SPLITS)
def test_scenes_have_pictures_boxes_and_labels(split):
    scenes = load(split, n=12)
    assert scenes.images.shape == (12, 160, 160, 3)
    assert scenes.images.dtype == np.uint8
    assert len(scenes) == len(scenes.boxes) == len(scenes.labels) == len(scenes.names) == 12
    assert scenes.names[11] == f"{split}-0011"
    assert scenes.classes == fashion_mnist.CLASSES
    for boxes, labels in zip(scenes.boxes, scenes.labels, strict=True):
        assert 1 <= len(boxes) == len(labels) <= 8
        assert (boxes.dtype, labels.dtype) == (np.float32, np.int64)
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= SIDE).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert set(labels) <= set(range(10))
    assert min(picture.std() for picture in scenes.images) > 5  # something is on each


def test_boxes_are_the_tight_frames_of_what_is_seen(laid):
    scenes = load("train", n=60)
    hidden_in_all = 0
    for boxes, garments in zip(scenes.boxes, laid, strict=True):
        kept, hidden = what_is_seen(garments)
        hidden_in_all += len(hidden)
        places = [np.argwhere(seen)[:, ::-1] for *_, seen in kept]
        np.testing.assert_array_equal(boxes, [[*place.min(0), *(place.max(0) + 1)] for place in places])
        for mask, _ in garments:
            rows, columns = np.nonzero(mask)
            # 16 to 64 pixels long before it was turned; a thin garment may lose its edges when it is.
            assert 8 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 64 * np.sqrt(2) + 2
    assert hidden_in_all > 0
    assert {len(garments) for garments in laid} == set(range(1, 9))


def test_garments_that_are_nearly_hidden_vanish_from_the_picture(laid):
    scenes = load("train", n=60)
    compared = 0
    for picture, garments in zip(scenes.images, laid, strict=True):
        kept, hidden = what_is_seen(garments)
        for mask, colours, seen in kept:
            shown = picture[seen].mean(0)
            np.testing.assert_allclose(shown, colours[seen[mask]].mean(0), atol=6)  # the noise's mean
        for mask, colours, seen in hidden:
            if seen.sum() > 20:
                compared += 1
                assert picture[seen].mean() > 240  # white, but for noise that ends at 255
                assert colours[seen[mask]].mean() < 230
    assert compared > 0


def test_how_much_must_be_seen(monkeypatch):
    """A square of which less than 35% is left vanishes; of which half is left, its box is that half."""
    squares = {
        "hidden": (slice(10, 30), slice(10, 30)),
        "over it": (slice(5, 35), slice(16, 60)),  # leaves 6 of 20 columns
        "half": (slice(100, 120), slice(100, 120)),
        "over that": (slice(100, 140), slice(110, 140)),
    }
    places = iter(squares.values())

    def lay(_, canvas, __):
        mask = np.zeros((SIDE, SIDE), bool)
        mask[next(places)] = True
        canvas[mask] = 255
        return mask

    monkeypatch.setattr(fashion_scenes, "_lay", lay)
    monkeypatch.setattr(fashion_scenes, "_background", lambda *_: np.zeros((SIDE, SIDE, 3)))
    seed = next(seed for seed in range(100) if np.random.default_rng(seed).integers(1, 9) == len(squares))
    picture, boxes, chosen = fashion_scenes.scene(np.random.default_rng(seed), np.arange(50), [])
    np.testing.assert_array_equal(boxes, [[16, 5, 60, 35], [100, 100, 110, 120], [110, 100, 140, 140]])
    assert picture[10:30, 10:16].mean() < 20  # what was left of it
    assert picture[100:120, 100:110].mean() > 235

    rng = np.random.default_rng(seed)
    drawn = rng.integers(50, size=rng.integers(1, 9)).tolist()
    assert chosen == drawn[1:]


@pytest.mark.parametrize("split", SPLITS)
def test_a_scene_is_always_the_same_whatever_stands_before_and_after_it(split):
    scenes = load(split, n=6)
    assert_same(load(split, n=6), scenes)
    assert_same(load(split, n=2), scenes[:2])
    for some, other in combinations(scenes.images, 2):
        assert (some != other).mean() > 0.5


def test_every_scene_of_every_split_is_drawn_by_chance_of_its_own(monkeypatch):
    states, real = [], fashion_scenes.scene

    def scene(rng, *given):
        states.append(str(rng.bit_generator.state))
        return real(rng, *given)

    monkeypatch.setattr(fashion_scenes, "scene", scene)
    for split in SPLITS:
        load(split, n=4)
    assert len(set(states)) == 12


def test_labels_and_garments_are_fashion_mnists(monkeypatch):
    """Each split lays garments of its own rows, each with its own label, on its own photographs."""
    given, real = {}, fashion_scenes.scene

    def scene(rng, garments, photographs):
        made = real(rng, garments, photographs)
        given[split].append((garments, photographs, made[2]))
        return made

    monkeypatch.setattr(fashion_scenes, "scene", scene)
    for split in SPLITS:
        given[split] = []
        scenes = load(split, n=3)
        images, labels = fashion_mnist.load("test" if split == "test" else "train")
        first, last = GARMENTS[split]
        for found, (garments, photographs, chosen) in zip(scenes.labels, given[split], strict=True):
            np.testing.assert_array_equal(garments, images[first:last])
            assert found.tolist() == labels[first:last][chosen].tolist()
            right = [np.asarray(fashion_scenes._photograph(name)) for name in PHOTOGRAPHS[split]]
            assert all(np.array_equal(a, b) for a, b in zip(map(np.asarray, photographs), right, strict=True))


def test_the_splits_share_neither_garments_nor_photographs():
    assert set(GARMENTS) == set(PHOTOGRAPHS) == set(SPLITS)
    rows = {split: set(range(*GARMENTS[split])) for split in SPLITS}
    assert not rows["train"] & rows["valid"]  # both are rows of Fashion-MNIST's training set
    assert rows["train"] | rows["valid"] == set(range(60_000))
    assert rows["test"] == set(range(10_000))

    names = [name for split in SPLITS for name in PHOTOGRAPHS[split]]
    assert len(set(names)) == len(names)
    pixels = {np.asarray(fashion_scenes._photograph(name)).tobytes() for name in names}
    assert len(pixels) == len(names)  # nor one under two names
    for name in names:
        photograph = fashion_scenes._photograph(name)
        assert photograph.mode == "RGB"
        assert min(photograph.size) >= 256


def test_a_whole_split_is_made_once_and_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(fashion_scenes, "fetch", lambda _: tmp_path)
    monkeypatch.setattr(fashion_scenes, "SCENES", dict(zip(SPLITS, (7, 4, 5), strict=True)))
    made, make = [], fashion_scenes._make
    monkeypatch.setattr(fashion_scenes, "_make", lambda *given: made.append(given) or make(*given))
    first = load("valid")
    assert len(first) == 4
    assert isinstance(first.images, np.memmap)
    assert_same(load("valid"), first)
    assert made == [("valid", 4)]
    assert_same(load("valid", n=4), first)
    assert len(load("test")) == 5
    assert made[1:] == [("valid", 4), ("test", 5)]


def test_how_many_scenes_there_are():
    assert SCENES == {"train": 2400, "valid": 300, "test": 500}


@pytest.mark.parametrize("split", ["val", "validation", ""])
def test_another_split_is_refused(split):
    with pytest.raises(ValueError, match=f"'train', 'valid' or 'test', not '{split}'"):
        load(split)
