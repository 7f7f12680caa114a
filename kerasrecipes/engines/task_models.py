"""Exported networks with the verbs of their tasks: what `load("file.onnx")` gives. No Keras."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasrecipes import image
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.criteria import CRITERIA
from kerasrecipes.decoding.phoneme_set import PhonemeSet
from kerasrecipes.engines.metadata import LOGITS_OUTPUT, ExportedRecipe
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.inference.image_classification import ImageClassificationMixin
from kerasrecipes.inference.image_segmentation import TILE_SIZE, ImageSegmentationMixin
from kerasrecipes.inference.phoneme_recognition import PhonemeRecognitionMixin
from kerasrecipes.inference.speech_recognition import SpeechRecognitionMixin
from kerasrecipes.inference.text_generation import TextGenerationMixin
from kerasrecipes.layers.time_geometry import TimeGeometry, compose

MAX_UNCHUNKED_SECONDS = 600.0  # seconds of a recording that are scored at once: some 1 GB for deepspeech2_small
CONTEXT_SECONDS = 6.0  # seconds


class EngineModel:
    """A network in an engine.

    Args:
        told: the description in its file. session: from inputs by name to scores.
        steps: opens the file of its pieces, as a session.
    """

    KERAS_ONLY_METHODS = (
        "fit", "evaluate", "compile", "save", "predict", "generate", "vocode", "summary", "get_layer", "layers", "weights",
        "get_weights", "set_weights", "load_weights", "count_params",
    )  # fmt: skip

    def __init__(self, told: dict[str, Any], session: Any, steps: Callable[[], Any]):
        self.told, self.session, self.steps = told, session, steps
        self._pieces: StreamingSessionModel | None = None
        self.recipe = ExportedRecipe(told["recipe"], told["task"])
        self.name, self.engine = told["recipe"], session.name
        self.decoder_settings = told["decoder"]

    def __getattr__(self, name: str) -> Any:
        if name in type(self).KERAS_ONLY_METHODS:
            raise KerasRecipesError(
                f"{self.__dict__.get('name')} runs in {self.__dict__.get('engine')}, which has no {name}: "
                'load it with engine="keras"'
            )
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def streaming_graph(self) -> "StreamingSessionModel":
        """The network over pieces of its input, opened once, as `kerasrecipes.inference.streaming_state.StreamingState` takes it.

        Raises:
            NotImplementedError: the recipe sees whole utterances. KerasRecipesError: the file of its pieces is missing.
        """
        if "pieces" not in self.told:
            raise NotImplementedError("Its file has no states: a layer sees the whole utterance")
        if self._pieces is None:
            self._pieces = StreamingSessionModel(self.told["pieces"], self.steps())
        return self._pieces

    def __repr__(self) -> str:
        return f"<{self.name} in {self.engine}: {self.recipe.task}>"


class StreamingSessionModel:
    """A file that takes one piece after another, with what `kerasrecipes.inference.streaming_state.StreamingState` asks of a network.

    Args:
        told: "pieces" of the file's description. session: the file in an engine.
    """

    def __init__(self, told: dict[str, Any], session: Any):
        self.shapes = [tuple(s) for s in told["shapes"]]
        self.shape, self.dtype, self.source = tuple(told["shape"]), told["dtype"], told["source"]
        self.stride, self.width = told["stride"], told["width"]
        self.geometries = [TimeGeometry(*values) for values in told["geometries"]]
        self.session = session

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """From x, position, length and states to y, position and states."""
        found = self.session.outputs({(self.source if name == "x" else name): v for name, v in inputs.items()})
        states = {name.removeprefix("next_"): v for name, v in found.items() if name.startswith("next_")}
        return {"y": found[LOGITS_OUTPUT], "position": found["frame"], **states}


class EngineSpeechRecognizer(SpeechRecognitionMixin, EngineModel):
    """A recogniser of speech: `transcribe` and `align` as of `SpeechRecognizer`."""

    longest = MAX_UNCHUNKED_SECONDS

    def __init__(self, told: dict[str, Any], session: Any, steps: Callable[[], Any]):
        super().__init__(told, session, steps)
        self.alphabet: Any = self.symbols(told["alphabet"])
        self.sample_rate = told["sample_rate"]
        self.geometries = [TimeGeometry(*values) for values in told["geometries"]]
        self.geometry = compose(self.geometries)
        transitions = told["transitions"]
        self.criterion: Any = CRITERIA[told["criterion"]](
            None if transitions is None else np.array(transitions, "float32")
        )

    def symbols(self, config: dict[str, Any]) -> Alphabet:
        return Alphabet.of(config)

    def scores(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The network on one padded batch: {"audio": (batch, samples), "length": (batch,)} -> (batch, frames, symbols)."""
        frames = self.output_length(inputs["audio"].shape[1])
        if frames == 0:
            return np.zeros((len(inputs["audio"]), 0, self.alphabet.size), "float32")
        return self.session(inputs)[:, :frames]

    def predict_logits_chunked(self, wave: np.ndarray) -> np.ndarray:
        """Scores (frames, symbols) of a long recording: in one piece, exact, up to `longest` seconds; beyond, in pieces of
        that length which see `CONTEXT` seconds of each other, and of which each is normalised by its own statistics."""
        if len(wave) <= self.longest * self.sample_rate:
            return self.alone(wave)
        frames, step = self.output_length(len(wave)), round(self.longest * self.sample_rate / self.stride)
        context = round(CONTEXT_SECONDS * self.sample_rate / self.stride)
        found = []
        for begin in range(0, frames, step):
            first, end = max(begin - context, 0), min(begin + step, frames)
            last = len(wave) if end + context >= frames else (end + context) * self.stride
            found.append(self.alone(wave[first * self.stride : last])[begin - first : end - first])
        return np.concatenate(found)

    def alone(self, wave: np.ndarray) -> np.ndarray:
        """Scores (frames, symbols) of a wave (samples,)."""
        return self.scores({"audio": wave[None].astype("float32"), "length": np.array([len(wave)], "int32")})[0]


class EnginePhonemeRecognizer(PhonemeRecognitionMixin, EngineSpeechRecognizer):
    """A recogniser of phones: `transcribe` and `posteriors` as of `PhoneRecognizer`."""

    def __init__(self, told: dict[str, Any], session: Any, steps: Callable[[], Any]):
        super().__init__(told, session, steps)
        self.at_once = told["at_once"]
        self.longest = self.at_once.get("long_seconds", MAX_UNCHUNKED_SECONDS)

    def symbols(self, config: dict[str, Any]) -> Alphabet:
        return PhonemeSet.of(config)


class EngineImageModel(EngineModel):
    """What classifiers and segmenters share: names of classes, and scores of pictures."""

    def __init__(self, told: dict[str, Any], session: Any, steps: Callable[[], Any]):
        super().__init__(told, session, steps)
        self.classes = tuple(told["classes"])

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        """The network on a batch (batch, height, width, channels), 0 to 255; no softmax."""
        return self.session({"picture": np.asarray(pictures, "float32")})


class EngineImageClassifier(ImageClassificationMixin, EngineImageModel):
    """A classifier: `classify` as of `ImageClassifier`."""

    def __init__(self, told: dict[str, Any], session: Any, steps: Callable[[], Any]):
        super().__init__(told, session, steps)
        rule = dict(told["preparation"])
        self.preparation = image.ImagePreprocessing(
            canvas=tuple(rule.pop("canvas")), size=tuple(rule.pop("size")), **rule
        )  # fmt: skip


class EngineSegmenter(ImageSegmentationMixin, EngineImageModel):
    """A segmenter: `segment` as of `Segmenter`, a picture in one piece."""

    def __init__(self, told: dict[str, Any], session: Any, steps: Callable[[], Any]):
        super().__init__(told, session, steps)
        self.stride, self.margin = told["stride"], told["margin"]
        self.palette = np.array(told["palette"], "uint8")

    def predict_logits(self, picture: np.ndarray, tile: int = TILE_SIZE) -> np.ndarray:
        """Scores (rows, columns, classes) of one picture (height, width, 3); `tile` changes nothing here."""
        return self.scores(self.preprocess(picture[None]))[0]


class EngineLanguageModel(TextGenerationMixin, EngineModel):
    """A language model: `generate`, `log_probabilities` and `bits_per_character` as of `LanguageModel`."""

    def __init__(self, told: dict[str, Any], session: Any, steps: Callable[[], Any]):
        super().__init__(told, session, steps)
        self.alphabet = Alphabet.of(told["alphabet"])

    def scores(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The network on one padded batch: {"symbols": (batch, steps), "length": (batch,)} -> (batch, steps, symbols)."""
        return self.session(inputs)


ENGINE_MODELS: dict[str, type[EngineModel]] = {
    "speech-recognition": EngineSpeechRecognizer,
    "phoneme-recognition": EnginePhonemeRecognizer,
    "image-classification": EngineImageClassifier,
    "segmentation": EngineSegmenter,
    "language-model": EngineLanguageModel,
}
