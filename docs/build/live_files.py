"""Files of the live demos that are made, not copied: functions of a path, named in docs/live/*.files.yaml.

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


def sheet(mnist: Path) -> None:
    """The sheet of digits, row by row; tile i shows a digit of class i % 10, training digits before test digits."""
    sets = np.load(mnist)
    tiles = []
    for part, each in (("train", TRAIN), ("test", TEST)):
        pictures, labels = sets[f"x_{part}"], sets[f"y_{part}"]
        places = np.stack([np.flatnonzero(labels == digit)[:each] for digit in range(10)], axis=1)
        tiles.append(pictures[places.reshape(-1)])
    grid = np.concatenate(tiles).reshape(-1, ACROSS, SIDE, SIDE).swapaxes(1, 2).reshape(-1, ACROSS * SIDE)
    Image.fromarray(grid).save(SHEET, optimize=True)


def digits(path: Path) -> None:
    """The sheet as the demos load it: per digit a byte with its label and 784 with its pixels, packed by gzip. A picture
    would go through a canvas, whose pixels some browsers change a little against tracking."""
    grid = np.asarray(Image.open(SHEET))
    tiles = grid.reshape(-1, SIDE, ACROSS, SIDE).swapaxes(1, 2).reshape(-1, SIDE * SIDE)
    labels = (np.arange(len(tiles)) % 10).astype("uint8")[:, None]
    path.write_bytes(gzip.compress(np.concatenate([labels, tiles], axis=1).tobytes(), 9, mtime=0))


if __name__ == "__main__":
    sheet(Path(sys.argv[1]))
