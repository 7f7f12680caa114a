"""Averages of gradients over many inputs: integrated gradients (Sundararajan et al., arXiv 1703.01365) and SmoothGrad (1706.03825)."""

from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.units import Unit
from kerasrecipes.visualize.attribution import BATCH_SIZE, AttributionTarget, map_batches, prepare_target

NOISE_LEVEL = 0.15  # the paper recommends 0.1 to 0.2


def compute_integrated_gradients(
    model: Any, source: Any, unit: str | Unit, *, steps: int = 50, baseline: float | None = None, **options: Any
) -> Any:
    """Compute integrated gradients: the share of each value of the input in the activation.

    Gradients are averaged over the straight line from a baseline to the input and multiplied by the difference of the two. The sum
    over all values is the activation on the input minus that on the baseline (`baseline_activation`), up to the error of the
    average, which falls with more steps.

    Args:
        model: See `prepare_target`.
        source: An image, or audio for a speech recognizer.
        unit: "scores:tabby", "logits:e@37" or "transcript:4", see `prepare_target`.
        steps: Number of points on the line, in the middles of equal parts. Default 50.
        baseline: Gray level of an image, 0 to 255, default 0 (black). Value of all features of speech, default the mean of each
            band over the recording.
        **options: `sample_rate`, `from_layer` and `value_range` of `prepare_target`.

    Returns:
        `Attribution` for an image, `AudioSaliency` for speech.

    Raises:
        KerasRecipesError: There is no such unit, or `steps` is below 1.

    Example:
        >>> compute_integrated_gradients(kerasrecipes.load("squeezenet"), "cat.png", "scores:tabby").save("shares.png")
    """
    if steps < 1:
        raise KerasRecipesError(f"steps is 1 or more, not {steps}")
    target = prepare_target(model, source, unit, **options)
    start = target.constant_input(0 if baseline is None and target.is_image else baseline)
    return target.result(
        "integrated gradients", integrated_gradients(target, start, steps), float(target.activations(start)[0])
    )


def integrated_gradients(target: AttributionTarget, baseline: np.ndarray, steps: int = 50) -> np.ndarray:
    """Return the integrated gradients of a target in the shape of its input."""
    weights = ((np.arange(steps) + 0.5) / steps).reshape(-1, *[1] * (target.inputs.ndim - 1)).astype("float32")
    difference = target.inputs - baseline
    points = (baseline + weights[i : i + BATCH_SIZE] * difference for i in range(0, steps, BATCH_SIZE))
    return mean_gradient(target, points, min(steps, BATCH_SIZE)) * difference[0]


def compute_smoothgrad(
    model: Any, source: Any, unit: str | Unit, *, num_samples: int = 50, noise_level: float = NOISE_LEVEL, seed: int = 0,
    **options: Any,
) -> Any:  # fmt: skip
    """Compute SmoothGrad: the mean gradient over copies of the input with Gaussian noise.

    Args:
        model: See `prepare_target`.
        source: An image, or audio for a speech recognizer.
        unit: "scores:tabby", "logits:e@37" or "transcript:4", see `prepare_target`.
        num_samples: Number of copies. Default 50.
        noise_level: Standard deviation of the noise as a fraction of the input's range, maximum minus minimum. Default 0.15.
        seed: Random seed.
        **options: `sample_rate`, `from_layer` and `value_range` of `prepare_target`.

    Returns:
        `Attribution` for an image, `AudioSaliency` for speech.

    Raises:
        KerasRecipesError: There is no such unit, or an option is out of range.

    Example:
        >>> compute_smoothgrad(kerasrecipes.load("squeezenet"), "cat.png", "scores:tabby").save("smooth.png")
    """
    if num_samples < 1 or noise_level < 0:
        raise KerasRecipesError(f"num_samples is 1 or more and noise_level 0 or more, not {num_samples} and {noise_level}")
    target = prepare_target(model, source, unit, **options)
    return target.result("SmoothGrad", smooth_gradient(target, num_samples, noise_level, seed))


def smooth_gradient(
    target: AttributionTarget, num_samples: int = 50, noise_level: float = NOISE_LEVEL, seed: int = 0
) -> np.ndarray:
    """Return the SmoothGrad of a target in the shape of its input."""
    rng, x = np.random.default_rng(seed), target.inputs
    deviation = noise_level * float(x.max() - x.min())
    sizes = [min(BATCH_SIZE, num_samples - i) for i in range(0, num_samples, BATCH_SIZE)]
    points = (x + deviation * rng.standard_normal((n, *x.shape[1:]), "float32") for n in sizes)
    return mean_gradient(target, points, sizes[0])


def mean_gradient(target: AttributionTarget, batches: Any, size: int) -> np.ndarray:
    """Return the mean gradient over the inputs of all batches, without keeping single gradients."""
    total, count = np.zeros(target.inputs.shape[1:]), 0
    for batch in batches:
        total += map_batches(target.gradients, [batch], size).sum(0, dtype="float64")
        count += len(batch)
    return (total / count).astype("float32")
