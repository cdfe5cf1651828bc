"""The real data sets, fetched as a reader fetches them (once; they stay in the user's cache)."""

import hashlib
import io
import zipfile
from dataclasses import astuple

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.data import bccd, cifar10, efficientnet_lite0, elpv, entry, fashion_mnist, fetch, voc
from helpers.data.fetching import cached, own_folder
from helpers.data.sources.repacked import repack


@pytest.mark.parametrize(("split", "each"), [("train", 6000), ("test", 1000)])
def test_fashion_mnist(split, each):
    images, labels = fashion_mnist.load(split)
    assert images.shape == (10 * each, 28, 28)
    assert np.bincount(labels).tolist() == [each] * 10
    assert (images.min(), images.max()) == (0, 255)
    # Trousers are upright: what they cover is taller than wide. Sneakers lie.
    covered = images > 50
    wide, tall = covered.any(1).sum(1), covered.any(2).sum(1)
    assert np.median(tall[labels == 1] / wide[labels == 1]) > 1.5
    assert np.median(tall[labels == 7] / wide[labels == 7]) < 0.7


def test_elpv():
    images, probability, kind = elpv.load()
    assert images.shape == (2624, 300, 300)
    values, counts = np.unique(probability, return_counts=True)
    np.testing.assert_array_equal(values, [0, 1 / 3, 2 / 3, 1])
    assert counts.tolist() == [1508, 295, 106, 715]  # as its authors count them
    assert {name: int((kind == name).sum()) for name in elpv.KINDS} == {"mono": 1074, "poly": 1550}
    # Defective cells are darker: dead areas give off no light.
    brightness = images[:, ::10, ::10].mean((1, 2))
    assert brightness[probability == 1].mean() < brightness[probability == 0].mean() - 10


@pytest.mark.parametrize(
    ("photograph", "names"),
    [("flower.jpg", {985: "daisy"}), ("china.jpg", {698: "palace", 663: "monastery"})],
)
def test_the_pretrained_network_knows_what_it_sees(photograph, names):
    import timm
    from sklearn.datasets import load_sample_image

    network = timm.create_model(efficientnet_lite0.ARCHITECTURE).eval()
    network.load_state_dict(efficientnet_lite0.state_dict())
    image = Image.fromarray(load_sample_image(photograph))
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.resize((224, 224), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
    pixels = torch.tensor(np.asarray(image)).permute(2, 0, 1)[None] / 255  # (1, 3, 224, 224)
    with torch.inference_mode():
        scores = network((pixels - efficientnet_lite0.MEAN) / efficientnet_lite0.STD)[0]
    assert scores.argmax().item() == next(iter(names))
    assert names.keys() <= set(scores.topk(5).indices.tolist())


def test_weights_that_do_not_fit_the_network_are_refused(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "ARCHITECTURE", "resnet18")
    with pytest.raises(ValueError, match="resnet18"):
        efficientnet_lite0.state_dict()


def is_here(name):
    own = own_folder(entry(name))
    return cached(entry(name)) or (own and any(own.holds(v.files[0].name) for v in entry(name).variants))


# 170 MB that no package carries: checked where it is, its two readers on small archives everywhere.
if is_here("cifar10"):

    def test_cifar10():
        images, labels = cifar10.load("test")
        assert images.shape == (10_000, 32, 32, 3)
        assert np.bincount(labels).tolist() == [1000] * 10
        # The published mean of each colour, ± what JPEG and the split change.
        np.testing.assert_allclose(images.mean((0, 1, 2)), [125.3, 123.0, 113.9], atol=1.5)
        # Ships and aeroplanes stand before blue, frogs and deer do not.
        blue = images[..., 2].mean((1, 2)) - images[..., 0].mean((1, 2))
        by_class = {name: blue[labels == i].mean() for i, name in enumerate(cifar10.CLASSES)}
        assert min(by_class["ship"], by_class["airplane"]) > max(by_class["frog"], by_class["deer"])


# No package carries it either; its reader is tested on small archives everywhere.
if is_here("bccd"):

    @pytest.mark.parametrize(
        ("split", "pictures", "each"),
        [
            ("train", 205, {"RBC": 2381, "WBC": 214, "Platelets": 209}),
            ("val", 87, {"RBC": 967, "WBC": 87, "Platelets": 83}),
            ("test", 72, {"RBC": 805, "WBC": 71, "Platelets": 69}),
            ("trainval", 292, {"RBC": 3348, "WBC": 301, "Platelets": 292}),
        ],
    )
    def test_bccd(split, pictures, each):
        loaded = bccd.load(split)
        assert loaded.images.shape == (pictures, 480, 640, 3)
        assert len(set(loaded.names)) == len(loaded.boxes) == len(loaded.labels) == pictures
        counts = np.bincount(np.concatenate(loaded.labels), minlength=3).tolist()
        assert dict(zip(loaded.classes, counts, strict=True)) == each
        boxes = np.concatenate(loaded.boxes)
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= (640, 480)).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert boxes[:, 2:].max(0).tolist() == [640, 480]  # some reach the last pixel
        assert min(map(len, loaded.boxes)) > 0

    def test_bccd_parts_are_disjoint_and_complete():
        names = {split: bccd.load(split).names for split in bccd.SPLITS}
        assert len({*names["train"], *names["val"], *names["test"]}) == 364
        assert names["trainval"] == names["train"] + names["val"]
        with zipfile.ZipFile(next(fetch("bccd").glob("*.zip"))) as box:
            listed = box.read("BCCD/ImageSets/Main/trainval.txt").decode().split()
        assert sorted(names["trainval"]) == sorted(f"{name}.jpg" for name in listed)

    @pytest.mark.parametrize(
        ("split", "report"), [("train", (2804, 0, 1)), ("val", (1137, 0, 1)), ("test", (945, 0, 0))]
    )
    def test_bccd_two_stray_clicks_are_dropped_and_nothing_had_to_be_mended(split, report):
        with zipfile.ZipFile(next(fetch("bccd").glob("*.zip"))) as box:
            found = [
                voc.read(box.read(f"BCCD/Annotations/{name.replace('.jpg', '.xml')}"), name, bccd.CLASSES, bccd.SIZE)[2]
                for name in bccd.load(split).names
            ]
        assert astuple(sum(found, voc.Report())) == report

    def test_bccd_boxes_lie_where_the_cells_are():
        """The stain makes white cells violet; red ones are orange or grey."""
        loaded = bccd.load("val")
        violet = {name: [] for name in loaded.classes}
        for image, boxes, labels in zip(loaded.images, loaded.boxes, loaded.labels, strict=True):
            for (x1, y1, x2, y2), label in zip(boxes.astype(int), labels, strict=True):
                red, green, blue = image[y1:y2, x1:x2].reshape(-1, 3).mean(0)
                violet[loaded.classes[label]].append(blue - (red + green) / 2)
        assert np.median(violet["WBC"]) > np.median(violet["RBC"]) + 20

    def test_bccd_from_upstream_is_what_is_registered():
        """The archive that GitHub gives has the same files in a folder of its own: its repacked form is registered."""
        upstream = entry("bccd").variants[0]
        archive, canonical = io.BytesIO(), io.BytesIO()
        with zipfile.ZipFile(next(fetch("bccd").glob("*.zip"))) as box, zipfile.ZipFile(archive, "w") as github:
            for name in (info.filename for info in box.infolist() if not info.is_dir()):
                github.writestr(f"BCCD_Dataset-d272fb1/{name}", box.read(name))
        repack(archive, canonical, upstream.sources[0].members)
        content = canonical.getvalue()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (upstream.size, upstream.files[0].sha256)
