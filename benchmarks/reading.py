"""Reading speech: this package's recognizers, faster-whisper and PocketSphinx on the same clips, from a file to words.

The readers are those of `bench.py`. `pocketsphinx_baseline.py` compares word errors on more clips, with intervals.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from child_process import Unavailable, make_folder, require_package

import kerasrecipes as kr
from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.utils.environment import num_threads
from kerasrecipes.utils.files import first_line

CLIPS = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "LibriSpeech" / "dev-mini"
Reader = Callable[[str], str]  # from a path to words


def load_package(recipe: str, engine: str, **options: Any) -> Reader:
    """Return a recognizer of this package. The options are those of `transcribe`."""
    if engine == "openvino":
        require_package("openvino", "openvino")
    model = kr.load(recipe, engine=engine, **({"compile": False} if engine == "keras" else {}))
    return lambda path: model.transcribe(path, **options).text


def load_whisper(model: str, **options: Any) -> Reader:
    """Return faster-whisper in 8-bit integers. `model` is a name that it downloads, or a folder."""
    require_package("faster_whisper", "teacher")
    from faster_whisper import WhisperModel

    try:
        whisper = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=num_threads())
    except Exception as error:  # faster-whisper and CTranslate2 raise many classes
        hint = "pass --whisper FOLDER with its files in CTranslate2's format"
        raise Unavailable(f"faster-whisper cannot load {model} ({first_line(error)}): {hint}") from error
    return lambda path: " ".join(segment.text for segment in whisper.transcribe(path, language="en", **options)[0])


def load_pocketsphinx() -> Reader:
    """Return PocketSphinx with its own model of US English."""
    require_package("pocketsphinx", "phones")
    from kerasrecipes.experiments.copy_synthesis import PocketSphinxRecognizer

    recognizer = PocketSphinxRecognizer()
    return lambda path: recognizer(load_audio(path))


READERS = {"kerasrecipes": load_package, "whisper": load_whisper, "pocketsphinx": load_pocketsphinx}


def join_clips(paths: list[str], seconds: float) -> str:
    """Write one recording of the clips, again and again, and return its path."""
    waves = np.concatenate([load_audio(path) for path in paths])
    path = str(make_folder() / "long.flac")
    soundfile.write(path, np.resize(waves, round(seconds * SAMPLE_RATE)), SAMPLE_RATE)
    return path


def make_reading(reader: str, options: dict[str, Any], seconds: float = 0) -> Callable[[], dict]:
    """Return a function that reads the tests' clips, or one recording made of them.

    Args:
        reader: Name in `READERS`.
        options: Arguments of its function.
        seconds: Length of the recording in seconds. Default: 0, which reads each clip.
    """
    read = READERS[reader](**options)
    utterances = list(kr.data.load_datasets([f"librispeech:{CLIPS}"], []))
    paths = [str(utterance.path) for utterance in utterances]
    sources = [join_clips(paths, seconds)] if seconds else paths
    amount = sum(len(load_audio(path)) for path in sources) / SAMPLE_RATE
    normalize = Alphabet().normalize
    references = [normalize(utterance.text) for utterance in utterances]

    def work() -> dict:
        texts = [normalize(read(path)) for path in sources]
        if seconds:
            return {"amount": amount}
        errors = kr.metrics.word_error_rate(references, texts)
        return {"amount": amount, "note": f"{round(errors.rate * errors.total)} of {errors.total} words wrong"}

    for path in sources if options.get("engine") == "keras" else paths[:1]:
        read(path)  # Keras compiles for each length
    return work
