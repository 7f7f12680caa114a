"""Inputs of the goldens of ConvNetJS's layers and trainers: small networks as snapshots, examples and targets."""

import numpy as np

EXAMPLES = 12
SETTINGS = {"rate": 0.05, "momentum": 0.8, "batch": 4, "decay": 0.1, "l1": 0.02, "ro": 0.9, "eps": 1e-6}
METHODS = ("sgd", "momentum", "nesterov", "adagrad", "windowgrad", "adadelta")


def _entry(kind: str, height: int, width: int, depth: int, **fields: object) -> dict:
    return {"layer_type": kind, "out_sy": height, "out_sx": width, "out_depth": depth, **fields}


def make_convnetjs_networks() -> dict[str, dict]:
    """Return snapshots whose weights come from one seed.

    `windows` has a convolution, maxout of maps and an SVM, `vectors` a sigmoid, maxout of neurons and a regression, and `lrn` begins with
    response normalization.
    """
    rng = np.random.RandomState(60)

    def weights(filters: int, sy: int, sx: int, depth: int) -> dict:
        def volume(height: int, width: int, channels: int, scale: float) -> dict:
            return {"sx": width, "sy": height, "depth": channels, "w": (scale * rng.standard_normal(height * width * channels)).tolist()}

        scale = (sy * sx * depth) ** -0.5
        return {"filters": [volume(sy, sx, depth, scale) for _ in range(filters)], "biases": volume(1, 1, filters, 0.1)}

    def fc(filters: int, inputs: int) -> dict:
        return _entry("fc", 1, 1, filters, num_inputs=inputs, l1_decay_mul=0, l2_decay_mul=1, **weights(filters, 1, 1, inputs))

    window = {"sx": 3, "sy": 2, "stride": 1, "pad": 1, "in_depth": 3, "l1_decay_mul": 0, "l2_decay_mul": 1}
    return {
        "windows": {"layers": [
            _entry("input", 7, 6, 3), _entry("conv", 8, 6, 6, **window, **weights(6, 2, 3, 3)), _entry("maxout", 8, 6, 3, group_size=2),
            _entry("pool", 4, 3, 3, sx=2, sy=2, stride=2, pad=0, in_depth=3), fc(8, 36), _entry("tanh", 1, 1, 8), fc(4, 8),
            _entry("svm", 1, 1, 4, num_inputs=4),
        ]},
        "vectors": {"layers": [
            _entry("input", 1, 1, 3), fc(6, 3), _entry("sigmoid", 1, 1, 6), fc(6, 6), _entry("maxout", 1, 1, 2, group_size=3), fc(2, 2),
            _entry("regression", 1, 1, 2, num_inputs=2),
        ]},
        "lrn": {"layers": [
            _entry("input", 4, 4, 6), _entry("lrn", 4, 4, 6, k=2, n=3, alpha=0.5, beta=0.75), fc(4, 96),
            _entry("softmax", 1, 1, 4, num_inputs=4),
        ]},
    }  # fmt: skip


def make_convnetjs_examples(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return EXAMPLES inputs (n, height, width, depth) of a network, and their labels (n,) or, for `vectors`, targets (n, 2)."""
    rng = np.random.RandomState(61)
    first, *_, last = make_convnetjs_networks()[name]["layers"]
    x = rng.standard_normal((EXAMPLES, first["out_sy"], first["out_sx"], first["out_depth"]))
    return x, rng.standard_normal((EXAMPLES, 2)) if last["layer_type"] == "regression" else rng.randint(0, last["out_depth"], EXAMPLES)
