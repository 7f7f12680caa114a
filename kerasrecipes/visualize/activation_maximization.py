"""What would a unit like to see? Regularised gradient ascent on the input (Yosinski et al., arXiv 1506.06579, section 3).

    x <- r(x + rate * d activation / d x),   x = picture minus mean, picture within 0 ... 255

The regulariser r is not a penalty but a mapping: decay, blur, and setting to zero the pixels that are small or hardly help.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from keras import ops

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import compile_function, forward_to_layers, select_unit, value_and_vjp
from kerasrecipes.graph.backward_rules import bypass_last_relu
from kerasrecipes.visualize.gaussian_blur import blur

IMAGE_MEAN = 117.0  # of ImageNet's pictures, about; presets were found for pictures minus their mean
INIT_STDDEV = 10.0  # of the random start
STEP_POLICIES = ("constant", "progress", "progress01", "normalized")
INIT_MODES = ("mean_plus_rand", "randu", "mean")


@dataclass(frozen=True)
class AscentSettings:
    """Settings of the ascent; the names are the paper's.

    Args:
        decay: share that is lost in each step (theta_decay).
        blur_width: deviation of a Gaussian in pixels (theta_b_width). blur_every: steps between two blurs; 0 is never.
        norm_percentile: pixels whose norm over the colours is below this percentile become zero (theta_n_pct).
        contribution_percentile: likewise below this percentile of |sum over colours of x * gradient| (theta_c_pct).
        steps: number of iterations, the last of which only looks.
        rate: "constant": `max_rate`; "progress": as large as raises the activation by `gain`, if it were linear, at
            most `max_rate`; "progress01", of probabilities: as "progress", by min(`gain`, `late` * (1 - p));
            "normalized" (not in the paper): steps whose root mean square is `gain` grey levels, for nets whose
            activations are of another scale than CaffeNet's.
    """

    decay: float = 0.0
    blur_width: float = 0.0
    blur_every: int = 0
    norm_percentile: float = 0.0
    contribution_percentile: float = 0.0
    steps: int = 500
    rate: str = "constant"
    max_rate: float = 100.0
    gain: float = 2.0
    late: float = 0.1

    def __post_init__(self) -> None:
        wrong = [
            name
            for name, value, most in (
                ("decay", self.decay, 1), ("norm_percentile", self.norm_percentile, 100),
                ("contribution_percentile", self.contribution_percentile, 100), ("blur_width", self.blur_width, np.inf),
            )
            if not 0 <= value <= most
        ]  # fmt: skip
        if wrong or self.steps < 2 or self.rate not in STEP_POLICIES:
            raise KerasRecipesError(
                f"{', '.join(wrong) or 'steps or rate'} out of range: decay from 0 to 1, percentiles from 0 to 100, 2 steps or "
                f"more, rate one of {', '.join(STEP_POLICIES)}"
            )


# table 1 of the paper, row by row, with the learning rates that the authors' toolbox gives for them
PRESETS = {
    1: AscentSettings(0.0, 0.5, 4, 50, 0, 500, "progress", 100.0, 2.0),
    2: AscentSettings(0.3, 0.0, 0, 20, 0, 750, "constant", 100.0),
    3: AscentSettings(0.0001, 1.0, 4, 0, 0, 1000, "constant", 100.0),  # most pictures of the paper
    4: AscentSettings(0.0, 0.5, 4, 0, 90, 1000, "progress", 1e8, 2.0),
}


@dataclass
class AscentResult:
    """What a run of several items gave; arrays have one row for each.

    Args:
        best: (items, ...) inputs of the highest activation. best_at, last_at: steps. start, top, last: activations.
        majority_at: first step at which the unit is the strongest of its layer at its place; -1 for never.
        stopped: whether the gradient became zero.
    """

    best: np.ndarray
    last: np.ndarray
    best_at: np.ndarray
    start: np.ndarray
    top: np.ndarray
    end: np.ndarray
    majority_at: np.ndarray
    stopped: np.ndarray
    curve: np.ndarray


def percentile_mask(values: Any, percent: float) -> Any:
    """(batch, pixels) -> 0 where a value is below the row's percentile, 1 elsewhere."""
    limit = ops.quantile(values, percent / 100, axis=1, keepdims=True)
    return ops.cast(values >= limit, values.dtype)


def apply_regularizers(x: Any, gradient: Any, settings: AscentSettings, blurs: bool) -> Any:
    """r(x): decay, blur, small norms, small contributions, in the order of the authors' code.

    Args:
        x: (batch, height, width, channels) or (batch, time, features), after the step. gradient: of before the step.
        blurs: whether this step is one of those.
    """
    s = settings
    if s.decay:
        x = x * (1 - s.decay)
    if s.blur_width and blurs:
        x = blur(x, s.blur_width)
    places = len(x.shape) == 4  # pixels have colours; of a spectrogram each value stands for itself
    batch = ops.shape(x)[0]

    def zeroed(x, sizes, percent):
        mask = percentile_mask(ops.reshape(sizes, (batch, -1)), percent)
        mask = ops.reshape(mask, ops.shape(sizes))
        return x * (ops.expand_dims(mask, -1) if places else mask)

    if s.norm_percentile:
        x = zeroed(x, ops.sqrt(ops.sum(ops.square(x), axis=-1)) if places else ops.abs(x), s.norm_percentile)
    if s.contribution_percentile:
        gain = x * gradient
        x = zeroed(x, ops.abs(ops.sum(gain, axis=-1) if places else gain), s.contribution_percentile)
    return x


def learning_rate(settings: AscentSettings, activation: Any, squared: Any, values: int) -> Any:
    """(batch,) rates from activations and squared norms of the gradient; `values`: numbers in an item's input."""
    s = settings
    if s.rate == "normalized":
        return s.gain * values**0.5 / ops.sqrt(ops.maximum(squared, 1e-30))
    if s.rate == "constant":
        return ops.zeros_like(squared) + s.max_rate
    wanted = s.gain * ops.ones_like(activation)
    if s.rate == "progress01":
        wanted = ops.minimum(wanted, s.late * (1 - activation))
    return ops.minimum(s.max_rate, wanted / ops.maximum(squared, 1e-30))


class GradientAscent:
    """The compiled steps for units of one layer: several units and starts climb as one batch.

    Args:
        model: functional or Sequential. layer: whose units. axis: of its maps. settings: of the ascent.
        to_input: from x to what the network (or the step `begin`'s reader) takes. limits: of x, None for none.
        begin: name of the step whose output is optimised in place of the model's input.
    """

    def __init__(
        self, model: Any, layer: str, axis: int, settings: AscentSettings, *, to_input: Callable = lambda x: x,
        limits: tuple[float, float] | None = None, begin: str | None = None,
    ):  # fmt: skip
        self.settings = settings
        rule = bypass_last_relu(model, layer)

        def looked(x: Any, channel: Any, place: Any) -> tuple:
            x = x if limits is None else ops.clip(x, *limits)

            def seed(y):
                return select_unit(y, channel, place, axis)[2]

            y, gradient = value_and_vjp(
                lambda v: forward_to_layers(model, to_input(v), [layer], rule, begin)[0], x, seed
            )
            value, index, mask = select_unit(y, channel, place, axis)
            rows = y if axis == -1 else ops.moveaxis(y, axis, -1)
            where = ops.max(mask if axis == -1 else ops.moveaxis(mask, axis, -1), axis=-1, keepdims=True)
            flat = (ops.shape(y)[0], -1)
            highest = ops.max(ops.reshape(ops.where(where > 0, rows, -1e30), flat), axis=1)
            own = ops.max(ops.reshape(ops.where(mask > 0, y, -1e30), flat), axis=1)
            squared = ops.sum(ops.reshape(ops.square(gradient), flat), axis=1)
            return x, value, own >= highest, gradient, squared, index

        def step(blurs: bool) -> Callable:
            def run(x: Any, channel: Any, place: Any) -> list[Any]:
                x, value, first, gradient, squared, index = looked(x, channel, place)
                rate = learning_rate(settings, value, squared, int(np.prod(x.shape[1:])))
                rate = ops.reshape(rate, (-1, *[1] * (len(x.shape) - 1)))
                after = apply_regularizers(x + rate * gradient, gradient, settings, blurs)
                return [x, value, first, squared, index, after]

            return compile_function(model, run)

        self._steps = {False: step(False), True: step(True)}

    def run(
        self, x: np.ndarray, channels: Sequence[int], places: Sequence[int], progress: Callable | None = None
    ) -> AscentResult:
        """Run the ascent from `x` (items, ...); `places` flat, `compute.STRONGEST` (again in each step) or `ALL`.

        Items whose gradient is zero stand still; they are marked as stopped.
        """
        s, items = self.settings, len(x)
        channel, place = np.asarray(channels, "int32"), np.asarray(places, "int32")
        if s.rate == "constant" and not np.isfinite(s.max_rate):
            raise KerasRecipesError("A constant rate must be finite")
        best, best_at = x.copy(), np.zeros(items, int)
        top, start = np.full(items, -np.inf), np.zeros(items)
        majority, stopped = np.full(items, -1), np.zeros(items, bool)
        curve = np.zeros((s.steps, items), "float32")
        seen, value = x, start
        for number in range(s.steps):
            blurs = bool(s.blur_every) and number % s.blur_every == 0
            seen, value, first, squared, _, after = self._steps[blurs](np.asarray(x, "float32"), channel, place)
            curve[number] = value
            if number == 0:
                start = value
            better = value > top
            best[better], best_at[better], top[better] = seen[better], number, value[better]
            majority[first & (majority < 0)] = number
            stopped |= squared == 0
            x = np.where(stopped.reshape(-1, *[1] * (x.ndim - 1)), x, after)
            if progress:
                progress(number + 1, s.steps)
            if stopped.all():
                curve[number:] = value
                break
        return AscentResult(best, seen, best_at, start, top, value, majority, stopped, curve)


def initial_input(mode: str, shape: tuple[int, ...], seed: int, mean: float = IMAGE_MEAN) -> np.ndarray:
    """The first x, a picture minus its mean: "mean_plus_rand" N(0, 10^2), "randu" uniform over 0 ... 255, "mean" zeros.

    Raises:
        KerasRecipesError: no such mode.
    """
    rng = np.random.default_rng(seed)
    if mode not in INIT_MODES:
        raise KerasRecipesError(f"There is no start {mode!r}; there are {', '.join(INIT_MODES)}")
    if mode == "mean":
        return np.zeros(shape, "float32")
    drawn = rng.normal(0, INIT_STDDEV, shape) if mode == "mean_plus_rand" else rng.uniform(0, 255, shape) - mean
    return drawn.astype("float32")


def resolve_settings(preset: int | AscentSettings, **changes: Any) -> AscentSettings:
    """A row of table 1, or one's own settings, with changes.

    Raises:
        KerasRecipesError: no such row or setting.
    """
    if isinstance(preset, int) and preset not in PRESETS:
        raise KerasRecipesError(f"There is no preset {preset}; there are {', '.join(map(str, PRESETS))}")
    base = PRESETS[preset] if isinstance(preset, int) else preset
    changes = {k: v for k, v in changes.items() if v is not None}
    if unknown := set(changes) - set(asdict(base)):
        raise KerasRecipesError(f"No settings: {', '.join(sorted(unknown))}; there are {', '.join(asdict(base))}")
    return AscentSettings(**{**asdict(base), **changes})
