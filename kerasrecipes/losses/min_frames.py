"""Number of frames that CTC and ASG need for a transcript."""

import numpy as np


def min_ctc_frames(labels: np.ndarray) -> int:
    """Fewest frames that can carry the label sequence (1-D integers): its length plus a blank per adjacent repeat.

    ASG's labels have no adjacent repeats (see `Alphabet`): as many frames as labels.

    With fewer frames every alignment has probability zero: TensorFlow then returns a finite number, JAX one near 1e5,
    torch infinity, so such utterances are never trained on.
    """
    labels = np.asarray(labels)
    return int(len(labels) + np.sum(labels[1:] == labels[:-1]))
