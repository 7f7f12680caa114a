"""Waveform generation: a network over samples, its speakers, and the verbs `generate` and `vocode`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, overload

import keras
import numpy as np

from kerasrecipes.audio import load_audio
from kerasrecipes.errors import AudioError, DataError
from kerasrecipes.layers import mu_law
from kerasrecipes.layers.mfcc import LogMelSpectrogram
from kerasrecipes.layers.wavenet_stack import receptive_field
from kerasrecipes.registry import get_recipe
from kerasrecipes.results import AudioClip
from kerasrecipes.tasks.base import NextSymbolModel
from kerasrecipes.utils.sources import FileContent

Progress: TypeAlias = Callable[[float, float], Any]


@keras.saving.register_keras_serializable("kerasrecipes")
class WaveNetGenerator(NextSymbolModel):
    """A WaveNet: {"audio": (batch, samples), "length": (batch,), ...} -> logits (batch, samples, codes) of the next sample.

    Args:
        recipe: Name of a registered recipe.
        config: Changes to the recipe's configuration. `speakers` is a list of names.

    Example:
        >>> model = kerasrecipes.load("wavenet_small")
        >>> model.generate(2.0, seed=1, speaker="lj").save("babble.wav")
        >>> model.vocode("talk.flac", speaker="kathleen").save("copy.wav")
    """

    default_optimizer: Mapping[str, Any] = {"learning_rate": 1e-3, "weight_decay": 0.0, "global_clipnorm": 1.0}

    def __init__(self, recipe: str, config: dict | None = None, **kwargs: Any):
        config = dict(config or {})
        if "speakers" in config:
            config["speakers"] = tuple(str(s).lower() for s in config["speakers"])
        super().__init__(get_recipe(recipe), config, **kwargs)
        c = self.hparams = {**self.recipe.config, **config}
        self.sample_rate, self.quantization_levels, self.speakers = (
            c["sample_rate"],
            c["quantization_channels"],
            tuple(c["speakers"]),
        )
        self.n_mels, self.hop_length = c["n_mels"], c["mel_hop_length"]
        dilations = self.get_layer("stack").dilations
        self.receptive_field = receptive_field(dilations, c["kernel_size"], c["initial_kernel_size"])
        self._sampler: Any = None
        self._log_mel_layer: Any = None

    # ------------------------------------------------------------------ training

    def fit(
        self, x=None, y=None, *args: Any, sample_rate: int | None = None, speaker: str | None = None,
        batch_seconds: float = 4.0, crop_seconds: float = 1.0, **kwargs: Any,
    ):  # fmt: skip
        """Train as Keras does, also on utterances (`kerasrecipes.data.from_table(...)`), a folder, or a list of files or arrays.

        Args:
            x: Recordings, or anything Keras takes.
            y: Targets, if Keras needs them.
            *args: Arguments of Keras's `fit`.
            sample_rate: Hz of arrays.
            speaker: Name of the speaker of files and arrays, or None for no speaker.
            batch_seconds: Seconds of audio per batch.
            crop_seconds: Seconds of audio per crop.
            **kwargs: Arguments of Keras's `fit`. `validation_data` may also be recordings.
        """
        options = {"sample_rate": sample_rate, "speaker": speaker, "crop_seconds": crop_seconds}
        batches = self._make_batches(x, batch_seconds, options)
        if batches is not x:
            kwargs["shuffle"] = False  # the dataset samples its own crops
        kwargs["validation_data"] = self._make_batches(kwargs.get("validation_data"), batch_seconds, options)
        return super().fit(batches, y, *args, **kwargs)

    def _make_batches(self, x: Any, batch_seconds: float, options: dict) -> Any:
        from kerasrecipes.data.keras_adapter import to_keras_input
        from kerasrecipes.data.wave_dataset import WaveDataset, prepare_fit_audio

        arrays = prepare_fit_audio(x, self, options["sample_rate"], options["speaker"])
        if arrays is None:
            return to_keras_input(x) if isinstance(x, WaveDataset) else x
        return to_keras_input(
            WaveDataset(*arrays, self, batch_seconds=batch_seconds, crop_seconds=options["crop_seconds"])
        )

    # ------------------------------------------------------------------ conditioning

    def speaker_number(self, name: str | None, strict: bool = True) -> int:
        """Return the number of a speaker, 0 for None.

        Args:
            name: Name of the speaker, or None.
            strict: Raise an error for an unknown speaker. False returns 0, the "no speaker" embedding.

        Raises:
            DataError: The speaker is unknown.
        """
        if name is None or not str(name):
            return 0
        if str(name).lower() in self.speakers:
            return 1 + self.speakers.index(str(name).lower())
        if not strict:
            return 0
        hint = f"there are {', '.join(self.speakers)}" if self.speakers else "it has none"
        raise DataError(f"{self.name} has no speaker {name!r}: {hint}, or None for no speaker")

    def num_frames(self, samples: int) -> int:
        """Return the number of spectrogram frames for a number of samples."""
        return -(-samples // self.hop_length)

    def log_mel(self, audio: np.ndarray) -> np.ndarray:
        """Return the log-mel spectrograms (batch, frames, n_mels) of padded audio (batch, (frames - 1) hop + window)."""
        if self._log_mel_layer is None:
            c = self.hparams
            layer = LogMelSpectrogram(
                self.n_mels, self.sample_rate, win_length=c["mel_win_length"], hop_length=self.hop_length,
                n_fft=1 << (c["mel_win_length"] - 1).bit_length(), epsilon=c["mel_epsilon"], dtype="float32",
            )  # fmt: skip
            # in a function, so that Keras does not make it a layer of this model
            self._log_mel_layer = lambda x: layer(x, np.full(len(x), x.shape[1], "int32"))[0]
        return keras.ops.convert_to_numpy(self._log_mel_layer(audio))

    def spectrogram(self, audio: Any, sample_rate: int | None = None) -> np.ndarray:
        """Return the log-mel spectrogram that `generate(mel=...)` takes, (frames, n_mels) float32.

        Frame k is centered on the samples k hop ... (k + 1) hop - 1.

        Args:
            audio: A path, bytes, a file object, or an array with `sample_rate`.
            sample_rate: Hz of an array.

        Raises:
            AudioError: The audio cannot be read.
            DataError: The recipe has no local conditioning.
        """
        self.require_local_conditioning()
        wave = load_audio(audio, sample_rate=sample_rate, target=self.sample_rate)
        margin, window = self.margin, self.hparams["mel_win_length"]
        padded = np.zeros((1, (self.num_frames(len(wave)) - 1) * self.hop_length + window), "float32")
        padded[0, margin : margin + len(wave)] = wave[: padded.shape[1] - margin]
        return self.log_mel(padded)[0]

    @property
    def margin(self) -> int:
        """Samples of a frame's window before the first sample of its hop."""
        return (self.hparams["mel_win_length"] - self.hop_length) // 2

    def require_local_conditioning(self) -> None:
        """Raise DataError if the recipe has no local conditioning."""
        if not self.n_mels:
            raise DataError(f"{self.name} has no local conditioning: take wavenet_small, or load it with n_mels=80")

    # ------------------------------------------------------------------ inference

    def predict_logits(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the logits (batch, samples, codes) of a padded batch. Missing inputs mean no conditioning."""
        from kerasrecipes.inference.compiled import compile_forward

        if self._forward is None:
            self._forward = compile_forward(self)
        return self._forward(self.fill_default_inputs(inputs))

    def fill_default_inputs(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the inputs, with speaker 0 and no spectrogram where they are missing."""
        batch = len(inputs["audio"])
        defaults = {
            "speaker": np.zeros(batch, "int32"), "conditioned": np.zeros(batch, "int32"),
            "spectrogram": np.zeros((batch, 1, self.n_mels), "float32"),
        }  # fmt: skip
        return {t.name: inputs[t.name] if t.name in inputs else defaults[t.name] for t in self.inputs}

    @overload
    def generate(
        self, seconds: float | None = None, seed: int | None = None, temperature: float = 1.0, speaker: str | None = None,
        mel: np.ndarray | None = None, progress: Progress | None = None, count: None = None,
    ) -> AudioClip: ...  # fmt: skip

    @overload
    def generate(
        self, seconds: Any = None, seed: Any = None, temperature: float = 1.0, speaker: Any = None, mel: Any = None,
        progress: Progress | None = None, count: int | None = None,
    ) -> list[AudioClip]: ...  # fmt: skip

    def generate(
        self, seconds: Any = None, seed: Any = None, temperature: float = 1.0, speaker: Any = None, mel: Any = None,
        progress: Progress | None = None, count: int | None = None,
    ) -> Any:  # fmt: skip
        """Generate audio sample by sample, see `kerasrecipes.inference.vocoder.generate`."""
        from kerasrecipes.inference.vocoder import generate

        return generate(self, seconds, seed, temperature, speaker, mel, progress, count)

    @overload
    def vocode(
        self, source: list[Any] | tuple[Any, ...], sample_rate: int | None = None, speaker: Any = None,
        seed: int | None = None, temperature: float = 1.0, progress: Progress | None = None,
    ) -> list[AudioClip | AudioError]: ...  # fmt: skip

    @overload
    def vocode(
        self, source: Any, sample_rate: int | None = None, speaker: str | None = None, seed: int | None = None,
        temperature: float = 1.0, progress: Progress | None = None,
    ) -> AudioClip: ...  # fmt: skip

    def vocode(
        self, source: Any, sample_rate: int | None = None, speaker: Any = None, seed: int | None = None,
        temperature: float = 1.0, progress: Progress | None = None,
    ) -> Any:  # fmt: skip
        """Reconstruct audio from a mel spectrogram, see `kerasrecipes.inference.vocoder.vocode`."""
        from kerasrecipes.inference.vocoder import vocode

        return vocode(self, source, sample_rate, speaker, seed, temperature, progress)

    def predict_files(self, files: Any, **options: Any) -> Any:
        """Return the copy synthesis of a recording or a list of recordings, see `vocode`."""
        return self.vocode(files, **options)

    def bits_per_sample(
        self, audio: Any, sample_rate: int | None = None, speaker: str | None = None, conditioned: bool = False
    ) -> Any:
        """Return the bits per sample of audio under the model, with silence before the first sample. 8 is chance level.

        Args:
            audio: A path, bytes, a file object, or an array with `sample_rate`. Or a list of them.
            sample_rate: Hz of arrays.
            speaker: Name of the speaker.
            conditioned: Give the model the audio's own mel spectrogram.

        Returns:
            A float, or a list of them.

        Raises:
            AudioError: The audio cannot be read.
            DataError: The speaker is unknown, or `conditioned` is set without local conditioning.
        """
        from kerasrecipes.inference.wavenet_likelihood import log_probabilities

        if isinstance(audio, Sequence) and not isinstance(audio, str | FileContent):
            return [self.bits_per_sample(a, sample_rate, speaker, conditioned) for a in audio]
        return float(-log_probabilities(self, audio, sample_rate, speaker, conditioned).mean() / np.log(2))

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Return the codes of samples, int32."""
        return mu_law.mu_law_encode(audio, self.quantization_levels)
