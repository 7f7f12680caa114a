"""Image classification: a network over pictures, its classes, and the verb `classify`."""

import inspect
import numbers
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasrecipes import image
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.inference.image_classification import BATCH_SIZE, ImageClassificationMixin
from kerasrecipes.registry import get_recipe


class ImageModel(keras.Model):
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
        loss = loss or self.default_loss()
        metrics = ["accuracy"] if metrics is None else metrics
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def default_loss(self) -> Any:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    # ------------------------------------------------------------------ training

    default_batch_size = BATCH_SIZE

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *args: Any,
        augment: bool = False,
        **kwargs: Any,
    ):
        """As subclasses say; what `arrays` makes nothing of goes to Keras as it is."""
        fit = super().fit
        asked = bind_arguments(fit, x, y, batch_size or self.default_batch_size, *args, **kwargs)
        x, y, size = (asked.pop(name) for name in ("x", "y", "batch_size"))
        if (held := asked.get("validation_data")) is not None:
            asked["validation_data"] = self.prepare_validation(held, asked.get("validation_batch_size") or size)
        found = self.arrays(x, y)
        if found is None:
            return fit(x, y, size, **asked)
        share, weights = asked.pop("validation_split", 0.0), asked.pop("sample_weight", None)
        parts = [*found] if weights is None else [*found, np.asarray(weights)]
        if len(parts[-1]) != len(parts[0]):
            raise DataError(f"{len(parts[0])} pictures have {len(parts[-1])} weights: give each picture one")
        if share and held is None:
            kept = int(len(parts[0]) * (1 - share))
            if not isinstance(x, np.ndarray | list | tuple) or not 0 < kept < len(parts[0]):
                raise DataError(
                    f"validation_split={share} takes the last of an array or a list, and leaves some of both: give others, or a "
                    "folder's, as validation_data"
                )
            asked["validation_data"] = self.prepare_validation(tuple(part[kept:] for part in parts), size)
            parts = [part[:kept] for part in parts]
        batches = self.batches(
            *parts[:2], batch_size=size, augment=augment, shuffle=asked.pop("shuffle", True), weights=parts[2] if parts[2:] else None,
            seed=np.random.randint(1 << 31),
        )  # fmt: skip
        batches.set_epoch(asked.get("initial_epoch", 0))
        return fit(batches, shuffle=False, **asked)

    def arrays(self, x: Any, y: Any) -> Any:
        """Pictures and their labels or masks from what `fit` takes, None where Keras shall take it as it is."""
        raise NotImplementedError

    def batches(self, *found: Any, **options: Any) -> Any:
        """A data set of what `arrays` gave."""
        raise NotImplementedError

    def prepare_validation(self, data: Any, batch_size: int) -> Any:
        """`validation_data` as Keras takes it."""
        raise NotImplementedError

    # ------------------------------------------------------------------ as a network

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        """The network on a batch (batch, height, width, channels), 0 to 255, compiled; no softmax."""
        from kerasrecipes.inference.compiled import compile_forward, pad_to_bucket

        if self._forward is None:
            self._forward = compile_forward(self)
        inputs = np.asarray(pictures, "float32")
        if keras.config.backend() == "jax":
            inputs = np.concatenate(
                [inputs, np.repeat(inputs[:1], len(pad_to_bucket(np.arange(len(inputs)))) - len(inputs), axis=0)]
            )
        return self._forward(inputs)[: len(pictures)]

    def get_config(self) -> dict:
        return {"recipe": self.recipe.name, "classes": list(self.classes), "config": self.changes, "name": self.name}

    @classmethod
    def from_config(cls, config: dict, custom_objects: Any = None) -> Any:
        return cls(**config)


@keras.saving.register_keras_serializable("kerasrecipes")
class ImageClassifier(ImageClassificationMixin, ImageModel):
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
    def preparation(self) -> image.ImagePreprocessing:
        """How pictures become inputs: the recipe's rule; a network of another size has a canvas as much larger or smaller."""
        height, width, channels = self.input_shape[1:]
        rule, own = dict(self.recipe.picture), self.recipe.config["size"]
        canvas = rule.pop("canvas", None) or (own, own)
        canvas = tuple(round(side * n / own) for side, n in zip(canvas, (height, width), strict=True))
        return image.ImagePreprocessing(canvas=canvas, size=(height, width), channels=channels, **rule)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *args: Any,
        augment: bool = False,
        **kwargs: Any,
    ):
        """Keras's `fit`; also takes a folder with one folder of pictures per class, and lists of pictures with labels.

        Args:
            x: an array of pictures (batch, height, width, channels) on the recipe's canvas, 0 to 255, or as `classify` takes it:
                floats up to 1 and uint16 are brought to 0 to 255, and all become whole numbers; a list of what `classify`
                takes; a folder; or anything Keras takes, then at the network's size and 0 to 255.
            y: labels, (batch,) or (batch, 1) numbers or names of classes, or one-hot rows (batch, classes); the loss gets numbers.
            batch_size: default 32.
            augment: train on the recipe's random views, others in every pass and call; `keras.utils.set_random_seed` fixes them.

        Raises:
            DataError: labels of another form, or another number of labels than of pictures.
            ImageError: no pictures of this recipe, or numbers beyond their range.
        """
        return super().fit(x, y, batch_size, *args, augment=augment, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any):
        """Keras's `evaluate`, on what `fit` takes; raises what it raises."""
        found = self.prepare_validation((x, y), BATCH_SIZE)
        return super().evaluate(*(found if isinstance(found, tuple) else (found, None)), *args, **kwargs)

    def arrays(self, x: Any, y: Any) -> Any:
        from kerasrecipes.data.images import prepare_fit_images

        return prepare_fit_images(x, y, self)

    def batches(self, pictures: Any, labels: Any, **options: Any) -> Any:
        from kerasrecipes.data.images import ImageDataset

        return ImageDataset(pictures, labels, self.preparation, **options)

    def prepare_validation(self, data: Any, batch_size: int) -> Any:
        """The pictures' centres and label numbers."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        found = self.arrays(x, y)
        if found is None:
            return x if y is None else data
        pictures, labels = found
        same = pictures.shape[1:3] == self.preparation.size
        pictures = pictures if same else np.stack([self.preparation.one(c) for c in pictures])
        return (pictures, labels) if weights is None else (pictures, labels, weights)


def bind_arguments(call: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Arguments of a call by their names."""
    found = inspect.signature(call).bind_partial(*args, **kwargs).arguments
    return found | found.pop("kwargs", {})


def class_names(classes: Any, recipe: Any) -> tuple[str, ...]:
    """Names of classes from names, their number, or the recipe.

    Raises:
        KerasRecipesError: fewer than two, or a name twice.
    """
    if classes is None:
        classes = recipe.class_names()
    if isinstance(classes, numbers.Integral):
        classes = [str(i) for i in range(int(classes))]
    names = (classes,) if isinstance(classes, str) else tuple(str(c) for c in classes)
    if len(names) < 2 or len(set(names)) < len(names):
        raise KerasRecipesError(f"{recipe.name}: classes must be two names or more, each once, not {list(names)[:5]}")
    return names


def encode_labels(labels: Any, classes: Sequence[str]) -> np.ndarray:
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
    return (
        encode_class_names(values, classes)
        if values.dtype.kind in "UO"
        else check_class_indices(values, classes, wanted)
    )


def encode_class_names(names: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Numbers of the classes of those names; raises `DataError` for a name that is none of them."""
    index = {name: i for i, name in enumerate(classes)}
    if unknown := sorted({str(name) for name in names} - set(index)):
        raise DataError(
            f"Labels that are no class of this model: {', '.join(unknown[:5])}; it has {', '.join(classes[:12])}"
        )
    return np.array([index[str(name)] for name in names], "int32")


def check_class_indices(values: np.ndarray, classes: Sequence[str], wanted: str) -> np.ndarray:
    """The values as class numbers; raises `DataError`, which says what is `wanted`, for others."""
    if values.dtype.kind not in "biuf" or (values != np.round(values)).any():
        raise DataError(f"Labels such as {values[:3].tolist()} are neither whole numbers nor names: {wanted}")
    if len(values) and (values.min() < 0 or values.max() >= len(classes)):
        raise DataError(
            f"Labels from {values.min():.0f} to {values.max():.0f}, but the model has {len(classes)} classes: load(..., classes=...)"
        )
    return values.astype("int32")
