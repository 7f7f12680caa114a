"""Inspectors of ONNX files: activations of all layers in onnxruntime, without Keras. They have no gradients."""

import time
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from kerasrecipes import image as images
from kerasrecipes.audio import load_audio
from kerasrecipes.engines.session import OnnxRuntimeSession
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, convert_errors
from kerasrecipes.image import ImagePreprocessing
from kerasrecipes.serving.inspection import Inspection, number_classes, stretch_image, to_probabilities
from kerasrecipes.serving.onnx_layers import add_outputs, list_layers
from kerasrecipes.serving.recognition import check_length, recognize

NO_GRADIENTS = "An ONNX file has no gradients: open the recipe or its .keras file for this"
MIN_BANDS = 20  # of features


class OnnxInspector:
    """An ONNX file of one image or waveform.

    Args:
        path: The file.
        model: The model that `kerasrecipes.load` opened from it, or None for another program's file.
    """

    engine = "onnx"
    can_synthesize = False
    methods: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, path: Path, model: Any):
        self.model, self.name = model, model.name if model is not None else path.stem
        with convert_errors(WeightsCorrupted, path):
            content = path.read_bytes()
            session = OnnxRuntimeSession(path)
            self.input = next((i for i in session.session.get_inputs() if i.name == "audio"), session.session.get_inputs()[0])
            self.channels_first = len(self.input.shape) == 4 and self.input.shape[-1] not in (1, 3)
            self.shown = list_layers(content, self.channels_first)
            self.session = session.open_part(add_outputs(content, [layer.output for layer in self.shown]))
        self.layers: list[str] = []

    def compute_activations(self, inputs: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], float]:
        """Return the activations (rows, columns, maps) of all layers, all outputs by name, and the milliseconds."""
        start = time.perf_counter()
        outputs = self.session.outputs(inputs)
        milliseconds = 1000 * (time.perf_counter() - start)
        maps = {layer.name: layer.to_maps(outputs[layer.output]) for layer in self.shown}
        activations = {name: values for name, values in maps.items() if values is not None and values.shape[-1] > 1}
        return activations, outputs, milliseconds

    def compute_saliency(self, inspection: Inspection, unit: str, method: str) -> NoReturn:
        """Raise `KerasRecipesError`: there are no gradients."""
        raise KerasRecipesError(NO_GRADIENTS)

    def compute_signals(self, inspection: Inspection, unit: str, method: str, layer: str) -> NoReturn:
        """Raise `KerasRecipesError`: there are no gradients."""
        raise KerasRecipesError(NO_GRADIENTS)

    def describe_fields(self, inspection: Inspection, layer: str) -> None:
        """Return None: receptive fields are not known."""


class OnnxImageInspector(OnnxInspector):
    """An ONNX file of one image.

    Args:
        path: The file.
        model: See `OnnxInspector`.
        value_range: Black and white in the input of files of other programs.

    Raises:
        KerasRecipesError: It does not take an image.
    """

    kind = "image"

    def __init__(self, path: Path, model: Any = None, value_range: tuple[float, float] = (0.0, 255.0)):
        super().__init__(path, model)
        shape = list(self.input.shape)
        if len(shape) != 4 or (model is None and not is_image_size(shape[1:], self.channels_first)):
            raise KerasRecipesError(f"{path} takes {self.input.name} of shape {shape}: an image of a fixed size is needed")
        self.value_range = (0.0, 255.0) if model is not None else value_range
        self.labels = list(getattr(model, "classes", ()))
        if model is not None:
            self.preprocessing = model.preprocessing
        else:
            channels, *size = shape[1:] if self.channels_first else (shape[3], *shape[1:3])
            self.preprocessing = ImagePreprocessing(tuple(size), tuple(size), channels=channels)
        inspection = self.inspect(np.zeros((8, 8, 3), "uint8"))
        self.layers = list(inspection.activations)
        self.labels = self.labels or number_classes(len(inspection.probabilities))

    def inspect(self, image: Any, stretch: bool = False) -> Inspection:
        """Compute all layers on an image, as `ImageInspector.inspect` does."""
        pixels = images.load_image(image)
        if stretch:
            pixels = stretch_image(pixels, self.preprocessing.resize_to)
        crop = self.preprocessing.center_crop(self.preprocessing.resize(pixels))
        display = np.clip(np.round(crop), 0, 255).astype("uint8")
        low, high = self.value_range
        inputs = (low + (high - low) * crop[None] / 255).astype("float32")
        batch = np.ascontiguousarray(np.moveaxis(inputs, -1, 1)) if self.channels_first else inputs
        activations, outputs, milliseconds = self.compute_activations({self.input.name: batch})
        logits = outputs.get("logits", next(iter(outputs.values())))
        return Inspection(
            inputs, np.repeat(display, 3 // display.shape[-1], axis=-1), activations, to_probabilities(logits[0]), milliseconds
        )


class OnnxSpeechInspector(OnnxInspector):
    """An ONNX file of a speech recognizer that `kerasrecipes export` wrote.

    Args:
        path: The file.
        model: The model that `kerasrecipes.load` opened from it.
    """

    kind = "speech"

    def __init__(self, path: Path, model: Any):
        super().__init__(path, model)
        self.sample_rate = model.sample_rate
        names = getattr(model.alphabet, "symbols", ())
        self.labels = list(names) if getattr(model.alphabet, "num_repetition_symbols", None) is not None else ["blank", *names]
        self.layers = list(self.inspect(np.zeros(self.sample_rate, "float32"), self.sample_rate).activations)

    def inspect(self, audio: Any, sample_rate: int | None = None) -> Inspection:
        """Compute all layers on a recording, as `SpeechInspector.inspect` does."""
        wave = load_audio(audio, sample_rate=sample_rate, target=self.sample_rate)
        check_length(wave, self.sample_rate)
        inputs = {"audio": wave[None], "length": np.array([len(wave)], "int32")}
        activations, _, milliseconds = self.compute_activations(inputs)
        activations = {name: values for name, values in activations.items() if len(values) > 1}
        features = next((v for v in activations.values() if v.shape[1] == 1 and v.shape[2] >= MIN_BANDS), None)
        display = wave[:, None] if features is None else features[:, 0]
        probabilities, facts = recognize(self.model, wave)
        return Inspection(wave[None], display, activations, probabilities, milliseconds, facts)


def is_image_size(shape: list[Any], channels_first: bool) -> bool:
    """Return True if a shape without the batch axis is that of an image of a fixed size."""
    channels = shape[0] if channels_first else shape[-1]
    return all(isinstance(n, int) and n > 0 for n in shape) and channels in (1, 3)
