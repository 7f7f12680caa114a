"""Trainings on JAX that tests/training/test_distributed.py compares, each in its own process: python distributed_run.py WAY FOLDER."""

import json
import os
import sys
from pathlib import Path

WAY, FOLDER = sys.argv[1], Path(sys.argv[2])
os.environ["KERAS_BACKEND"] = "jax"
os.environ |= {"JAX_COMPILATION_CACHE_DIR": str(FOLDER / "programs"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={2 if WAY == 'loopback' else 4}"

import keras  # noqa: E402
import numpy as np  # noqa: E402

import kerasrecipes as kr  # noqa: E402
from kerasrecipes.errors import KerasRecipesError  # noqa: E402
from kerasrecipes.training import config as configs  # noqa: E402
from kerasrecipes.training.distributed import setup_devices  # noqa: E402
from kerasrecipes.training.trainer import Trainer  # noqa: E402

STEPS = 6
CLASSES = ("airplane", "car")
TINY = dict(kr.get_recipe("deepspeech2_small").tiny_config) | {"recurrent_layers": 1}


def settings(**changes):
    values = {"recipe": "deepspeech2_small", "config": TINY | {"dropout": 0.2}, "data": (f"manifest:{FOLDER}/clips.tsv",),
              "max_steps": STEPS, "warmup_steps": 2, "decay_steps": 3, "batch_seconds": 5.5,
              "ema_momentum": 0.5, "batch_order": "sorted"}  # fmt: skip
    return configs.config_from_dict(values | changes)


def weights(model):
    return [np.array(keras.ops.convert_to_numpy(w.value)) for w in model.weights]


def steps(run, count):
    return [run._train_step()[0] for _ in range(count)]


def gradients(devices, padded=True):
    """Return what SGD with learning rate 1 subtracts from the weights, the running statistics, and the loss."""
    run = Trainer(settings(config=TINY), FOLDER / "unused", True, devices)
    run.model.compile(keras.optimizers.SGD(1.0), metrics=[], jit_compile=True)
    before = weights(run.model)
    batch = devices.batch(run.task, 0) if padded else (*run.dataset[0], False)
    loss = devices.train(run.model, *batch)["loss"]
    return [a - b for a, b in zip(before, weights(run.model), strict=True)] + [np.array(loss)]


def curve(name, devices, resumed=None):
    """Return the losses of a training that is saved in the middle, or of the second half of the training `resumed`."""
    if resumed:
        return steps(Trainer(settings(), FOLDER / resumed, True, devices), STEPS // 2)
    run = Trainer(settings(), FOLDER / name, False, devices)
    first = steps(run, STEPS // 2)
    run.save()
    return first + steps(run, STEPS // 2)


def refused(function):
    try:
        function()
    except KerasRecipesError as error:
        return str(error)
    return None


def compared():
    found = {}
    one = setup_devices(1)
    np.savez(FOLDER / "plain.npz", *gradients(one, padded=False))
    np.savez(FOLDER / "one.npz", *gradients(one))
    found["one"] = curve("one", one)
    four = setup_devices("all")
    found["count"] = four.count
    np.savez(FOLDER / "four.npz", *gradients(four))
    found["four"] = curve("four", four)
    found["four after one"] = curve("", four, resumed="one")
    found["one after four"] = curve("", setup_devices(1), resumed="four")
    found["refused"] = [
        refused(lambda: setup_devices(5)), refused(lambda: setup_devices("some")),
        refused(lambda: Trainer(settings(batch_seconds=1.0), FOLDER / "new", False, setup_devices(4))),
    ]  # fmt: skip
    (FOLDER / "found.json").write_text(json.dumps(found))


def images():
    """Train an epoch of ten images in batches of four: the last batch holds two, fewer than there are devices."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(10):
        (FOLDER / "images" / CLASSES[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), "uint8")).save(
            FOLDER / "images" / CLASSES[i % 2] / f"{i}.png"
        )
    config = {"recipe": "zfnet_small", "config": dict(kr.get_recipe("zfnet_small").tiny_config),
              "data": (f"folder:{FOLDER}/images",), "batch_images": 4, "max_steps": 6,
              "warmup_steps": 1, "learning_rate": 0.01}  # fmt: skip
    found = {}
    for name, asked in (("one", 1), ("four", 4)):
        run = Trainer(configs.config_from_dict(config), FOLDER / f"{name} images", False, setup_devices(asked))
        found[name] = [*steps(run, 6), float(sum(np.abs(w).sum() for w in weights(run.model)))]
    (FOLDER / "images.json").write_text(json.dumps(found))


def loopback():
    devices = setup_devices("all")
    values = gradients(devices)
    losses = curve("loopback", devices)
    if devices.is_main:
        np.savez(FOLDER / "loopback.npz", *values)
        (FOLDER / "loopback.json").write_text(
            json.dumps({"losses": losses, "count": devices.count, "processes": devices.processes})
        )
    run = Trainer(settings(max_steps=STEPS + 2), FOLDER / "loopback", True, devices)
    state = run.train(max_minutes=10)
    if devices.is_main:
        (FOLDER / "state.json").write_text(json.dumps(state))


if __name__ == "__main__":
    {"compared": compared, "images": images, "loopback": loopback}[WAY]()
