"""Base classes of the task models: a recipe's network with the task's own optimizer, loss and metrics."""

from collections.abc import Iterator, Mapping
from functools import wraps
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.losses.cross_entropy import masked_cross_entropy
from kerasrecipes.tasks.table import TASK_MODELS
from kerasrecipes.utils.backend_process import check_backend_process
from kerasrecipes.utils.environment import enable_compilation_cache
from kerasrecipes.utils.sources import is_file_input


def keras_signature(method: Any) -> Any:
    """Return a decorator that copies a Keras method's signature. It has no type, so that subclasses may add arguments."""
    return wraps(method)


class TaskModel(keras.Model):
    """A recipe's network as a Keras model.

    Args:
        recipe: A `Recipe`.
        config: Changes to the recipe's configuration, kept as `changes`.
        **kwargs: Arguments of `keras.Model`, for instance `name`.
    """

    default_optimizer: Mapping[str, Any] = {}  # arguments of AdamW

    def __init__(self, recipe: Any, config: Mapping[str, Any], **kwargs: Any):
        check_backend_process()
        network = recipe.build(**config)
        super().__init__(inputs=network.input, outputs=network.output, **{"name": recipe.name, **kwargs})
        self.recipe, self.changes = recipe, config
        self._forward: Any = None

    def compile(self, optimizer: Any = None, loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        """Compile as Keras does, with the task's own optimizer (AdamW), loss and metrics where none are given."""
        optimizer = optimizer or keras.optimizers.AdamW(**self.default_optimizer)
        self.uses_default_loss, self.uses_default_metrics = loss is None, metrics is None
        uses_jax = keras.config.backend() == "jax"  # without compilation it runs operation by operation
        if uses_jax:
            enable_compilation_cache()
        kwargs.setdefault("jit_compile", uses_jax)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        check_backend_process()
        return super().__call__(*args, **kwargs)

    @keras_signature(keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train as Keras does."""
        check_backend_process()
        return super().fit(*args, **kwargs)

    @keras_signature(keras.Model.evaluate)
    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate as Keras does."""
        check_backend_process()
        return super().evaluate(*args, **kwargs)

    def predict(
        self, x: Any, batch_size: int | None = None, verbose: Any = "auto", steps: int | None = None, callbacks: Any = None,
        **options: Any,
    ) -> Any:  # fmt: skip
        """Predict as Keras does on arrays and data sets. On files, do what the verb of the task does.

        Args:
            x: A file or a list of files (for a language model a prompt or a list of prompts), or anything Keras takes.
            batch_size: Batch size for arrays. The results of files do not depend on it.
            verbose: As in Keras, for arrays.
            steps: As in Keras, for data sets.
            callbacks: As in Keras, for arrays and data sets.
            **options: Options of the verb, for files.

        Returns:
            Keras's array. For files the results of `transcribe`, `classify`, `segment`, `generate` (prompts) or `vocode`.

        Raises:
            KerasRecipesError: `steps` or `callbacks` were given for files, or options for anything else.
        """
        check_backend_process()
        if is_file_input(x):
            if steps is not None or callbacks is not None:
                raise KerasRecipesError("predict takes steps= and callbacks= for arrays and data sets, not for files")
            return self.predict_files(x, **options)
        if options:
            raise KerasRecipesError(f"predict takes {', '.join(options)} for files, not for {type(x).__name__}")
        return super().predict(x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks)

    def predict_files(self, files: Any, **options: Any) -> Any:
        """Return the results of the task's verb for a file or a list of files."""
        return getattr(self, TASK_MODELS[self.recipe.task].verb)(files, **options)

    def label_config(self) -> dict[str, Any]:
        """Return the constructor argument that names the outputs."""
        return {}

    def get_config(self) -> dict:
        config = {"recipe": self.recipe.name, **self.label_config(), "config": self.changes, "name": self.name}
        frozen = [path for path, layer in walk_layers(self) if not layer.trainable]
        return {**config, "frozen": frozen} if frozen else config

    @classmethod
    def from_config(cls, config: dict, custom_objects: Any = None) -> Any:
        frozen = set(config.get("frozen", ()))
        model = cls(**{name: value for name, value in config.items() if name != "frozen"})
        if frozen:
            # outer layers come first, because they set the flags of the layers in them
            for path, layer in walk_layers(model):
                layer.trainable = path not in frozen
        return model

    def compile_from_config(self, config: dict) -> None:
        """Compile as the saved model was compiled, and create the optimizer's variables, which Keras then loads."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)


def walk_layers(layer: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, layer) of a layer, whose path is empty, and of all layers in it, outer layers first.

    Paths are positions, because Keras numbers the names of inner layers anew in every process.
    """
    yield path, layer
    for i, inner in enumerate(layer._layers):
        yield from walk_layers(inner, f"{path}/{i}")


class NextSymbolModel(TaskModel):
    """Base class of models that predict the next symbol or sample. The loss is in nats and the metric `bits` in bits per symbol.

    Targets are (batch, steps) symbol numbers. Negative targets do not count.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.bits_metric = keras.metrics.Mean(name="bits")

    @keras_signature(keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train as Keras does, without `class_weight`."""
        if kwargs.get("class_weight") is not None:
            raise KerasRecipesError(
                f"{self.name} predicts each next symbol, and has no class to weigh: leave class_weight out, or pass sample_weight"
            )
        return super().fit(*args, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the nats per symbol over all targets that count. `sample_weight` (batch,) or (batch, steps) multiplies the nats."""
        if not self.uses_default_loss:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        return _mean_loss(y, y_pred, sample_weight)[0]

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Add `bits` per symbol to what Keras reports."""
        if not self.uses_default_metrics:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        loss, count = _mean_loss(y, y_pred)
        self.bits_metric.update_state(loss / np.log(2), sample_weight=count)
        return self.get_metrics_result()


def _mean_loss(targets: Any, logits: Any, sample_weight: Any = None) -> tuple[Any, Any]:
    """Return the mean loss in nats and the number of targets that count."""
    losses, mask = masked_cross_entropy(targets, logits)
    if sample_weight is not None:
        weights = keras.ops.cast(sample_weight, "float32")
        losses = losses * (weights[:, None] if len(weights.shape) == 1 else weights)
    count = keras.ops.sum(mask)
    return keras.ops.sum(losses) / keras.ops.maximum(count, 1.0), count
