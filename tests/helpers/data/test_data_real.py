"""The real data sets, fetched as a reader fetches them (once; they stay in the user's cache)."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.data import cifar10, efficientnet_lite0, elpv, entry, fashion_mnist
from helpers.data.fetching import cached, own_folder


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


def cifar10_is_here():
    own = own_folder(entry("cifar10"))
    return cached(entry("cifar10")) or (own and own.holds("cifar10-jpeg.tar.xz"))


# 170 MB that no package carries: checked where it is, its two readers on small archives everywhere.
if cifar10_is_here():

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
