"""Kokoro-82M with its English voices and mixtures of two, from a folder with its ONNX file."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.data_prep.voices import SpeechClip, punctuate
from kerasrecipes.errors import DataError

SAMPLE_RATE = 24000
STYLE_SIZE = 256
# voices of which Whisper base misread 12 to 17 % of the words, twice to three times as many as of the others
UNCLEAR_VOICES = frozenset(("am_echo", "am_santa", "bm_daniel", "bm_fable", "bm_george"))
ENGLISH_PREFIXES = ("af_", "am_", "bf_", "bm_")  # American and British, female and male
MIXTURE_SHARE = 0.5  # of the clips
MIXTURE_WEIGHTS = (0.3, 0.7)
SPEEDS = (0.85, 1.2)


class KokoroVoice:
    """Speaks with Kokoro-82M, every clip with another voice, rate, and in half of the cases a mixture of two voices.

    Args:
        voice_folder: Folder with one `.onnx` file of Kokoro-82M v1.0, `voices/*.bin` (float32 styles of 256 values, one for each number
            of phonemes), and `vocab.json` or `config.json` with the entry "vocab" (phoneme to number).

    Raises:
        DataError: The folder lacks one of these, or hibari-tts, which gives the phonemes, is not installed.
    """

    def __init__(self, voice_folder: str | Path = ""):
        if not str(voice_folder):
            raise DataError(
                "The voice kokoro needs --voice-folder FOLDER with Kokoro-82M's .onnx file, voices and vocabulary"
            )
        try:
            from hibari.g2p import G2P
        except ImportError:
            raise DataError(
                'The voice kokoro takes phonemes from the package hibari-tts: pip install "kerasrecipes[voices]"'
            ) from None
        import onnxruntime

        folder = Path(voice_folder)
        models = sorted(folder.glob("*.onnx"))
        tables = [path for path in (folder / "vocab.json", folder / "config.json") if path.is_file()]
        self.styles = {
            path.stem: np.fromfile(path, "float32").reshape(-1, STYLE_SIZE)
            for path in sorted(folder.glob("voices/*.bin"))
            if path.stem.startswith(ENGLISH_PREFIXES) and path.stem not in UNCLEAR_VOICES
        }
        if len(models) != 1 or not tables or not self.styles:
            raise DataError(
                f"{folder} needs one .onnx file, vocab.json or config.json, and English voices in voices/*.bin, but has "
                f"{len(models)} .onnx files, {'a' if tables else 'no'} vocabulary and {len(self.styles)} such voices"
            )
        self.vocabulary: dict[str, int] = json.loads(tables[0].read_text("utf-8"))["vocab"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session: Any = onnxruntime.InferenceSession(str(models[0]), options, providers=["CPUExecutionProvider"])
        self.ids_name = self.session.get_inputs()[0].name  # exports differ in this name only
        self.g2p: dict[bool, Any] = {british: G2P(british=british) for british in (False, True)}

    def speak(self, sentence: str, number: int, rng: np.random.Generator) -> SpeechClip:
        """Speak a sentence with a voice that the random numbers choose. The speaker's name holds the voices."""
        names = list(self.styles)
        first, second = (names[i] for i in rng.choice(len(names), 2, replace=len(names) < 2))
        weight, speed = rng.uniform(*MIXTURE_WEIGHTS), rng.uniform(*SPEEDS)
        if rng.random() >= MIXTURE_SHARE:
            second, weight = first, 1.0
        phonemes = self.g2p[first.startswith("b")](punctuate(sentence))
        ids = [self.vocabulary[p] for p in phonemes if p in self.vocabulary]
        longest = min(len(self.styles[first]), len(self.styles[second]))
        if not 0 < len(ids) <= longest:
            raise DataError(
                f"Kokoro could not say {sentence!r}: it has {len(ids)} phonemes, 1 to {longest} are possible"
            )
        style = weight * self.styles[first][len(ids) - 1] + (1 - weight) * self.styles[second][len(ids) - 1]
        inputs = {
            self.ids_name: np.array([[0, *ids, 0]], "int64"), "style": style[None].astype("float32"),
            "speed": np.array([speed], "float32"),
        }  # fmt: skip
        samples = np.asarray(self.session.run(None, inputs)[0], "float32").ravel()
        samples /= max(1.0, float(np.abs(samples).max()))
        return SpeechClip(samples, SAMPLE_RATE, f"kokoro-{first if second == first else f'{first}+{second}'}")
