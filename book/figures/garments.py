"""Draw the picture on the book's first page: `python book/figures/garments.py` writes `book/_static/garments.png`."""

from pathlib import Path

import matplotlib.pyplot as plt

from helpers.data import fashion_mnist

# Images of the test set that people take for one another; the page's answer gives their labels in this order.
GARMENTS = (155, 244, 150, 136, 459, 27, 407, 98, 195)
PICTURE = Path(__file__).parent.parent / "_static" / "garments.png"


def labels() -> list[str]:
    """The data set's names for the garments, in the order of the picture."""
    _, classes = fashion_mnist.load("test")
    return [fashion_mnist.CLASSES[classes[index]] for index in GARMENTS]


def main() -> None:
    images, _ = fashion_mnist.load("test")
    figure, axes = plt.subplots(3, 3, figsize=(5.2, 5.6), layout="constrained")
    for letter, index, axis in zip("ABCDEFGHI", GARMENTS, axes.flat, strict=True):
        axis.imshow(images[index], cmap="gray_r", vmin=0, vmax=255)
        axis.set_title(letter, fontsize=13)
        axis.axis("off")
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
