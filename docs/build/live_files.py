"""Write the digits of the live demos. docs/live/*.files.yaml names the function.

`python docs/build/live_files.py PATH/mnist.npz` writes the sheet of digits again.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SHEET = Path(__file__).parents[1] / "live" / "mnist_digits.png"
TRAIN, TEST = 60, 20  # digits of each class: the first of MNIST's training and of its test set
ACROSS, SIDE = 40, 28


def write_sheet(mnist: Path) -> None:
    """Write the sheet of digits row by row: tile i has class i % 10, training digits come before test digits."""
    sets = np.load(mnist)
    tiles = []
    for part, count in (("train", TRAIN), ("test", TEST)):
        images, labels = sets[f"x_{part}"], sets[f"y_{part}"]
        indices = np.stack([np.flatnonzero(labels == digit)[:count] for digit in range(10)], axis=1)
        tiles.append(images[indices.reshape(-1)])
    grid = np.concatenate(tiles).reshape(-1, ACROSS, SIDE, SIDE).swapaxes(1, 2).reshape(-1, ACROSS * SIDE)
    Image.fromarray(grid).save(SHEET, optimize=True)


def write_digits(path: Path) -> None:
    """Write the sheet as the demos load it: for each digit a byte with its label and 784 with its pixels, compressed by gzip.

    The demos cannot read an image, because some browsers change the pixels of a canvas a little against tracking.
    """
    grid = np.asarray(Image.open(SHEET))
    tiles = grid.reshape(-1, SIDE, ACROSS, SIDE).swapaxes(1, 2).reshape(-1, SIDE * SIDE)
    labels = (np.arange(len(tiles)) % 10).astype("uint8")[:, None]
    path.write_bytes(gzip.compress(np.concatenate([labels, tiles], axis=1).tobytes(), 9, mtime=0))


if __name__ == "__main__":
    write_sheet(Path(sys.argv[1]))
