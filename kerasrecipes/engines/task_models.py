"""Exported networks with the verbs of their tasks, as `load("file.onnx")` returns them. Does not import Keras."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kerasrecipes.audio import Recording
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.criteria import CRITERIA
from kerasrecipes.decoding.phoneme_set import PhonemeSet
from kerasrecipes.engines.long_recordings import WindowedRecognizer
from kerasrecipes.engines.metadata import LOGITS_OUTPUT, ExportedRecipe
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, convert_errors
from kerasrecipes.image import ImagePreprocessing
from kerasrecipes.inference.image_classification import ImageClassificationMixin
from kerasrecipes.inference.image_segmentation import CELL_OFFSETS, TILE_SIZE, ImageSegmentationMixin
from kerasrecipes.inference.phoneme_recognition import PhonemeRecognitionMixin
from kerasrecipes.inference.speech_recognition import SpeechRecognitionMixin
from kerasrecipes.inference.streaming_state import join_logits, stream_blocks
from kerasrecipes.inference.text_generation import TextGenerationMixin
from kerasrecipes.layers.time_geometry import TimeGeometry, compose
from kerasrecipes.tasks.table import TASK_MODELS
from kerasrecipes.utils.sources import is_file_input

CHUNK_SECONDS = 30.0  # of a long recording
MAX_IMAGE_SIDE = 4096  # pixels of a network's input


class EngineModel:
    """A network in an engine.

    Args:
        metadata: Metadata of its file.
        session: Maps inputs by name to logits.
        open_step_session: Opens its streaming file as a session.
    """

    KERAS_ONLY_METHODS = (
        "fit", "evaluate", "compile", "save", "generate", "vocode", "summary", "get_layer", "layers", "weights",
        "get_weights", "set_weights", "load_weights", "count_params",
    )  # fmt: skip

    def __init__(self, metadata: dict[str, Any], session: Any, open_step_session: Callable[[], Any]):
        self.metadata, self.session, self.open_step_session = metadata, session, open_step_session
        self._streaming_model: StreamingSessionModel | None = None
        self.recipe = ExportedRecipe(metadata["recipe"], metadata["task"])
        self.name, self.engine = metadata["recipe"], session.name
        self.decoder_settings = metadata["decoder"]
        self.opening: tuple[Callable[..., Any], tuple[Any, ...]] | None = None  # the call that opened it, for `pickle`

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy the model as the call that opens its file, which must be there where it is opened."""
        if self.opening is None:
            raise KerasRecipesError(f"{self.name} was not opened from a file, so it cannot be pickled or copied")
        return *self.opening, {"decoder_settings": dict(self.decoder_settings)}

    def predict(self, x: Any, **options: Any) -> Any:
        """Do what the verb of the task does on a file or a list of files, for a language model on prompts.

        Raises:
            KerasRecipesError: `x` is an array or another input of a network.
        """
        if not is_file_input(x):
            raise KerasRecipesError(
                f'{self.name} runs in {self.engine}, whose predict takes files: load it with engine="keras", or use predict_logits'
            )
        return getattr(self, TASK_MODELS[self.recipe.task].verb)(x, **options)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).KERAS_ONLY_METHODS:
            raise KerasRecipesError(
                f"{self.__dict__.get('name')} runs in {self.__dict__.get('engine')}, which has no {name}: "
                'load it with engine="keras"'
            )
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def streaming_graph(self) -> "StreamingSessionModel":
        """Return the network over chunks of its input, opened once, as `StreamingState` takes it.

        Raises:
            NotImplementedError: The recipe needs whole utterances.
            KerasRecipesError: The streaming file is missing.
        """
        if "streaming" not in self.metadata:
            raise NotImplementedError("Its file has no states: a layer needs the whole utterance")
        if self._streaming_model is None:
            self._streaming_model = StreamingSessionModel(self.metadata["streaming"], self.open_step_session())
        return self._streaming_model

    def __repr__(self) -> str:
        return f"<{self.name} in {self.engine}: {self.recipe.task}>"


class StreamingSessionModel:
    """A streaming file with the attributes that `StreamingState` needs.

    Args:
        metadata: "streaming" of the file's metadata.
        session: The file in an engine.
    """

    def __init__(self, metadata: dict[str, Any], session: Any):
        self.shapes = [tuple(s) for s in metadata["shapes"]]
        self.shape, self.dtype, self.source = tuple(metadata["shape"]), metadata["dtype"], metadata["source"]
        self.stride, self.width = metadata["stride"], metadata["width"]
        self.geometries = [TimeGeometry(*values) for values in metadata["geometries"]]
        self.session = session

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute y, position and states from x, position, length and states."""
        outputs = self.session.outputs({(self.source if name == "x" else name): v for name, v in inputs.items()})
        states = {name.removeprefix("next_"): v for name, v in outputs.items() if name.startswith("next_")}
        return {"y": outputs[LOGITS_OUTPUT], "position": outputs["frame"], **states}


class EngineSpeechRecognizer(SpeechRecognitionMixin, EngineModel):
    """A speech recognizer with the `transcribe` and `align` of `SpeechRecognizer`."""

    chunk_seconds = CHUNK_SECONDS

    def __init__(self, metadata: dict[str, Any], session: Any, open_step_session: Callable[[], Any]):
        super().__init__(metadata, session, open_step_session)
        self.alphabet: Any = self.make_alphabet(metadata["alphabet"])
        self.sample_rate = metadata["sample_rate"]
        self._windowed: WindowedRecognizer | None = None
        self.geometries = [TimeGeometry(*values) for values in metadata["geometries"]]
        self.geometry = compose(self.geometries)
        transitions = metadata["transitions"]
        self.criterion: Any = CRITERIA[metadata["criterion"]](
            None if transitions is None else np.array(transitions, "float32")
        )

    def make_alphabet(self, config: dict[str, Any]) -> Alphabet:
        return Alphabet.from_value(config)

    def predict_logits(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the logits (batch, frames, symbols) of a padded batch {"audio": (batch, samples), "length": (batch,)}."""
        frames = self.output_length(inputs["audio"].shape[1])
        if frames == 0:
            return np.zeros((len(inputs["audio"]), 0, self.alphabet.vocab_size), "float32")
        return self.session(inputs)[:, :frames]

    def predict_logits_chunked(self, recording: Any) -> np.ndarray:
        """Return the logits (frames, symbols) of a long recording, in memory that grows with the logits only.

        A streaming recipe carries its states from chunk to chunk. Others run in windows that are normalized as in the whole, see
        `kerasrecipes.engines.long_recordings`.

        Args:
            recording: A `kerasrecipes.audio.Recording`, or samples (n,) at the model's rate.
        """
        if not isinstance(recording, Recording):
            recording = Recording.from_samples(np.asarray(recording, "float32"))
        frames = self.output_length(len(recording))
        return join_logits(self.iterate_logits(recording), frames, self.alphabet.vocab_size)

    def iterate_logits(self, recording: Recording) -> Iterator[np.ndarray]:
        """Yield the logits (n, symbols) of consecutive parts of a recording."""
        if "streaming" in self.metadata:
            yield from stream_blocks(self.streaming_graph(), recording.blocks(), round(self.chunk_seconds * self.sample_rate))
            return
        if self._windowed is None:
            with convert_errors(WeightsCorrupted, self.session.path):
                self._windowed = WindowedRecognizer(
                    self.session.path.read_bytes, self.session.open_part, self.geometries, self.sample_rate, self.chunk_seconds
                )
        yield from self._windowed.logits(recording)


class EnginePhonemeRecognizer(PhonemeRecognitionMixin, EngineSpeechRecognizer):
    """A phoneme recognizer with the `transcribe` and `posteriors` of `PhonemeRecognizer`."""

    def __init__(self, metadata: dict[str, Any], session: Any, open_step_session: Callable[[], Any]):
        super().__init__(metadata, session, open_step_session)
        self.batch_limits = metadata["batch_limits"]
        self.chunk_seconds = min(CHUNK_SECONDS, self.batch_limits.get("batch_seconds", CHUNK_SECONDS))

    def make_alphabet(self, config: dict[str, Any]) -> Alphabet:
        return PhonemeSet.from_value(config)


class EngineImageModel(EngineModel):
    """Base class of classifiers and segmenters: names of classes, and logits of images."""

    def __init__(self, metadata: dict[str, Any], session: Any, open_step_session: Callable[[], Any]):
        super().__init__(metadata, session, open_step_session)
        self.classes = tuple(metadata["classes"])

    def predict_logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of a batch of images (batch, height, width, channels), 0 to 255."""
        return self.session(dict.fromkeys(self.session.input_names, np.asarray(images, "float32")))


class EngineImageClassifier(ImageClassificationMixin, EngineImageModel):
    """A classifier with the `classify` of `ImageClassifier`."""

    def __init__(self, metadata: dict[str, Any], session: Any, open_step_session: Callable[[], Any]):
        super().__init__(metadata, session, open_step_session)
        options = dict(metadata["preprocessing"])
        sizes = [tuple(options.pop(key)) for key in ("resize_to", "crop_size")]
        if not all(len(size) == 2 and all(type(n) is int and 0 < n <= MAX_IMAGE_SIDE for n in size) for size in sizes):
            raise WeightsCorrupted(f"{self.name} names the image sizes {sizes!r:.80}: export the model again")
        resize_to, crop_size = sizes
        self.preprocessing = ImagePreprocessing(resize_to, crop_size, **options)


class EngineSegmenter(ImageSegmentationMixin, EngineImageModel):
    """A segmenter with the `segment` of `Segmenter`, without tiles."""

    def __init__(self, metadata: dict[str, Any], session: Any, open_step_session: Callable[[], Any]):
        super().__init__(metadata, session, open_step_session)
        self.stride, self.margin = metadata["stride"], metadata["margin"]
        self.alignment = metadata.get("alignment", "center")
        if self.alignment not in list(CELL_OFFSETS):
            raise WeightsCorrupted(f"{self.name} names the alignment {self.alignment!r:.80}: export the model again")
        self.palette = np.array(metadata["palette"], "uint8")

    def predict_cell_logits(self, image: np.ndarray, tile_size: int = TILE_SIZE) -> np.ndarray:
        """Return the logits (rows, columns, classes) of one image (height, width, 3). `tile_size` has no effect."""
        return super().predict_logits(self.preprocess(image[None]))[0]


class EngineLanguageModel(TextGenerationMixin, EngineModel):
    """A language model with the `generate`, `log_probabilities` and `bits_per_character` of `LanguageModel`."""

    def __init__(self, metadata: dict[str, Any], session: Any, open_step_session: Callable[[], Any]):
        super().__init__(metadata, session, open_step_session)
        self.alphabet = Alphabet.from_value(metadata["alphabet"])

    def predict_logits(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the logits (batch, steps, symbols) of a padded batch {"symbols": (batch, steps), "length": (batch,)}."""
        return self.session(inputs)


ENGINE_MODELS: dict[str, type[EngineModel]] = {
    "speech-recognition": EngineSpeechRecognizer,
    "phoneme-recognition": EnginePhonemeRecognizer,
    "image-classification": EngineImageClassifier,
    "segmentation": EngineSegmenter,
    "language-model": EngineLanguageModel,
}
