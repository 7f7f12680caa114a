"""kerasrecipes: the classic convolutional and recurrent recipes for speech and images, with weights, in Keras 3.

>>> import kerasrecipes as kr
>>> kr.load("deepspeech2_small").transcribe("talk.flac").text

Everything is imported at its first use: `import kerasrecipes` loads neither Keras nor a backend.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "load": "loading",
    "predict": "loading",
    "list_recipes": "registry",
    "get_recipe": "registry",
    "Recipe": "registry",
    "SpeechRecognizer": "tasks.speech",
    "PhoneRecognizer": "tasks.phones",
    "WaveGenerator": "tasks.waves",
    "Alphabet": "decoding.alphabet",
    "PhoneSet": "decoding.phoneset",
    "Transcript": "results",
    "Word": "results",
    "Sound": "results",
    "read_audio": "audio",
    "ImageClassifier": "tasks.images",
    "Segmenter": "tasks.segmentation",
    "Classification": "results",
    "Segmentation": "tasks.segmenting",
    "read_image": "image",
    "batch": None,
    "image": None,
    "data": None,
    "engines": None,
    "export": None,
    "layers": None,
    "losses": None,
    "metrics": None,
    "recipes": None,
    "visualize": None,
    **dict.fromkeys(
        (
            "KerasRecipesError", "RecipeNotFound", "WeightsUnavailable", "WeightsCorrupt", "AudioError", "ImageError",
            "DataError", "BackendUnavailable", "ExportError",
        ),
        "errors",
    ),
}  # fmt: skip

KERAS = ("tasks.speech", "tasks.phones", "tasks.waves", "tasks.images", "tasks.segmentation", "losses")

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'kerasrecipes' has no attribute {name!r}")
    where = _WHERE[name]
    if where in KERAS or name in KERAS:
        importlib.import_module("kerasrecipes._lazy").choose_backend()
    if where is None:
        return importlib.import_module(f"kerasrecipes.{name}")
    return getattr(importlib.import_module(f"kerasrecipes.{where}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
