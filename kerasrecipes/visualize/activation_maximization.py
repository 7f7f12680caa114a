"""Activation maximization by regularized gradient ascent on the input (Yosinski et al., arXiv 1506.06579, section 3).

    x <- r(x + step * d activation / d x),   x = image minus mean, image within 0 ... 255

The regularizer r is not a penalty but a mapping: decay, blur, and setting pixels with a small norm or contribution to zero.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from keras import ops

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import compile_function, forward_to_layers, select_unit, value_and_vjp
from kerasrecipes.graph.backward_rules import bypass_last_relu
from kerasrecipes.visualize.fourier_images import FourierSettings
from kerasrecipes.visualize.gaussian_blur import blur

IMAGE_MEAN = 117.0  # approximate mean of ImageNet; the presets are for images minus their mean
INIT_STDDEV = 10.0  # of the random initial input
STEP_POLICIES = ("constant", "progress", "progress01", "normalized")
FOURIER = "fourier"  # preset of `FourierSettings`
INIT_MODES = ("mean_plus_rand", "randu", "mean")


@dataclass(frozen=True)
class AscentSettings:
    """Settings of gradient ascent.

    Args:
        l2_decay: Fraction of x that each step removes (theta_decay in the paper).
        blur_width: Standard deviation of a Gaussian in pixels (theta_b_width).
        blur_every: Number of steps between two blurs; 0 for no blur.
        norm_percentile: Pixels whose norm over the colors is below this percentile become zero (theta_n_pct).
        contribution_percentile: The same for |sum over the colors of x * gradient| (theta_c_pct).
        steps: Number of iterations; the last one only evaluates.
        step_policy: "constant": `max_step`. "progress": the step that would raise a linear activation by `target_gain`, at
            most `max_step`. "progress01", for probabilities p: the same by min(`target_gain`, `late_gain` * (1 - p)).
            "normalized" (not in the paper): steps whose root mean square is `target_gain` gray levels, for models whose
            activations have another scale than CaffeNet's.
        max_step: Largest step size.
        target_gain: Wanted gain of the activation in a step.
        late_gain: Factor of "progress01" near certainty.
    """

    l2_decay: float = 0.0
    blur_width: float = 0.0
    blur_every: int = 0
    norm_percentile: float = 0.0
    contribution_percentile: float = 0.0
    steps: int = 500
    step_policy: str = "constant"
    max_step: float = 100.0
    target_gain: float = 2.0
    late_gain: float = 0.1

    def __post_init__(self) -> None:
        limits = {"l2_decay": 1, "norm_percentile": 100, "contribution_percentile": 100, "blur_width": np.inf}
        invalid = [name for name, limit in limits.items() if not 0 <= getattr(self, name) <= limit]
        if invalid or self.steps < 2 or self.step_policy not in STEP_POLICIES:
            raise KerasRecipesError(
                f"{', '.join(invalid) or 'steps or step_policy'} out of range: l2_decay from 0 to 1, percentiles from 0 to 100, "
                f"2 steps or more, step_policy one of {', '.join(STEP_POLICIES)}"
            )


# table 1 of the paper, row by row, with the step sizes of the authors' toolbox
PRESETS = {
    1: AscentSettings(0.0, 0.5, 4, 50, 0, 500, "progress", 100.0, 2.0),
    2: AscentSettings(0.3, 0.0, 0, 20, 0, 750, "constant", 100.0),
    3: AscentSettings(0.0001, 1.0, 4, 0, 0, 1000, "constant", 100.0),  # most images of the paper
    4: AscentSettings(0.0, 0.5, 4, 0, 90, 1000, "progress", 1e8, 2.0),
}


@dataclass
class AscentResult:
    """Result of an ascent over several items. Arrays have one row for each item."""

    best: np.ndarray  # (items, ...) inputs of the highest activation
    last: np.ndarray  # (items, ...) inputs of the last step
    best_at: np.ndarray  # steps of the highest activation
    start: np.ndarray  # activations of the initial input
    top: np.ndarray  # highest activations
    end: np.ndarray  # activations of the last step
    majority_at: np.ndarray  # first step at which the unit is the strongest of its layer at its position; -1 for never
    stopped: np.ndarray  # whether the gradient became zero
    curve: np.ndarray  # (steps, items) activations


def percentile_mask(values: Any, percent: float) -> Any:
    """Return 0 where a value of (batch, pixels) is below the row's percentile and 1 elsewhere."""
    limit = ops.quantile(values, percent / 100, axis=1, keepdims=True)
    return ops.cast(values >= limit, values.dtype)


def apply_regularizers(x: Any, gradient: Any, settings: AscentSettings, with_blur: bool) -> Any:
    """Apply r to x (batch, height, width, channels) or (batch, time, features) after a step with the gradient before it."""
    s = settings  # in the order of the authors' code
    if s.l2_decay:
        x = x * (1 - s.l2_decay)
    if s.blur_width and with_blur:
        x = blur(x, s.blur_width)
    is_image = len(x.shape) == 4  # the colors of a pixel count together; each value of a spectrogram counts alone
    batch = ops.shape(x)[0]

    def zero_below(x, sizes, percent):
        mask = percentile_mask(ops.reshape(sizes, (batch, -1)), percent)
        mask = ops.reshape(mask, ops.shape(sizes))
        return x * (ops.expand_dims(mask, -1) if is_image else mask)

    if s.norm_percentile:
        norm = ops.sqrt(ops.sum(ops.square(x), axis=-1)) if is_image else ops.abs(x)
        x = zero_below(x, norm, s.norm_percentile)
    if s.contribution_percentile:
        product = x * gradient
        contribution = ops.abs(ops.sum(product, axis=-1) if is_image else product)
        x = zero_below(x, contribution, s.contribution_percentile)
    return x


def step_size(settings: AscentSettings, activation: Any, squared_norm: Any, num_values: int) -> Any:
    """Return step sizes (batch,) from activations (batch,), squared norms of the gradient (batch,) and the size of an item."""
    s = settings
    if s.step_policy == "normalized":
        return s.target_gain * num_values**0.5 / ops.sqrt(ops.maximum(squared_norm, 1e-30))
    if s.step_policy == "constant":
        return ops.zeros_like(squared_norm) + s.max_step
    gain = s.target_gain * ops.ones_like(activation)
    if s.step_policy == "progress01":
        gain = ops.minimum(gain, s.late_gain * (1 - activation))
    return ops.minimum(s.max_step, gain / ops.maximum(squared_norm, 1e-30))


class GradientAscent:
    """Compiled gradient ascent for units of one layer. Several units and initial inputs run as one batch.

    Args:
        model: Functional or Sequential model.
        layer: Layer of the units.
        axis: Channel axis of the layer.
        settings: Settings of the ascent.
        to_input: Function from x to the model's input or the output of `from_layer`.
        limits: Lowest and highest x, or None.
        from_layer: Layer whose output is optimized in place of the model's input.
    """

    def __init__(
        self, model: Any, layer: str, axis: int, settings: AscentSettings, *, to_input: Callable = lambda x: x,
        limits: tuple[float, float] | None = None, from_layer: str | None = None,
    ):  # fmt: skip
        self.settings = settings
        rule = bypass_last_relu(model, layer)

        def evaluate(x: Any, channel: Any, position: Any) -> tuple:
            x = x if limits is None else ops.clip(x, *limits)

            def seed(y):
                return select_unit(y, channel, position, axis)[2]

            y, gradient = value_and_vjp(
                lambda v: forward_to_layers(model, to_input(v), [layer], rule, from_layer)[0], x, seed
            )
            value, _, mask = select_unit(y, channel, position, axis)
            channels_last = y if axis == -1 else ops.moveaxis(y, axis, -1)
            at_position = ops.max(mask if axis == -1 else ops.moveaxis(mask, axis, -1), axis=-1, keepdims=True)
            flat = (ops.shape(y)[0], -1)
            highest = ops.max(ops.reshape(ops.where(at_position > 0, channels_last, -1e30), flat), axis=1)
            own = ops.max(ops.reshape(ops.where(mask > 0, y, -1e30), flat), axis=1)
            squared_norm = ops.sum(ops.reshape(ops.square(gradient), flat), axis=1)
            return x, value, own >= highest, gradient, squared_norm

        def compile_step(with_blur: bool) -> Callable:
            def run(x: Any, channel: Any, position: Any) -> list[Any]:
                x, value, is_strongest, gradient, squared_norm = evaluate(x, channel, position)
                step = step_size(settings, value, squared_norm, int(np.prod(x.shape[1:])))
                step = ops.reshape(step, (-1, *[1] * (len(x.shape) - 1)))
                after = apply_regularizers(x + step * gradient, gradient, settings, with_blur)
                return [x, value, is_strongest, squared_norm, after]

            return compile_function(model, run)

        self._steps = {with_blur: compile_step(with_blur) for with_blur in (False, True)}

    def run(
        self, x: np.ndarray, channels: Sequence[int], positions: Sequence[int], progress: Callable | None = None
    ) -> AscentResult:
        """Run the ascent. Items whose gradient is zero stop, and the result marks them.

        Args:
            x: (items, ...) initial inputs.
            channels: Channel of each item.
            positions: Flat positions, `autodiff.ARGMAX` (found again in each step) or `autodiff.ALL_POSITIONS`.
            progress: Called with (done, total) steps.
        """
        s, items = self.settings, len(x)
        channel, position = np.asarray(channels, "int32"), np.asarray(positions, "int32")
        if s.step_policy == "constant" and not np.isfinite(s.max_step):
            raise KerasRecipesError("A constant step must be finite")
        best, best_at = x.copy(), np.zeros(items, int)
        top, start = np.full(items, -np.inf), np.zeros(items)
        majority, stopped = np.full(items, -1), np.zeros(items, bool)
        curve = np.zeros((s.steps, items), "float32")
        current, value = x, start
        for number in range(s.steps):
            with_blur = bool(s.blur_every) and number % s.blur_every == 0
            results = self._steps[with_blur](np.asarray(x, "float32"), channel, position)
            current, value, is_strongest, squared_norm, after = results
            curve[number] = value
            if number == 0:
                start = value
            better = value > top
            best[better], best_at[better], top[better] = current[better], number, value[better]
            majority[is_strongest & (majority < 0)] = number
            stopped |= squared_norm == 0
            x = np.where(stopped.reshape(-1, *[1] * (x.ndim - 1)), x, after)
            if progress:
                progress(number + 1, s.steps)
            if stopped.all():
                curve[number:] = value
                break
        return AscentResult(best, current, best_at, start, top, value, majority, stopped, curve)


def initial_input(init: str, shape: tuple[int, ...], seed: int, mean: float = IMAGE_MEAN) -> np.ndarray:
    """Return the initial x, an image minus its mean.

    "mean_plus_rand" is normal with standard deviation 10, "randu" uniform over 0 ... 255 minus `mean`, "mean" zero.
    """
    rng = np.random.default_rng(seed)
    if init not in INIT_MODES:
        raise KerasRecipesError(f"There is no init {init!r}; there are {', '.join(INIT_MODES)}")
    if init == "mean":
        return np.zeros(shape, "float32")
    values = rng.normal(0, INIT_STDDEV, shape) if init == "mean_plus_rand" else rng.uniform(0, 255, shape) - mean
    return values.astype("float32")


def resolve_settings(preset: int | str | AscentSettings | FourierSettings, **changes: Any) -> AscentSettings | FourierSettings:
    """Return a row of table 1, the settings of "fourier", or other settings, with changes. Changes that are None are ignored.

    Raises:
        KerasRecipesError: There is no such preset or setting.
    """
    presets: dict[Any, AscentSettings | FourierSettings] = {**PRESETS, FOURIER: FourierSettings()}
    if isinstance(preset, int | str) and preset not in presets:
        raise KerasRecipesError(f"There is no preset {preset}; there are {', '.join(map(str, presets))}")
    base = presets[preset] if isinstance(preset, int | str) else preset
    settings, changes = asdict(base), {k: v for k, v in changes.items() if v is not None}
    if unknown := set(changes) - set(settings):
        raise KerasRecipesError(f"Unknown settings: {', '.join(sorted(unknown))}; there are {', '.join(settings)}")
    return type(base)(**{**settings, **changes})
