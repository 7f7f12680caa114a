# Written by tools/write_stubs.py. Do not edit.
# ruff: noqa: I001, RUF100
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, overload
from kerasrecipes import batch as batch
from kerasrecipes import data as data
from kerasrecipes import data_prep as data_prep
from kerasrecipes import decoding as decoding
from kerasrecipes import engines as engines
from kerasrecipes import experiments as experiments
from kerasrecipes import export as export
from kerasrecipes import graph as graph
from kerasrecipes import image as image
from kerasrecipes import layers as layers
from kerasrecipes import losses as losses
from kerasrecipes import metrics as metrics
from kerasrecipes import recipes as recipes
from kerasrecipes import visualize as visualize
from kerasrecipes.audio import load_audio as load_audio
from kerasrecipes.decoding.alphabet import Alphabet as Alphabet
from kerasrecipes.decoding.phoneme_set import PhonemeSet as PhonemeSet
from kerasrecipes.errors import AudioError as AudioError
from kerasrecipes.errors import BackendUnavailable as BackendUnavailable
from kerasrecipes.errors import DataError as DataError
from kerasrecipes.errors import ExportError as ExportError
from kerasrecipes.errors import ImageError as ImageError
from kerasrecipes.errors import KerasRecipesError as KerasRecipesError
from kerasrecipes.errors import RecipeNotFound as RecipeNotFound
from kerasrecipes.errors import WeightsCorrupted as WeightsCorrupted
from kerasrecipes.errors import WeightsUnavailable as WeightsUnavailable
from kerasrecipes.hub.catalog import list_recipes as list_recipes
from kerasrecipes.image import load_image as load_image
from kerasrecipes.inference.image_segmentation import Segmentation as Segmentation
from kerasrecipes.loading import predict as predict
from kerasrecipes.registry import Recipe as Recipe
from kerasrecipes.registry import get_recipe as get_recipe
from kerasrecipes.registry import register as register
from kerasrecipes.results import AudioClip as AudioClip
from kerasrecipes.results import Classification as Classification
from kerasrecipes.results import Transcript as Transcript
from kerasrecipes.results import Word as Word
from kerasrecipes.engines.task_models import EngineImageClassifier as _EngineImageClassifier
from kerasrecipes.engines.task_models import EngineLanguageModel as _EngineLanguageModel
from kerasrecipes.engines.task_models import EnginePhonemeRecognizer as _EnginePhonemeRecognizer
from kerasrecipes.engines.task_models import EngineSegmenter as _EngineSegmenter
from kerasrecipes.engines.task_models import EngineSpeechRecognizer as _EngineSpeechRecognizer
from kerasrecipes.tasks.image_classifier import ImageClassifier as ImageClassifier
from kerasrecipes.tasks.language_model import LanguageModel as LanguageModel
from kerasrecipes.tasks.phoneme_recognizer import PhonemeRecognizer as PhonemeRecognizer
from kerasrecipes.tasks.segmenter import Segmenter as Segmenter
from kerasrecipes.tasks.speech_recognizer import SpeechRecognizer as SpeechRecognizer
from kerasrecipes.tasks.wave_generator import WaveNetGenerator as WaveNetGenerator

_SpeechRecognition: TypeAlias = Literal[
    "deepspeech1", "deepspeech1_mozilla", "deepspeech1_noisy", "deepspeech1_small", "deepspeech1_switchboard",
    "deepspeech2", "deepspeech2_1x1d", "deepspeech2_1x2d", "deepspeech2_2x1d", "deepspeech2_2x2d",
    "deepspeech2_3x1d", "deepspeech2_3x2d", "deepspeech2_70m", "deepspeech2_icml", "deepspeech2_openseq2seq",
    "deepspeech2_pytorch", "deepspeech2_small", "deepspeech2_streaming_small", "deepspeech_mozilla_0_9_3",
    "deepspeech_pytorch_v2", "deepspeech_pytorch_v3", "wav2letter", "wav2letter_arm", "wav2letter_arm_int8",
    "wav2letter_arm_librispeech", "wav2letter_arm_pruned_int8", "wav2letter_mfcc39", "wav2letter_plus",
    "wav2letter_power_spectrum", "wav2letter_raw", "wav2letter_raw_small", "wav2letter_small",
    "wav2letter_small_asg",
]
_PhonemeRecognition: TypeAlias = Literal[
    "palaz_mfcc_small", "palaz_raw", "palaz_raw_small", "palaz_raw_small_frames", "wavenet_asr",
    "wavenet_asr_small",
]
_ImageClassification: TypeAlias = Literal[
    "bvlc_caffenet", "caffenet", "caffenet_yos", "convnetjs_cifar10", "convnetjs_mnist", "squeezenet",
    "squeezenet_v1_0_authors", "squeezenet_v1_1", "squeezenet_v1_1_authors", "zfnet", "zfnet_small",
    "zfnet_wide",
]
_Segmentation: TypeAlias = Literal[
    "dilated_camvid_small", "dilation10_cityscapes", "dilation10_cityscapes_authors", "dilation7_kitti",
    "dilation7_kitti_authors", "dilation8_camvid", "dilation8_camvid_authors", "dilation8_voc",
    "dilation8_voc_authors", "dilation8_voc_basic", "dilation_voc_front", "vgg16",
]
_WaveformGeneration: TypeAlias = Literal[
    "wavenet", "wavenet_small",
]
_LanguageModel: TypeAlias = Literal[
    "char_rnn_gru", "char_rnn_lstm", "char_rnn_rnn", "char_rnn_small",
]
class _Name(Protocol):
    def removeprefix(self, prefix: str, /) -> str: ...


@overload
def load(
    name: _SpeechRecognition, *, alphabet: Any = None, weights: str | Path | None = "default",
    compile: bool = True, engine: Literal["keras"] | None = None, **config: Any,
) -> SpeechRecognizer:
    """Return a model of the task speech-recognition, whose verb is `transcribe`. See `kerasrecipes.loading.load`."""

@overload
def load(
    name: _SpeechRecognition, *, engine: Literal["onnxruntime", "openvino"],
    engine_precision: str | None = None,
) -> _EngineSpeechRecognizer:
    """Return an exported model without Keras, whose verb is `transcribe`."""

@overload
def load(
    name: _PhonemeRecognition, *, alphabet: Any = None, weights: str | Path | None = "default",
    compile: bool = True, engine: Literal["keras"] | None = None, **config: Any,
) -> PhonemeRecognizer:
    """Return a model of the task phoneme-recognition, whose verb is `transcribe`. See `kerasrecipes.loading.load`."""

@overload
def load(
    name: _PhonemeRecognition, *, engine: Literal["onnxruntime", "openvino"],
    engine_precision: str | None = None,
) -> _EnginePhonemeRecognizer:
    """Return an exported model without Keras, whose verb is `transcribe`."""

@overload
def load(
    name: _ImageClassification, *, classes: Sequence[str] | int | None = None, weights: str | Path | None = "default",
    compile: bool = True, engine: Literal["keras"] | None = None, **config: Any,
) -> ImageClassifier:
    """Return a model of the task image-classification, whose verb is `classify`. See `kerasrecipes.loading.load`."""

@overload
def load(
    name: _ImageClassification, *, engine: Literal["onnxruntime", "openvino"],
    engine_precision: str | None = None,
) -> _EngineImageClassifier:
    """Return an exported model without Keras, whose verb is `classify`."""

@overload
def load(
    name: _Segmentation, *, classes: Sequence[str] | int | None = None, weights: str | Path | None = "default",
    compile: bool = True, engine: Literal["keras"] | None = None, **config: Any,
) -> Segmenter:
    """Return a model of the task segmentation, whose verb is `segment`. See `kerasrecipes.loading.load`."""

@overload
def load(
    name: _Segmentation, *, engine: Literal["onnxruntime", "openvino"],
    engine_precision: str | None = None,
) -> _EngineSegmenter:
    """Return an exported model without Keras, whose verb is `segment`."""

@overload
def load(
    name: _WaveformGeneration, *, weights: str | Path | None = "default",
    compile: bool = True, engine: Literal["keras"] | None = None, **config: Any,
) -> WaveNetGenerator:
    """Return a model of the task waveform-generation, whose verb is `generate`. See `kerasrecipes.loading.load`."""

@overload
def load(
    name: _LanguageModel, *, alphabet: Any = None, weights: str | Path | None = "default",
    compile: bool = True, engine: Literal["keras"] | None = None, **config: Any,
) -> LanguageModel:
    """Return a model of the task language-model, whose verb is `generate`. See `kerasrecipes.loading.load`."""

@overload
def load(
    name: _LanguageModel, *, engine: Literal["onnxruntime", "openvino"],
    engine_precision: str | None = None,
) -> _EngineLanguageModel:
    """Return an exported model without Keras, whose verb is `generate`."""

@overload
def load(
    name: _Name | PathLike[str], *, alphabet: Any = None, classes: Any = None, weights: Any = "default", compile: bool = True,
    engine: str | None = None, engine_precision: str | None = None, **config: Any,
) -> Any:
    """Return the model of a file, a run, a hub reference or a recipe. See `kerasrecipes.loading.load`."""

__version__: str
