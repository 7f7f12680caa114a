"""Inspector of a Keras speech recognizer: features, channels of layers over time, posteriors of symbols, and saliency."""

from typing import Any

import numpy as np

from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.traversal import layer_calls
from kerasrecipes.graph.units import find_unit
from kerasrecipes.serving.inspection import Inspection
from kerasrecipes.serving.keras_inspector import COMPILED_FUNCTION, KerasInspector, find_place
from kerasrecipes.serving.recognition import check_length, recognize
from kerasrecipes.visualize.activations import default_layers
from kerasrecipes.visualize.methods import METHODS
from kerasrecipes.visualize.speech import load_waveform
from kerasrecipes.visualize.synthesis_region import last_untrained_step


class SpeechInspector(KerasInspector):
    """A Keras speech recognizer.

    Args:
        model: Recognizer of letters or phonemes.
    """

    kind = "speech"

    def __init__(self, model: Any):
        names, self.features_layer = default_layers(model), last_untrained_step(model)
        calls = {call.name: call.outputs[0] for call in layer_calls(model)}
        later = list(calls)[list(calls).index(self.features_layer) + 1 :]
        layers = [name for name in later if name in names and len(calls[name].shape) in (3, 4) and calls[name].shape[-1] != 1]
        super().__init__(model, layers)
        self.methods = {name: text for name, text in self.methods.items() if METHODS[name].audio_function}
        self.sample_rate = model.sample_rate
        self.compute_features = make_layer_forward(model, [self.features_layer])

    def inspect(self, audio: Any, sample_rate: int | None = None) -> Inspection:
        """Compute all layers on a recording.

        Args:
            audio: A path, bytes, or samples (n,) with `sample_rate`.
            sample_rate: Sample rate of samples in Hz.

        Raises:
            AudioError: The audio cannot be read, is shorter than a frame, or longer than the page shows.
        """
        wave = load_waveform(self.model, audio, sample_rate)
        check_length(wave, self.sample_rate)
        features = self.compute_features(wave[None])[0]
        if features.shape[1] == len(wave):  # the network reads samples
            features = wave[None]
        activations, milliseconds = self.compute_activations(wave[None])
        probabilities, facts = recognize(self.model, wave)
        return Inspection(wave[None], features[0].reshape(len(features[0]), -1), activations, probabilities, milliseconds, facts)

    def compute_saliency(self, inspection: Inspection, unit: str, method: str) -> tuple[np.ndarray, float]:
        """Return the saliency (frames, bands, 1) of a unit in the features or samples, and its activation.

        Args:
            inspection: Result of `inspect`.
            unit: "logits:e", at a frame "logits:e@37"; without a frame, the strongest.
            method: A method of `METHODS` that takes a recording and a unit.

        Raises:
            KerasRecipesError: There is no such unit or method.
        """
        entry, target = self.check_method(method), find_unit(self.model, unit)
        if entry.function == COMPILED_FUNCTION:
            is_wave = inspection.display.shape[0] == inspection.inputs.shape[1]
            compute = self.compile_saliency(target.layer, method, None if is_wave else self.features_layer)
            features = inspection.inputs if is_wave else inspection.display[None]
            place = find_place(target, inspection.get_activations(target.layer))
            batch, activations, _ = compute(features, [target.channel], [place])
            return batch[0].reshape(len(batch[0]), -1, 1), float(activations[0])
        path = entry.audio_function or entry.function
        values, activation = self.run_method(entry, path, inspection.inputs[0], target, sample_rate=self.sample_rate)
        return values[..., None], activation
