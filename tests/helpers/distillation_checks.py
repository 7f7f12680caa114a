"""The distillation loss, its gradient and a tiny training with a teacher on the backend of this process.

As a script: distillation_checks.py FOLDER CLIPS reads FOLDER/inputs.npz and writes FOLDER/results.npz.
"""

import sys
from pathlib import Path

import keras
import numpy as np

import kerasrecipes as kr
from kerasrecipes.losses.distillation import distillation_loss
from kerasrecipes.training import config as configs
from kerasrecipes.training.trainer import Trainer

# without batch normalization and dropout, training and inference compute the same logits
TINY = {"conv": ((8, 13, 3), (8, 7, 1)), "batch_norm": "none"}


def loss_and_gradient(posteriors, logits, lengths, temperature):
    """Return the losses (batch,) and the gradient of their sum by automatic differentiation."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        logits = tf.Variable(logits)
        with tf.GradientTape() as tape:
            losses = distillation_loss(posteriors, logits, lengths, temperature)
        gradient = tape.gradient(losses, logits)
    elif keras.config.backend() == "jax":
        import jax

        losses = distillation_loss(posteriors, logits, lengths, temperature)
        gradient = jax.grad(lambda z: distillation_loss(posteriors, z, lengths, temperature).sum())(logits)
    else:
        import torch

        logits = torch.tensor(logits, requires_grad=True)
        losses = distillation_loss(posteriors, logits, lengths, temperature)
        losses.sum().backward()
        gradient = logits.grad
    return keras.ops.convert_to_numpy(losses), keras.ops.convert_to_numpy(gradient)


def save_teacher(path, **config):
    """Save a tiny recognizer with random weights, whose posteriors are far from uniform, and return its path as text."""
    keras.utils.set_random_seed(7)
    model = kr.SpeechRecognizer("wav2letter_small", config.pop("alphabet", None), TINY | config)
    *others, kernel, bias = model.get_weights()
    model.set_weights([*others, 4 * kernel, bias])
    model.save(path)
    return str(path)


def settings(data, teacher, **changes):
    """Return the settings of a tiny training with a teacher."""
    values = {
        "recipe": "wav2letter_small", "config": TINY, "data": [data], "teacher": teacher, "max_steps": 6, "warmup_steps": 1,
        "decay_steps": 2, "batch_seconds": 12.0, "ema_momentum": 0.5, "learning_rate": 0.01,
    }  # fmt: skip
    return configs.config_from_dict(values | changes)


if __name__ == "__main__":
    folder, clips = Path(sys.argv[1]), sys.argv[2]
    inputs = np.load(folder / "inputs.npz")
    loss, gradient = loss_and_gradient(*(inputs[name] for name in ("posteriors", "logits", "lengths")), 2.0)
    teacher = save_teacher(folder / "teacher.keras")
    run = Trainer(settings(f"librispeech:{clips}", teacher, ctc_only_steps=2), folder / "run")
    terms = []
    for _ in range(6):
        run._train_step()
        terms.append([run.losses[name] for name in ("loss", "ctc_loss", "teacher_loss")])
    np.savez(folder / "results.npz", loss=loss, gradient=gradient, terms=terms)
