"""Exported networks with the verbs of their tasks: what `load("file.onnx")` gives. No Keras."""

from typing import Any

import numpy as np

from kerasrecipes import image
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.criteria import READINGS
from kerasrecipes.decoding.phoneset import PhoneSet
from kerasrecipes.engines.description import Exported
from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.geometry import TimeGeometry, chain
from kerasrecipes.tasks.classifying import Classifies
from kerasrecipes.tasks.recognizing import Recognizes
from kerasrecipes.tasks.recognizing_phones import RecognizesPhones
from kerasrecipes.tasks.segmenting import TILE, Segments

LONGEST = 1800.0  # seconds of a recording that is scored at once: some 3 GB for deepspeech2_small


class Engine:
    """A network in an engine.

    Args:
        told: the description in its file. session: from inputs by name to scores.
    """

    keras_only = ("fit", "evaluate", "compile", "save", "predict", "stream", "generate", "summary", "get_layer")

    def __init__(self, told: dict[str, Any], session: Any):
        self.told, self.session = told, session
        self.recipe = Exported(told["recipe"], told["task"])
        self.name, self.engine = told["recipe"], session.name
        self.decoder_settings = told["decoder"]

    def __getattr__(self, name: str) -> Any:
        if name in type(self).keras_only:
            raise KerasRecipesError(
                f"{self.__dict__.get('name')} runs in {self.__dict__.get('engine')}, which has no {name}: "
                'load it with engine="keras"'
            )
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<{self.name} in {self.engine}: {self.recipe.task}>"


class SpeechEngine(Recognizes, Engine):
    """A recogniser of speech: `transcribe` and `align` as of `SpeechRecognizer`."""

    def __init__(self, told: dict[str, Any], session: Any):
        super().__init__(told, session)
        self.alphabet: Any = self.symbols(told["alphabet"])
        self.sample_rate = told["sample_rate"]
        self.geometries = [TimeGeometry(*values) for values in told["geometries"]]
        self.geometry = chain(self.geometries)
        transitions = told["transitions"]
        self.criterion: Any = READINGS[told["criterion"]](
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

    def long_scores(self, wave: np.ndarray) -> np.ndarray:
        """Scores (frames, symbols) of a long recording in one piece: exact, in memory that grows with it.

        Raises:
            AudioError: it is longer than `LONGEST` seconds.
        """
        if len(wave) > LONGEST * self.sample_rate:
            raise AudioError(
                f"A recording of {len(wave) / self.sample_rate / 60:.0f} min is too long for {self.engine}, which scores it in "
                f'one piece of at most {LONGEST / 60:.0f} min: cut it, or load {self.name} with engine="keras"'
            )
        return self.scores({"audio": wave[None].astype("float32"), "length": np.array([len(wave)], "int32")})[0]


class PhoneEngine(RecognizesPhones, SpeechEngine):
    """A recogniser of phones: `transcribe` and `posteriors` as of `PhoneRecognizer`."""

    def symbols(self, config: dict[str, Any]) -> Alphabet:
        return PhoneSet.of(config)


class PictureEngine(Engine):
    """What classifiers and segmenters share: names of classes, and scores of pictures."""

    def __init__(self, told: dict[str, Any], session: Any):
        super().__init__(told, session)
        self.classes = tuple(told["classes"])

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        """The network on a batch (batch, height, width, channels), 0 to 255; no softmax."""
        return self.session({"picture": np.asarray(pictures, "float32")})


class ClassifierEngine(Classifies, PictureEngine):
    """A classifier: `classify` as of `ImageClassifier`."""

    def __init__(self, told: dict[str, Any], session: Any):
        super().__init__(told, session)
        rule = dict(told["preparation"])
        self.preparation = image.Preparation(
            canvas=tuple(rule.pop("canvas")), size=tuple(rule.pop("size")), **rule
        )  # fmt: skip


class SegmenterEngine(Segments, PictureEngine):
    """A segmenter: `segment` as of `Segmenter`, a picture in one piece."""

    def __init__(self, told: dict[str, Any], session: Any):
        super().__init__(told, session)
        self.stride, self.margin = told["stride"], told["margin"]
        self.palette = np.array(told["palette"], "uint8")

    def cell_scores(self, picture: np.ndarray, tile: int = TILE) -> np.ndarray:
        """Scores (rows, columns, classes) of one picture (height, width, 3); `tile` changes nothing here."""
        return self.scores(self.inputs_of(picture[None]))[0]


MODELS: dict[str, type[Engine]] = {
    "speech-recognition": SpeechEngine,
    "phoneme-recognition": PhoneEngine,
    "image-classification": ClassifierEngine,
    "segmentation": SegmenterEngine,
}
