"""Minimum number of frames that CTC and ASG need for a transcript."""

import numpy as np


def min_ctc_frames(labels: np.ndarray) -> int:
    """Return the fewest frames that fit the labels (1-D integers): their number plus a blank per adjacent repeat.

    ASG's labels have no adjacent repeats (see `Alphabet`), so it needs as many frames as labels.

    With fewer frames every alignment has probability zero and the loss is infinite, so such utterances are excluded from
    training.
    """
    labels = np.asarray(labels)
    return int(len(labels) + np.sum(labels[1:] == labels[:-1]))
