"""Image classification: a network over pictures, its classes, and the verb `classify`."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasrecipes import image
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.registry import get_recipe
from kerasrecipes.tasks.classifying import Classifies


class PictureModel(keras.Model):
    """What classifiers and segmenters share: a recipe's network over (batch, height, width, channels), 0 to 255, and class names."""

    def __init__(self, recipe: str, classes: Any = None, config: dict | None = None, **kwargs: Any):
        own = get_recipe(recipe)
        names = class_names(classes, own)
        config = {**(config or {}), "classes": len(names)}
        network = own.build(**config)
        super().__init__(inputs=network.input, outputs=network.output, **{"name": recipe, **kwargs})
        self.recipe, self.classes, self.changes = own, names, config
        self._forward: Any = None

    def compile(self, optimizer: Any = None, loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        """As Keras's; without arguments the recipe's optimiser, cross entropy over the scores, and accuracy."""
        if optimizer is None:
            optimizer = keras.optimizers.get(dict(self.recipe.optimizer) or {"class_name": "AdamW", "config": {}})
        loss = loss or self.own_loss()
        metrics = ["accuracy"] if metrics is None else metrics
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def own_loss(self) -> Any:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        """The network on a batch (batch, height, width, channels), 0 to 255, compiled; no softmax."""
        from kerasrecipes.tasks.forward import bucketed, compiled

        if self._forward is None:
            self._forward = compiled(self)
        inputs = np.asarray(pictures, "float32")
        if keras.config.backend() == "jax":
            inputs = np.concatenate(
                [inputs, np.repeat(inputs[:1], len(bucketed(np.arange(len(inputs)))) - len(inputs), axis=0)]
            )
        return self._forward(inputs)[: len(pictures)]

    def get_config(self) -> dict:
        return {"recipe": self.recipe.name, "classes": list(self.classes), "config": self.changes, "name": self.name}

    @classmethod
    def from_config(cls, config: dict, custom_objects: Any = None) -> Any:
        return cls(**config)


@keras.saving.register_keras_serializable("kerasrecipes")
class ImageClassifier(Classifies, PictureModel):
    """A classifier: pictures (batch, height, width, channels), 0 to 255 -> scores (batch, classes), no softmax.

    `classify` takes files and arrays of any size; `fit` and `evaluate` take arrays of pictures and labels, a folder with one
    folder per class, or anything Keras takes; `save` writes a `.keras` file that opens in a fresh process.

    Args:
        recipe: name of a registered recipe.
        classes: names of the classes, or their number; None for the recipe's own.
        config: changes to the recipe's configuration.

    Example:
        >>> model = kerasrecipes.load("squeezenet")
        >>> print(model.classify("cat.jpg").top(5))
    """

    @property
    def preparation(self) -> image.Preparation:
        """How pictures become inputs: the recipe's rule at the network's size."""
        height, width, channels = self.input_shape[1:]
        rule = dict(self.recipe.picture)
        canvas = rule.pop("canvas", None) or (height, width)
        return image.Preparation(canvas=tuple(canvas), size=(height, width), channels=channels, **rule)

    def fit(self, x: Any = None, y: Any = None, *args: Any, augment: bool = False, batch_size: int = 32, **kwargs: Any):
        """Keras's `fit`; also takes a folder with one folder of pictures per class, and lists of pictures with labels.

        Args:
            x: an array of pictures (batch, height, width, channels) on the recipe's canvas, 0 to 255, or as `classify` takes it:
                floats up to 1 and uint16 are brought to 0 to 255, and all become whole numbers; a list of what `classify`
                takes; a folder; or anything Keras takes, then at the network's size and 0 to 255.
            y: labels, (batch,) or (batch, 1) numbers or names of classes, or one-hot rows (batch, classes); the loss gets numbers.
            augment: train on the recipe's random views.

        Raises:
            DataError: labels of another form, or another number of labels than of pictures.
            ImageError: no pictures of this recipe, or numbers beyond their range.
        """
        from kerasrecipes.data.pictures import PictureDataset, pictures_of

        kwargs["validation_data"] = self._held_out(kwargs.get("validation_data"))
        found = pictures_of(x, y, self)
        if found is None:
            return super().fit(x, y, *args, batch_size=batch_size, **kwargs)
        batches = PictureDataset(*found, self.preparation, batch_size=batch_size, augment=augment)
        return super().fit(batches, None, *args, **{**kwargs, "shuffle": False})

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any):
        """Keras's `evaluate`, on what `fit` takes; raises what it raises."""
        found = self._held_out((x, y))
        return (
            super().evaluate(*found, *args, **kwargs)
            if isinstance(found, tuple)
            else super().evaluate(found, *args, **kwargs)
        )

    def _held_out(self, data: Any) -> Any:
        from kerasrecipes.data.pictures import pictures_of

        if data is None:
            return None
        x, y = data if isinstance(data, tuple) else (data, None)
        found = pictures_of(x, y, self)
        if found is None:
            return data if y is not None or not isinstance(data, tuple) else x
        pictures, labels = found
        same = pictures.shape[1:3] == self.preparation.size
        return pictures if same else np.stack([self.preparation.one(c) for c in pictures]), labels


def class_names(classes: Any, recipe: Any) -> tuple[str, ...]:
    """Names of classes from names, their number, or the recipe.

    Raises:
        KerasRecipesError: fewer than two, or a name twice.
    """
    if classes is None:
        classes = recipe.class_names()
    if isinstance(classes, int):
        classes = [str(i) for i in range(classes)]
    names = tuple(str(c) for c in classes)
    if len(names) < 2 or len(set(names)) < len(names):
        raise KerasRecipesError(f"{recipe.name}: classes must be two names or more, each once, not {list(names)[:5]}")
    return names


def label_numbers(labels: Any, classes: Sequence[str]) -> np.ndarray:
    """Labels as numbers of classes: (n,) int32.

    Args:
        labels: (n,) or (n, 1) whole numbers or names of classes, or one-hot rows (n, classes). classes: their names.

    Raises:
        DataError: labels of another form, or one that is none of the classes.
    """
    wanted = f"give each picture the number or the name of its class, (n,), or a one-hot row, (n, {len(classes)})"
    try:
        values = np.asarray(labels)
    except ValueError as error:
        raise DataError(f"The labels have several lengths: {wanted}") from error
    if values.ndim == 2 and values.shape[1] == len(classes):
        ones = values == 1
        if not ((ones | (values == 0)).all() and (ones.sum(1) == 1).all()):
            raise DataError(f"Labels of shape {values.shape} are no one-hot rows, of one 1 and else 0: {wanted}")
        return values.argmax(1).astype("int32")
    if values.ndim != 1 and (values.ndim != 2 or values.shape[1] != 1):
        raise DataError(f"Labels of shape {values.shape} do not fit {len(classes)} classes: {wanted}")
    values = values.ravel()
    return named(values, classes) if values.dtype.kind in "UO" else numbered(values, classes, wanted)


def named(names: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Numbers of the classes of those names; raises `DataError` for a name that is none of them."""
    index = {name: i for i, name in enumerate(classes)}
    if unknown := sorted({str(name) for name in names} - set(index)):
        raise DataError(f"Labels that are no class of this model: {', '.join(unknown[:5])}; it has {', '.join(classes[:12])}")
    return np.array([index[str(name)] for name in names], "int32")


def numbered(values: np.ndarray, classes: Sequence[str], wanted: str) -> np.ndarray:
    """The values as class numbers; raises `DataError`, which says what is `wanted`, for others."""
    if values.dtype.kind not in "biuf" or (values != np.round(values)).any():
        raise DataError(f"Labels such as {values[:3].tolist()} are neither whole numbers nor names: {wanted}")
    if len(values) and (values.min() < 0 or values.max() >= len(classes)):
        raise DataError(
            f"Labels from {values.min():.0f} to {values.max():.0f}, but the model has {len(classes)} classes: load(..., classes=...)"
        )
    return values.astype("int32")
