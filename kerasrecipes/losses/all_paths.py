"""Sums over all label paths and their gradients, shared by the ASG and CRF losses.

A path gives each frame a label. Its score is the sum of the logits of its frames and of the transitions between them.
The log sum over all paths is a recursion over time, run from both ends. The products of the two recursions are the
posteriors of labels and transitions, which are the gradients of the log sum.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasrecipes.losses.scan import compiled, scan

MAX_LOG_RANGE = (
    60.0  # nats below the best transition at which others are clipped; exp(-60) is far below float32's precision
)
MAX_CHUNK_VALUES = 8192  # of batch * letters**2; with more, products of matrices take longer than a loop over all frames


def differentiable_loss(function: Callable, labels: Any, logits: Any, lengths: Any, transitions: Any) -> Any:
    """Return a loss (batch,) whose gradients the function computes itself.

    Args:
        function: Maps (labels, lengths, logits, transitions) to the loss and its gradients with respect to the logits
            (batch, frames, letters) and the transitions (batch, letters, letters). It runs as one compiled graph.
        labels: Integers.
        logits: (batch, frames, letters). Computed in float32.
        lengths: (batch,) valid frames.
        transitions: (letters, letters).

    Returns:
        (batch,) float32, differentiable once with respect to logits and transitions.
    """
    logits, transitions = ops.cast(logits, "float32"), ops.cast(transitions, "float32")
    constants = [ops.stop_gradient(x) for x in (logits, transitions)]
    labels, lengths = ops.cast(labels, "int32"), ops.cast(lengths, "int32")
    results = _compiled(function, keras.config.backend(), logits.shape[-1])(labels, lengths, *constants)
    loss, d_logits, d_transitions = (ops.stop_gradient(x) for x in results)
    # zero in value: these terms only carry the known gradients, on any backend
    loss = loss + ops.sum(d_logits * (logits - constants[0]), axis=(1, 2))
    return loss + ops.sum(d_transitions * (transitions - constants[1]), axis=(1, 2))


@functools.cache
def _compiled(function: Callable, backend: str, letters: int) -> Callable:
    return compiled(function)  # one for each number of letters, which TensorFlow would otherwise make a dynamic size


def normalize(logits: Any, transitions: Any) -> tuple[Any, Any, Any]:
    """Shift logits and transitions by constants that do not change the loss but keep all sums near zero, so precise.

    Returns:
        The logits, the transitions and `exp(transitions)`.
    """
    logits = ops.log_softmax(logits, axis=-1)
    letters = ops.cast(ops.shape(logits)[-1], "float32")
    transitions = transitions - (ops.logsumexp(transitions) - 2 * ops.log(letters))
    return logits, transitions, ops.exp(ops.maximum(transitions, ops.max(transitions) - MAX_LOG_RANGE))


def valid_frames(lengths: Any, frames: Any) -> Any:
    """Return (frames, batch, 1) True for the valid frames of each item."""
    return (ops.arange(frames, dtype="int32")[:, None] < lengths[None, :])[..., None]


def forward_backward(matrix: Any, probs: Any, valid: Any, size: Any, chunks: Any) -> tuple[Any, Any]:
    """Run the recursions over all paths from both ends, normalized at each frame.

    A step from a frame to the next is a product with `matrix` and with the next frame's probabilities. The steps are divided
    into chunks. First the products of all steps of each chunk are computed, all chunks at once, each row with its own scale.
    A loop over the chunks gives the vectors at their ends, and a last one the vectors within them, again all chunks at once. So
    the loops have about the square root of the number of frames as steps.

    Args:
        matrix: (letters, letters), exp of the transitions.
        probs: (frames, batch, letters), exp of the logits.
        valid: Result of `valid_frames`.
        size: Steps of a chunk, see `chunk_sizes`.
        chunks: Number of chunks.

    Returns:
        (frames, batch, letters) sums over all paths up to each frame, and over all paths from each frame on, up to a factor for
        each frame. Undefined but finite after an item's length.
    """
    frames, batch, letters = ops.shape(probs)
    missing = size * chunks + 1 - frames

    def divide(x: Any) -> Any:
        """Return the steps (size, chunks * batch, n) of values (frames, batch, n) that each step takes from its later frame."""
        x = ops.reshape(ops.pad(x[1:], [(0, missing), (0, 0), (0, 0)]), (chunks, size, batch, -1))
        return ops.reshape(ops.transpose(x, (1, 0, 2, 3)), (size, chunks * batch, -1))

    def join(first: Any, steps: Any) -> Any:
        steps = ops.transpose(ops.reshape(steps, (size, chunks, batch, letters)), (1, 0, 2, 3))
        return ops.concatenate([first[None], ops.reshape(steps, (size * chunks, batch, letters))[: frames - 1]], axis=0)

    inside = divide(ops.cast(valid, "float32")) > 0
    steps = ops.where(inside, divide(probs), 1.0)  # after the end, so that nothing vanishes
    start = probs[0] / ops.sum(probs[0], axis=-1, keepdims=True)
    whole = start, ops.ones_like(start) / letters

    def find_ends() -> tuple[Any, Any]:
        return chunk_ends(*chunk_products(matrix, steps, inside), start)

    ends: Any = whole
    if not isinstance(chunks, int):
        ends = ops.cond(chunks > 1, find_ends, lambda: whole)
    elif chunks > 1:
        ends = find_ends()
    forward, backward, last = run_within_chunks(matrix, steps, inside, *ends)
    backward = join(probs[0] * last[:batch], ops.flip(backward, axis=0))
    return join(start, forward), backward / ops.sum(backward, axis=-1, keepdims=True)


def chunk_sizes(steps: Any, batch: Any, letters: int) -> tuple[Any, Any]:
    """Return the steps of a chunk and the number of chunks: tensors if `steps` or `batch` is one, else integers."""
    divides = batch * letters**2 <= MAX_CHUNK_VALUES
    if isinstance(steps, int) and isinstance(batch, int):
        size = max(math.ceil(math.sqrt(steps / 2)) if divides else steps, 1)
        return size, max(-(-steps // size), 1)
    root = ops.cast(ops.ceil(ops.sqrt(ops.cast(steps, "float32") / 2)), "int32")
    size = ops.maximum(ops.where(divides, root, steps), 1)
    return size, ops.maximum((steps + size - 1) // size, 1)


def chunk_products(matrix: Any, steps: Any, inside: Any) -> tuple[Any, Any]:
    """Return each chunk's product of steps.

    Args:
        matrix: (letters, letters).
        steps: (size, items, letters) factors of the letters at each step of each chunk.
        inside: (size, items, 1) True for steps within the utterance.

    Returns:
        Matrices (items, letters, letters), whose rows sum to 1, and the logarithms (items, letters) of the rows' factors,
        which count the steps within the utterance alone.
    """
    letters = matrix.shape[0]

    def normalize_rows(product: Any) -> list:
        sums = ops.sum(product, axis=-1)
        return [sums, product / sums[..., None]]

    def step(state: list, x: list) -> list:
        product = ops.matmul(ops.reshape(state[1], (-1, letters)), matrix)
        return normalize_rows(ops.reshape(product, (-1, letters, letters)) * x[0][:, None])

    sums, products = scan(step, normalize_rows(matrix[None] * steps[0][:, None]), [steps], last=1)
    return products, ops.sum(ops.where(inside, ops.log(sums), 0.0), axis=0)


def chunk_ends(products: Any, scales: Any, start: Any) -> tuple[Any, Any]:
    """Return the normalized sums over all paths up to each chunk's first frame and from each chunk's last frame on.

    Args:
        products: (chunks * batch, letters, letters), see `chunk_products`.
        scales: (chunks * batch, letters).
        start: (batch, letters), normalized sums of frame 0.

    Returns:
        Two tensors (chunks * batch, letters).
    """
    batch, letters = ops.shape(start)
    products = ops.reshape(products, (-1, batch, letters, letters))
    scales = ops.reshape(scales, (-1, batch, letters))
    both = ops.concatenate([products, ops.transpose(ops.flip(products, axis=0), (0, 1, 3, 2))], axis=1)
    later = ops.concatenate([scales[:1], ops.flip(scales, axis=0)[:-1]], axis=0)

    def step(state: list, x: list) -> list:
        sums = ops.matmul(state[0][:, None], x[0])[:, 0]
        return [ops.softmax(ops.log(sums) + x[1], axis=-1)]

    first = ops.concatenate([ops.softmax(ops.log(start) + scales[0], axis=-1), ops.ones_like(start) / letters], axis=0)
    xs = [ops.concatenate([both[:1], both[:-1]], axis=0), ops.concatenate([scales, later], axis=1)]
    (vectors,) = scan(step, [first], xs)
    begins = ops.matmul(vectors[:-1, :batch, None], products[:-1])[:, :, 0]
    begins = ops.concatenate([start[None], begins], axis=0)
    return ops.reshape(begins, (-1, letters)), ops.reshape(ops.flip(vectors[:, batch:], axis=0), (-1, letters))


def run_within_chunks(matrix: Any, steps: Any, inside: Any, begins: Any, ends: Any) -> tuple[Any, Any, Any]:
    """Run both recursions within all chunks at once.

    Args:
        matrix: (letters, letters).
        steps: (size, items, letters).
        inside: (size, items, 1).
        begins: (items, letters), see `chunk_ends`.
        ends: (items, letters).

    Returns:
        (size, items, letters) normalized sums up to each step, the same from each step on with the last step first, and the
        normalized sums (items, letters) from each chunk's first frame on.
    """
    transposed = ops.transpose(matrix)

    def normalize(x: Any) -> Any:
        return x / ops.sum(x, axis=-1, keepdims=True)

    def step(state: list, x: list) -> list:
        # two separate products: one batched product is five times slower on TensorFlow
        forward, backward = normalize(ops.matmul(state[0], matrix) * x[0]), state[2] * x[1]
        return [forward, backward, ops.where(x[2], normalize(ops.matmul(backward, transposed)), state[2])]

    xs = [steps, ops.flip(steps, axis=0), ops.flip(inside, axis=0)]
    forward, backward, last = scan(step, step([begins, None, ends], [x[0] for x in xs]), xs, last=1)
    return forward, backward, last


def sum_all_paths(matrix: Any, probs: Any, lengths: Any) -> tuple[Any, Any, Any]:
    """Return the log sum over all paths and its gradients, the posteriors.

    Args:
        matrix: (letters, letters), exp of the transitions.
        probs: (frames, batch, letters), exp of the logits.
        lengths: (batch,) valid frames.

    Returns:
        The log sum (batch,), the posteriors of letters (batch, frames, letters) and the expected number of each
        transition (batch, letters, letters).
    """
    frames, batch, letters = ops.shape(probs)
    valid, sizes = valid_frames(lengths, frames), chunk_sizes(frames - 1, batch, letters)
    mask = ops.cast(valid, "float32")
    if keras.config.backend() == "torch":
        from kerasrecipes.losses import torch_asg

        forward, backward = torch_asg.forward_backward(matrix, probs, valid, *sizes)
    else:
        forward, backward = forward_backward(matrix, probs, valid, *sizes)
    reached = ops.concatenate([ops.ones_like(forward[:1]), ops.matmul(forward[:-1], matrix)], axis=0)
    growth = ops.log(ops.sum(reached * probs, axis=-1, keepdims=True))
    log_sum = ops.sum(ops.where(valid, growth, 0.0), axis=(0, 2))
    products = reached * backward
    total = ops.sum(products, axis=-1, keepdims=True)
    following = (mask * backward / total)[1:]
    pairs = ops.matmul(ops.transpose(forward[:-1], (1, 2, 0)), ops.transpose(following, (1, 0, 2)))
    return log_sum, ops.transpose(mask * products / total, (1, 0, 2)), pairs * matrix
