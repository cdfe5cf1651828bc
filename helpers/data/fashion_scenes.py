"""FashionScenes: garments on photographs, with exact boxes; detection data that is made in seconds, not downloaded.

Garments of Fashion-MNIST (Xiao et al. 2017) are coloured, scaled to 16–64 pixels, turned, and laid one over another
on photographs that scikit-image and scikit-learn carry. A box is the tight frame of what can still be *seen* of a
garment. Garments and photographs of the splits are disjoint: what is tested was never seen in training.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from helpers.data import fashion_mnist, fetch
from helpers.data.annotated import Annotated
from helpers.data.decoded import kept

CLASSES = fashion_mnist.CLASSES
SIDE = 160  # pixels of a scene
SCENES = {"train": 2400, "valid": 300, "test": 500}
GARMENTS = {"train": (0, 50_000), "valid": (50_000, 60_000), "test": (0, 10_000)}  # rows of Fashion-MNIST
VISIBLE = 0.35  # a garment of which less can be seen than this share is taken out again
PHOTOGRAPHS = {
    "train": ("astronaut", "camera", "coffee", "brick", "rocket", "retina", "coins", "flower"),
    "valid": ("chelsea", "grass"),
    "test": ("china", "ihc", "gravel", "hubble_deep_field"),
}


def load(split: Literal["train", "valid", "test"] = "train", n: int | None = None) -> Annotated:
    """Scenes (N, 160, 160, 3), uint8 RGB, with the boxes and classes of one to eight garments each.

    N is 2,400 for `train`, 300 for `valid` and 500 for `test`: made at the first call, in seconds, and kept beside
    Fashion-MNIST. With `n`, only the first n of them, made for this call. Raises ValueError for another split.
    """
    if split not in SCENES:
        raise ValueError(f"split is 'train', 'valid' or 'test', not {split!r}")
    folder, made = fetch("fashion-mnist"), cache(lambda: _make(split, SCENES[split] if n is None else n))
    if n is not None:
        images, rows = made()
    else:
        name = f"scenes-{split}-{sha256(Path(__file__).read_bytes()).hexdigest()[:8]}"  # new code, new scenes
        images = kept(folder, f"{name}-images", lambda: made()[0])
        rows = kept(folder, f"{name}-boxes", lambda: made()[1])
    return Annotated.from_rows(images, rows, CLASSES, [f"{split}-{i:04d}" for i in range(len(images))])


def _make(split: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """`n` scenes (n, 160, 160, 3) and their boxes as rows (image, x1, y1, x2, y2, class), float32."""
    garments, labels = fashion_mnist.load("test" if split == "test" else "train")
    first, last = GARMENTS[split]
    garments, labels = garments[first:last], labels[first:last]
    photographs = [_photograph(name) for name in PHOTOGRAPHS[split]]
    images, rows = np.empty((n, SIDE, SIDE, 3), np.uint8), []
    for i in range(n):
        rng = np.random.default_rng((list(SCENES).index(split), i))  # a scene of its own, whatever stands before it
        images[i], boxes, chosen = scene(rng, garments, photographs)
        rows += [(i, *box, labels[k]) for box, k in zip(boxes, chosen, strict=True)]
    return images, np.array(rows, np.float32).reshape(-1, 6)


def scene(
    rng: np.random.Generator, garments: np.ndarray, photographs: list[Image.Image]
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """One scene (160, 160, 3), uint8; the boxes (M, 4) of what is seen of its garments; which garments these are."""
    under = _background(rng, photographs)
    canvas, owner = under.copy(), np.full((SIDE, SIDE), -1)  # whose pixel this is
    whole, chosen = [], rng.integers(len(garments), size=rng.integers(1, 9)).tolist()
    for index, k in enumerate(chosen):
        mask = _lay(rng, canvas, garments[k])
        owner[mask] = index
        whole.append(mask.sum())
    seen = [(owner == index) for index in range(len(chosen))]
    keep = [i for i, mask in enumerate(seen) if mask.sum() >= VISIBLE * whole[i]]
    if len(keep) < len(chosen):  # what is nearly hidden has no box, so it must not be there at all
        canvas = np.where(np.isin(owner, keep)[..., None], canvas, under)
    noisy = canvas + rng.uniform(2, 10) * rng.standard_normal(canvas.shape, np.float32)
    return noisy.clip(0, 255).astype(np.uint8), np.array([_frame(seen[i]) for i in keep]), [chosen[i] for i in keep]


def _background(rng: np.random.Generator, photographs: list[Image.Image]) -> np.ndarray:
    """A square cut out of one photograph, mirrored or not, in light and contrast of its own: (160, 160, 3), float."""
    photograph = photographs[rng.integers(len(photographs))]
    side = int(rng.uniform(0.35, 1.0) * min(photograph.size))
    left, top = (rng.integers(0, room - side + 1) for room in photograph.size)
    square = photograph.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    pixels = np.asarray(square, dtype=np.float32)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    return (pixels - 128) * rng.uniform(0.6, 1.1) + 128 + rng.uniform(-25, 25)


def _lay(rng: np.random.Generator, canvas: np.ndarray, garment: np.ndarray) -> np.ndarray:
    """Lay a garment (28, 28) on the canvas, in place; returns the mask of the garment's pixels."""
    side = np.exp(rng.uniform(np.log(16), np.log(64)))  # as many small ones as large ones, on a logarithmic scale
    angle, colour = rng.uniform(-40, 40), rng.uniform(60, 255, 3)
    rows, columns = np.nonzero(garment > 20)
    cut = Image.fromarray(garment[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1])
    scale = side / max(cut.size)
    cut = cut.resize([max(4, round(scale * length)) for length in cut.size], Image.Resampling.BICUBIC)
    shape = cut.point(lambda ink: 255 * (ink > 20)).filter(ImageFilter.MedianFilter(3))
    ink, shape = (layer.rotate(angle, Image.Resampling.BILINEAR, expand=True) for layer in (cut, shape))
    ink, shape = np.asarray(ink, dtype=np.float32), np.asarray(shape) > 127
    if not shape.any():
        shape = ink > 20
    h, w = shape.shape
    # The frame of the garment lies wholly in the picture.
    y, x = (int(rng.integers(0, SIDE - length + 1)) for length in (h, w))
    place = slice(y, y + h), slice(x, x + w)
    mask = np.zeros(canvas.shape[:2], bool)
    mask[place] = shape
    cloth = (0.25 + 0.75 * ink[..., None] / 255) * colour  # shaded as the photograph of the garment is
    canvas[place] = np.where(shape[..., None], cloth, canvas[place])
    return mask


def _frame(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The tight box x1, y1, x2, y2 around a mask; x2 and y2 are one past its last pixel."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _photograph(name: str) -> Image.Image:
    """A photograph that scikit-image or scikit-learn carries, as RGB."""
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return Image.fromarray(load_sample_image(f"{name}.jpg"))
    from skimage import data

    folder = Path(data.__file__).parent
    path = next(p for p in (folder / f"{name}.png", folder / f"{name}.jpg") if p.exists())
    return Image.open(path).convert("RGB")
