"""Activations of layers as features, and their means as embeddings, of images and audio."""

from collections.abc import Callable
from typing import Any, overload

import keras
import numpy as np

from kerasrecipes import image
from kerasrecipes.audio import list_audio_files, load_audio
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.inference.compiled import compile_forward
from kerasrecipes.inference.transcribe import is_batch

HEAD = "logits"  # the output layer of every recipe
SKIPPED = ("ZeroPadding", "Dropout")  # class names of layers before it whose outputs are no features


class FeatureMixin:
    """Adds `feature_function` and `embed` to a task model. Subclasses have `features`."""

    get_layer: Any
    features: Any
    _feature_functions: dict[Any, Any]

    def feature_function(self, layer: str | int | None = None) -> Callable[[Any], np.ndarray]:
        """Return the compiled function from a batch of the network's inputs to the activations of a layer.

        Args:
            layer: Name of a layer, or its number in `model.layers`. Default: what the output layer `logits` gets, before padding.

        Raises:
            KerasRecipesError: There is no such layer. The message names all.
        """
        functions = self.__dict__.setdefault("_feature_functions", {})
        if layer not in functions:
            # the network without this model's own `call`, from its inputs to a tensor in it
            functions[layer] = compile_forward(keras.Model(self.input, find_tensor(self, layer)))  # type: ignore[attr-defined]
        return functions[layer]

    def embed(self, source: Any, layer: str | int | None = None, **options: Any) -> np.ndarray:
        """Return the mean of `features` over all positions or frames.

        Args:
            source: Input of `features`.
            layer: As in `features`.
            **options: Other arguments of `features`.

        Returns:
            (units,) float32, or (inputs, units) for a list or folder.

        Raises:
            KerasRecipesError: An input cannot be read, or there is no such layer.
        """
        values = self.features(source, layer, **options)
        if isinstance(values, list):
            return np.stack([mean_over_positions(v) for v in values]) if values else np.zeros((0, 0), "float32")
        return mean_over_positions(values)


class ImageFeatureMixin(FeatureMixin):
    """Adds `features` and `embed` of images. Subclasses have `network_input`."""

    network_input: Any

    def features(self, images: Any, layer: str | int | None = None) -> Any:
        """Return the activations of a layer on images.

        Args:
            images: Anything that `kerasrecipes.image.load_image` takes, or a list or folder of it.
            layer: Name of a layer, or its number in `model.layers`. Default: what the output layer `logits` gets, before padding.

        Returns:
            (rows, columns, channels) float32, or (units,) for a layer without positions. For a list or folder, a list.

        Raises:
            ImageError: An image cannot be read.
            KerasRecipesError: There is no such layer. The message names all.

        Example:
            >>> kerasrecipes.load("squeezenet").features("cat.jpg", "fire5").shape
        """
        forward = self.feature_function(layer)
        results = [forward(self.network_input(source))[0] for source in image.list_image_files(images)]
        return image.single_or_list(images, results)


class AudioFeatureMixin(FeatureMixin):
    """Adds `features` and `embed` of audio. Subclasses have `sample_rate`."""

    sample_rate: int

    @overload
    def features(
        self, audio: list[Any] | tuple[Any, ...], layer: str | int | None = None, sample_rate: int | None = None
    ) -> list[np.ndarray]: ...

    @overload
    def features(self, audio: Any, layer: str | int | None = None, sample_rate: int | None = None) -> np.ndarray: ...

    def features(self, audio: Any, layer: str | int | None = None, sample_rate: int | None = None) -> Any:
        """Return the activations of a layer on audio, which runs at once: cut long recordings before.

        Args:
            audio: A path, bytes, a file object, or an array with `sample_rate`. Or a list or folder of them.
            layer: Name of a layer, or its number in `model.layers`. Default: what the output layer `logits` gets, before padding.
            sample_rate: Hz of arrays.

        Returns:
            (frames, units) float32. For a list or folder, a list.

        Raises:
            AudioError: A recording cannot be read.
            KerasRecipesError: There is no such layer. The message names all.

        Example:
            >>> kerasrecipes.load("deepspeech2_small").features("talk.flac").shape
        """
        forward = self.feature_function(layer)
        results = []
        for source in list_audio_files(audio) if is_batch(audio) else [audio]:
            wave = load_audio(source, sample_rate=sample_rate, target=self.sample_rate)
            results.append(forward({"audio": wave[None].astype("float32"), "length": np.array([len(wave)], "int32")})[0])
        return results if is_batch(audio) else results[0]


def find_tensor(model: Any, layer: str | int | None) -> Any:
    """Return the output of a layer, without the lengths of a sequence.

    For None this is the input of the output layer, before padding and dropout.

    Raises:
        KerasRecipesError: There is no such layer.
    """
    if layer is None:
        tensor = keras.tree.flatten(model.get_layer(HEAD).input)[0]
        while type(operation := tensor._keras_history.operation).__name__.startswith(SKIPPED):
            tensor = keras.tree.flatten(operation.input)[0]
        return tensor
    try:
        operation = model.layers[layer] if isinstance(layer, int) else model.get_layer(layer)
    except (ValueError, IndexError):
        names = ", ".join(each.name for each in model.layers if not isinstance(each, keras.layers.InputLayer))
        raise KerasRecipesError(f"{model.name} has no layer {layer!r}; its layers are {names}") from None
    return keras.tree.flatten(operation.output)[0]


def mean_over_positions(values: np.ndarray) -> np.ndarray:
    """Return the mean of (..., units) over all axes but the last."""
    return values.reshape(-1, values.shape[-1]).mean(axis=0)
