"""Loaders on small data made here: the arrays hold what was put in."""

import io
import os
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from helpers.data import NoSpaceError, cifar10, decoded, elpv, fashion_mnist


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def picture(array, form):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, form)
    return buffer.getvalue()


def test_fashion_mnist(serve):
    images = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 251
    labels = np.array([9, 0, 4])
    serve("fashion-mnist", {"t10k-images-idx3-ubyte": idx(images), "t10k-labels-idx1-ubyte": idx(labels)})
    loaded = fashion_mnist.load("test")
    assert loaded[0].dtype == np.uint8
    assert loaded[1].dtype == np.int64
    np.testing.assert_array_equal(loaded[0], images)
    np.testing.assert_array_equal(loaded[1], labels)
    assert len(fashion_mnist.CLASSES) == 10
    with pytest.raises(ValueError, match="validation"):
        fashion_mnist.load("validation")


@pytest.mark.parametrize("content", [b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00", idx(np.zeros((2, 2)))[:-1]])
def test_a_file_that_is_no_idx_is_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=r"IDX|header"):
        fashion_mnist.read_idx(tmp_path / "a")


def test_elpv(serve, capsys):
    images = np.arange(3 * 300 * 300, dtype=np.uint32).reshape(3, 300, 300).astype(np.uint8)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as box:
        rows = ["images/c1.png  1.0                 mono", "images/c2.png  0.3333333333333333  poly"]
        rows += ["images/c3.png  0.6666666666666666  poly", ""]
        box.writestr("elpv_dataset/data/labels.csv", "\n".join(rows))
        for number, image in enumerate(images, start=1):
            box.writestr(f"elpv_dataset/data/images/c{number}.png", picture(image, "PNG"))
    serve("elpv", {"tiny.whl": buffer.getvalue()})
    elpv._say_licence.cache_clear()
    for _ in range(2):
        loaded, probability, kind = elpv.load()
        np.testing.assert_array_equal(loaded, images)
        np.testing.assert_array_equal(probability, [1, 1 / 3, 2 / 3])
        assert kind.tolist() == ["mono", "poly", "poly"]
    assert capsys.readouterr().out == "a notice\n"  # once for each process


def add(box, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    box.addfile(info, io.BytesIO(content))


def test_cifar10_original(serve):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(256, size=(10, 32, 32, 3), dtype=np.uint8), rng.integers(10, size=10)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as box:
        for batch in range(5):
            part = slice(2 * batch, 2 * batch + 2)
            data = images[part].transpose(0, 3, 1, 2).reshape(2, 3072)
            content = pickle.dumps({"data": data, "labels": labels[part].tolist()})
            add(box, f"cifar-10-batches-py/data_batch_{batch + 1}", content)
    serve("cifar10", {"cifar-10-python.tar.gz": buffer.getvalue()}, "original")
    loaded = cifar10.load("train")
    np.testing.assert_array_equal(loaded[0], images)
    np.testing.assert_array_equal(loaded[1], labels)
    assert loaded[1].dtype == np.int64
    assert cifar10.variant() == "original"


def test_cifar10_as_jpeg_says_that_it_is(serve, capsys):
    shades = {
        "train/frog/0001.jpg": 200,
        "train/airplane/0000.jpg": 20,
        "test/dog/0000.jpg": 90,
        "train/frog/0000.jpg": 150,
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as box:
        for name, shade in shades.items():
            add(box, name, picture(np.full((32, 32, 3), shade, np.uint8), "JPEG"))
    serve("cifar10", {"cifar10-jpeg.tar.xz": buffer.getvalue()}, "jpeg")
    cifar10._say_jpeg.cache_clear()
    images, labels = cifar10.load("train")
    assert [cifar10.CLASSES[i] for i in labels] == ["airplane", "frog", "frog"]
    assert images.shape == (3, 32, 32, 3)
    np.testing.assert_allclose(images.mean((1, 2, 3)), [20, 150, 200], atol=2)
    np.testing.assert_allclose(cifar10.load("test")[0].mean(), 90, atol=2)
    assert capsys.readouterr().out == cifar10.JPEG_NOTICE + "\n"
    assert cifar10.variant() == "jpeg"


def test_arrays_are_kept_until_they_are_damaged_or_their_source_changes(cache, toys):
    built = []

    def build():
        built.append(1)
        return np.arange(10_000)

    cache.mkdir()
    for _ in range(2):
        np.testing.assert_array_equal(decoded.kept(cache, "numbers", build), np.arange(10_000))
    assert len(built) == 1

    kept = cache / "numbers.npy"
    kept.write_bytes(kept.read_bytes()[:5000])
    np.testing.assert_array_equal(decoded.kept(cache, "numbers", build), np.arange(10_000))
    assert len(built) == 2

    decoded.store.install(io.BytesIO(b"new"), toys.file("a", b"new"), cache, lambda _: None)
    decoded.kept(cache, "numbers", build)
    assert len(built) == 3


def test_changing_a_loaded_array_changes_no_file(cache):
    cache.mkdir()
    decoded.kept(cache, "numbers", lambda: np.zeros(5))[:] = 1
    assert decoded.kept(cache, "numbers", lambda: np.zeros(5)).sum() == 0


def test_an_array_that_finds_the_disk_full_leaves_nothing(cache, toys):
    cache.mkdir()
    (cache / ".part-numbers.npy").symlink_to("/dev/full")
    with pytest.raises(NoSpaceError, match="AIBOOK_CACHE"):
        decoded._keep(cache / "numbers.npy", np.zeros(10_000))
    assert toys.left_in(cache) == []


def test_verifying_finds_a_damaged_array(cache):
    cache.mkdir()
    path = cache / "numbers.npy"
    decoded.kept(cache, "numbers", lambda: np.arange(10_000))
    times = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert decoded.store.damaged(cache, []) == ["numbers.npy"]
    assert decoded.kept(cache, "numbers", lambda: np.arange(10_000))[-1] == 9_999
