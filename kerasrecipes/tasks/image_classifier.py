"""Image classification: a network over images, its classes, and the verb `classify`."""

import inspect
import numbers
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasrecipes import image
from kerasrecipes.data.class_labels import encode_class_weight
from kerasrecipes.data.image_dataset import ImageDataset, prepare_fit_images
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.inference.image_classification import BATCH_SIZE, ImageClassificationMixin
from kerasrecipes.registry import get_recipe
from kerasrecipes.tasks.base import TaskModel
from kerasrecipes.tasks.caffe_sgd import CaffeSGD
from kerasrecipes.tasks.features import ImageFeatureMixin


class ImageModel(ImageFeatureMixin, TaskModel):
    """Base class of classifiers and segmenters: a network over images (batch, height, width, channels), 0 to 255.

    Args:
        recipe: Name of a registered recipe.
        classes: Names of the classes, or their number. None for the recipe's own.
        config: Changes to the recipe's configuration.
    """

    default_batch_size = BATCH_SIZE
    default_metrics: tuple[str, ...] = ("accuracy",)

    def __init__(self, recipe: str, classes: Any = None, config: dict | None = None, **kwargs: Any):
        source = get_recipe(recipe)
        names = class_names(classes, source)
        super().__init__(source, {**(config or {}), "num_classes": len(names)}, **kwargs)
        self.classes = names

    def compile(self, optimizer: Any = None, loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        """Compile as Keras does, with the recipe's optimizer, cross entropy and the task's metrics where none are given."""
        if optimizer is None:
            settings = dict(self.recipe.optimizer) or {"class_name": "AdamW", "config": {}}
            optimizer = keras.optimizers.deserialize(settings, {"CaffeSGD": CaffeSGD})
        metrics = list(self.default_metrics) if metrics is None else metrics
        super().compile(optimizer, loss or self.default_loss(), metrics, **kwargs)

    def default_loss(self) -> Any:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    # ------------------------------------------------------------------ training

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, *args: Any, augment: bool = False,
        read_options: Mapping[str, Any] | None = None, **kwargs: Any,
    ):  # fmt: skip
        """Train on what subclasses document. Anything that `prepare_arrays` does not take goes to Keras unchanged.

        `read_options` are arguments of `prepare_arrays`, for the validation data too.
        """
        fit, options = super().fit, read_options or {}
        arguments = bind_arguments(fit, x, y, batch_size or self.default_batch_size, *args, **kwargs)
        x, y, size = (arguments.pop(name) for name in ("x", "y", "batch_size"))
        if arguments.get("class_weight") is not None:
            arguments["class_weight"] = self.prepare_class_weight(arguments["class_weight"])
        if (validation := arguments.get("validation_data")) is not None:
            validation_size = arguments.get("validation_batch_size") or size
            arguments["validation_data"] = self.prepare_validation(validation, validation_size, **options)
        arrays = self.prepare_arrays(x, y, **options)
        if arrays is None:
            return fit(x, y, size, **arguments)
        share, weights = arguments.pop("validation_split", 0.0), arguments.pop("sample_weight", None)
        columns = [*arrays] if weights is None else [*arrays, np.asarray(weights)]
        total = len(columns[0])
        if len(columns[-1]) != total:
            raise DataError(f"{total} images have {len(columns[-1])} weights: give each image one")
        if share and validation is None:
            count = int(total * (1 - share))
            if not isinstance(x, np.ndarray | list | tuple) or not 0 < count < total:
                raise DataError(
                    f"validation_split={share} takes the last images of an array or a list, and both parts need images: pass "
                    "other images, or a folder, as validation_data"
                )
            images, labels, *held_weights = (column[count:] for column in columns)
            validation = self.make_validation(images, labels, held_weights[0] if held_weights else None, size)
            arguments["validation_data"] = validation
            columns = [column[:count] for column in columns]
        batches = self.make_dataset(
            *columns[:2], batch_size=size, augment=augment, shuffle=arguments.pop("shuffle", True),
            weights=columns[2] if columns[2:] else None, seed=np.random.randint(1 << 31),
        )  # fmt: skip
        batches.set_epoch(arguments.get("initial_epoch", 0))
        return fit(batches, shuffle=False, **arguments)

    def prepare_arrays(self, x: Any, y: Any, **options: Any) -> Any:
        """Return images with labels or masks from the arguments of `fit`, or None if Keras handles them itself."""
        raise NotImplementedError

    def make_dataset(self, *arrays: Any, **options: Any) -> Any:
        """Return a dataset of the result of `prepare_arrays`."""
        raise NotImplementedError

    def make_validation(self, images: Any, labels: Any, weights: Any, batch_size: int) -> Any:
        """Return the result of `prepare_arrays` and its weights, or None, as Keras takes `validation_data`."""
        raise NotImplementedError

    def prepare_validation(self, data: Any, batch_size: int, **options: Any) -> Any:
        """Return `validation_data` as Keras takes it. `options` are arguments of `prepare_arrays`."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        arrays = self.prepare_arrays(x, y, **options)
        if arrays is None:
            return x if y is None else data
        images, labels = arrays
        return self.make_validation(images, labels, weights, batch_size)

    def prepare_class_weight(self, class_weight: Any) -> dict[int, float]:
        """Return `class_weight` as Keras takes it."""
        return encode_class_weight(class_weight, self.classes)

    # ------------------------------------------------------------------ inference

    def predict_logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of a batch of images (batch, height, width, channels), 0 to 255."""
        from kerasrecipes.inference.compiled import compile_forward, pad_to_bucket

        if self._forward is None:
            self._forward = compile_forward(self)
        inputs = np.asarray(images, "float32")
        if keras.config.backend() == "jax":
            extra = len(pad_to_bucket(np.arange(len(inputs)))) - len(inputs)
            inputs = np.concatenate([inputs, np.repeat(inputs[:1], extra, axis=0)])
        return self._forward(inputs)[: len(images)]

    def label_config(self) -> dict[str, Any]:
        return {"classes": list(self.classes)}


@keras.saving.register_keras_serializable("kerasrecipes")
class ImageClassifier(ImageClassificationMixin, ImageModel):
    """A classifier: images (batch, height, width, channels), 0 to 255 -> logits (batch, classes).

    `classify` takes files and arrays of any size. `fit` and `evaluate` take arrays of images and labels, a folder with one
    folder per class, or anything Keras takes. `save` writes a `.keras` file that opens in a fresh process.

    Args:
        recipe: Name of a registered recipe.
        classes: Names of the classes, or their number. None for the recipe's own.
        config: Changes to the recipe's configuration.

    Example:
        >>> model = kerasrecipes.load("squeezenet")
        >>> print(model.classify("cat.jpg").top(5))
    """

    @property
    def preprocessing(self) -> image.ImagePreprocessing:
        """The recipe's preprocessing, with its sizes scaled to the network's input size if a keyword `size` sets that."""
        height, width, channels = self.input_shape[1:]
        options, size = dict(self.recipe.preprocessing), self.recipe.config.get("size", height)
        resize_to = options.pop("resize_to", None) or (size, size)
        resize_to = tuple(round(side * n / size) for side, n in zip(resize_to, (height, width), strict=True))
        return image.ImagePreprocessing(resize_to=resize_to, crop_size=(height, width), channels=channels, **options)

    def network_input(self, source: Any) -> np.ndarray:
        """Return an image as a batch of the network's input: its center crop, (1, height, width, channels) float32."""
        rule = self.preprocessing
        return rule.center_crop(rule.resize(image.load_image(source)))[None].astype("float32")

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, *args: Any, augment: bool = False, **kwargs: Any
    ):  # fmt: skip
        """Train as Keras does, also on a folder with one folder of images per class, or a list of images with labels.

        Args:
            x: An array of images (batch, height, width, channels) at the size that the recipe resizes to, 0 to 255, or as
                `classify` takes it: floats up to 1 and uint16 are scaled to 0 to 255, and all become integers. A list of
                anything `classify` takes. A folder. Or anything Keras takes, at the network's input size and 0 to 255.
            y: Labels: class indices or class names (batch,) or (batch, 1), or one-hot rows (batch, classes).
            batch_size: Default 32.
            *args: Arguments of Keras's `fit`.
            augment: Train on the recipe's random crops, which differ in every epoch and call.
                `keras.utils.set_random_seed` makes them repeatable.
            **kwargs: Arguments of Keras's `fit`. The keys of `class_weight` are class names or class indices, every class once.

        Raises:
            DataError: The labels have another form, their number differs from that of the images, or `class_weight` names
                other classes than the model's.
            ImageError: The images do not fit the recipe, or their values are out of range.
        """
        return super().fit(x, y, batch_size, *args, augment=augment, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any):
        """Evaluate as Keras does, on anything `fit` takes."""
        data = self.prepare_validation((x, y), BATCH_SIZE)
        return super().evaluate(*(data if isinstance(data, tuple) else (data, None)), *args, **kwargs)

    def prepare_arrays(self, x: Any, y: Any, **options: Any) -> Any:
        return prepare_fit_images(x, y, self)

    def make_dataset(self, images: Any, labels: Any, **options: Any) -> Any:
        return ImageDataset(images, labels, self.preprocessing, **options)

    def make_validation(self, images: Any, labels: Any, weights: Any, batch_size: int) -> Any:
        """Return the center crops of images and their class indices."""
        if images.shape[1:3] != self.preprocessing.crop_size:
            images = np.stack([self.preprocessing.center_crop(i) for i in images])
        return (images, labels) if weights is None else (images, labels, weights)


def bind_arguments(call: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a call by name."""
    arguments = inspect.signature(call).bind_partial(*args, **kwargs).arguments
    return arguments | arguments.pop("kwargs", {})


def class_names(classes: Any, recipe: Any) -> tuple[str, ...]:
    """Return the names of classes from names, their number, or the recipe.

    Raises:
        KerasRecipesError: There are fewer than two, or one is there twice.
    """
    if classes is None:
        classes = recipe.class_names()
    if isinstance(classes, numbers.Integral):
        classes = [str(i) for i in range(int(classes))]
    names = (classes,) if isinstance(classes, str) else tuple(str(c) for c in classes)
    if len(names) < 2 or len(set(names)) < len(names):
        raise KerasRecipesError(f"{recipe.name}: classes must be two names or more, each once, not {list(names)[:5]}")
    return names
