"""Waveform generation: a network over samples, its speakers, and the verbs `generate` and `vocode`."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.layers import mu_law
from kerasrecipes.layers.mfcc import LogMelSpectrogram
from kerasrecipes.layers.wavenet_stack import receptive_field
from kerasrecipes.registry import get_recipe
from kerasrecipes.tasks.language_model import masked_cross_entropy


@keras.saving.register_keras_serializable("kerasrecipes")
class WaveNetGenerator(keras.Model):
    """A WaveNet: {"audio": (batch, samples), "length": (batch,), ...} -> scores (batch, samples, codes) of the next sample.

    Args:
        recipe: name of a registered recipe.
        alphabet: always None; only there because every task's model is built alike.
        config: changes to the recipe's configuration; `speakers`, names, for other speakers.

    Example:
        >>> model = kerasrecipes.load("wavenet_small")
        >>> model.generate(2.0, seed=1, speaker="lj").save("babble.wav")
        >>> model.vocode("talk.flac", speaker="kathleen").save("copy.wav")
    """

    def __init__(self, recipe: str, alphabet: Any = None, config: dict | None = None, **kwargs: Any):
        if alphabet is not None:
            raise KerasRecipesError(f"{recipe} has no alphabet; its speakers are named by speakers=(...)")
        own = get_recipe(recipe)
        changes = dict(config or {})
        if "speakers" in changes:
            changes["speakers"] = tuple(str(s).lower() for s in changes["speakers"])
        network = own.build(**changes)
        super().__init__(inputs=network.input, outputs=network.output, **{"name": recipe, **kwargs})
        self.recipe, self.changes = own, changes
        s = self.settings = {**own.config, **changes}
        self.sample_rate, self.levels, self.speakers = s["sample_rate"], s["levels"], tuple(s["speakers"])
        self.mels, self.hop = s["mels"], s["mel_hop"]
        dilations = self.get_layer("stack").dilations
        self.receptive_field = receptive_field(dilations, s["kernel"], s["initial_kernel"])
        self.bits = keras.metrics.Mean(name="bits")
        self._forward: Any = None
        self._loop: Any = None
        self._bands: Any = None

    # ------------------------------------------------------------------ training

    def compile(self, optimizer: Any = None, loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        """As Keras's; without arguments AdamW (1e-3, gradients clipped to norm 1) and nats per sample."""
        if optimizer is None:
            optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.0, global_clipnorm=1.0)
        self.default_loss, self.own_metrics = loss is None, metrics is None
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Nats per sample over all targets that count (are not -1)."""
        if not self.default_loss:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        losses, counted = masked_cross_entropy(y, y_pred)
        return keras.ops.sum(losses) / keras.ops.maximum(keras.ops.sum(counted), 1.0)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Adds `bits` per sample to what Keras reports."""
        if not self.own_metrics:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        losses, counted = masked_cross_entropy(y, y_pred)
        total = keras.ops.sum(counted)
        self.bits.update_state(keras.ops.sum(losses) / keras.ops.maximum(total, 1.0) / np.log(2), sample_weight=total)
        return self.get_metrics_result()

    def fit(
        self, x=None, y=None, *args: Any, sample_rate: int | None = None, speaker: str | None = None,
        batch_seconds: float = 4.0, crop_seconds: float = 1.0, **kwargs: Any,
    ):  # fmt: skip
        """Keras's `fit`; also takes utterances (`kerasrecipes.data.from_table(...)`), a folder, or a list of files or arrays.

        Args:
            x: what to learn from. sample_rate: Hz of arrays. speaker: who speaks in files and arrays; None for nobody
                in particular. batch_seconds, crop_seconds: audio in a batch and in a crop.
        """
        options = {"sample_rate": sample_rate, "speaker": speaker, "crop_seconds": crop_seconds}
        batches = self._batches(x, batch_seconds, options)
        if batches is not x:
            kwargs["shuffle"] = False  # the set draws its own crops
        kwargs["validation_data"] = self._batches(kwargs.get("validation_data"), batch_seconds, options)
        return super().fit(batches, y, *args, **kwargs)

    def _batches(self, x: Any, batch_seconds: float, options: dict) -> Any:
        from kerasrecipes.data.keras_adapter import to_keras_input
        from kerasrecipes.data.wave_dataset import WaveDataset, prepare_fit_audio

        found = prepare_fit_audio(x, self, options["sample_rate"], options["speaker"])
        if found is None:
            return to_keras_input(x) if isinstance(x, WaveDataset) else x
        return to_keras_input(
            WaveDataset(*found, self, batch_seconds=batch_seconds, crop_seconds=options["crop_seconds"])
        )

    # ------------------------------------------------------------------ what conditions it

    def speaker_number(self, name: str | None, known: bool = True) -> int:
        """The number of a speaker, 0 for None.

        Raises:
            DataError: nobody has that name (with `known` False such a speaker is nobody in particular).
        """
        if name is None or not str(name):
            return 0
        if str(name).lower() in self.speakers:
            return 1 + self.speakers.index(str(name).lower())
        if not known:
            return 0
        there = f"there are {', '.join(self.speakers)}" if self.speakers else "it knows none"
        raise DataError(f"{self.name} knows no speaker {name!r}: {there}, or None for nobody in particular")

    def frames(self, samples: int) -> int:
        """Frames of the spectrogram of so many samples."""
        return -(-samples // self.hop)

    def bands(self, audio: np.ndarray) -> np.ndarray:
        """Spectrograms (batch, frames, mels) of padded audio (batch, (frames - 1) hop + window)."""
        s = self.settings
        if self._bands is None:
            window = s["mel_window"]
            layer = LogMelSpectrogram(
                s["mels"], self.sample_rate, window=window, hop=s["mel_hop"], size=1 << (window - 1).bit_length(),
                floor=s["mel_floor"], dtype="float32",
            )  # fmt: skip
            self._bands = lambda x: layer(x, np.full(len(x), x.shape[1], "int32"))[0]  # no layer of the network's
        return keras.ops.convert_to_numpy(self._bands(audio))

    def spectrogram(self, audio: Any, sample_rate: int | None = None) -> np.ndarray:
        """What `generate(conditioning=...)` takes: logarithms of mel bands, a frame per hop around its middle.

        Args:
            audio: a path, bytes, a file object, or an array with `sample_rate`.

        Returns:
            (frames, mels) float32; frame k belongs to the samples k hop ... (k + 1) hop - 1.

        Raises:
            AudioError: it cannot be read. DataError: the recipe has no local conditioning.
        """
        from kerasrecipes.audio import load_audio

        self.require_local_conditioning()
        wave = load_audio(audio, sample_rate=sample_rate, target=self.sample_rate)
        left, frames, window = self.margin, self.frames(len(wave)), self.settings["mel_window"]
        padded = np.zeros((1, (frames - 1) * self.hop + window), "float32")
        padded[0, left : left + len(wave)] = wave[: padded.shape[1] - left]
        return self.bands(padded)[0]

    @property
    def margin(self) -> int:
        """Samples of a frame's window before the first sample that it belongs to."""
        return (self.settings["mel_window"] - self.hop) // 2

    def require_local_conditioning(self) -> None:
        """Raises DataError where there is no local conditioning."""
        if not self.mels:
            raise DataError(f"{self.name} has no local conditioning: take wavenet_small, or load it with mels=80")

    # ------------------------------------------------------------------ verbs

    def scores(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The network on one padded batch, compiled: scores (batch, samples, codes); what is left out conditions nothing."""
        from kerasrecipes.inference.compiled import compile_forward

        if self._forward is None:
            self._forward = compile_forward(self)
        return self._forward(self.complete(inputs))

    def complete(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Inputs with speaker 0 and no spectrogram where these are not given."""
        batch = len(inputs["audio"])
        defaults = {"speaker": np.zeros(batch, "int32"), "conditioned": np.zeros(batch, "int32"),
                    "spectrogram": np.zeros((batch, 1, self.mels), "float32")}  # fmt: skip
        return {t.name: inputs[t.name] if t.name in inputs else defaults[t.name] for t in self.inputs}

    def generate(self, seconds: Any = None, seed: int | None = None, temperature: float = 1.0, **options: Any) -> Any:
        """New sound, sample by sample, as `kerasrecipes.inference.vocoder.generate` describes: a `Sound` or a list of them."""
        from kerasrecipes.inference.vocoder import generate

        return generate(self, seconds, seed, temperature, **options)

    def vocode(self, source: Any, sample_rate: int | None = None, **options: Any) -> Any:
        """Sound from a spectrogram, as `kerasrecipes.inference.vocoder.vocode` describes: a `Sound` or a list of them."""
        from kerasrecipes.inference.vocoder import vocode

        return vocode(self, source, sample_rate, **options)

    def bits_per_sample(
        self, audio: Any, sample_rate: int | None = None, speaker: str | None = None, conditioned: bool = False
    ) -> Any:
        """Bits that one sample's code costs the model, silence before the first one given; 8 would be knowing nothing.

        Args:
            audio: a path, bytes, a file object, or an array with `sample_rate`; or a list.
            speaker: who speaks. conditioned: whether the model sees the clip's own spectrogram.

        Returns:
            A float, or a list of them.

        Raises:
            AudioError: it cannot be read. DataError: an unknown speaker, or no local conditioning where it is asked for.
        """
        from kerasrecipes.inference.wavenet_likelihood import log_probabilities

        if isinstance(audio, Sequence) and not isinstance(audio, str | bytes | bytearray):
            return [self.bits_per_sample(a, sample_rate, speaker, conditioned) for a in audio]
        return float(-log_probabilities(self, audio, sample_rate, speaker, conditioned).mean() / np.log(2))

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Codes of samples, int32."""
        return mu_law.mu_law_encode(audio, self.levels)

    def get_config(self) -> dict:
        return {"recipe": self.recipe.name, "config": self.changes, "name": self.name}

    @classmethod
    def from_config(cls, config: dict, custom_objects: Any = None) -> "WaveNetGenerator":
        return cls(**config)
