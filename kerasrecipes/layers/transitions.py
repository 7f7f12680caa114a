"""The transitions between letters that the AutoSegCriterion learns beside the network (arXiv 1609.03193, section 3.2)."""

import keras

from kerasrecipes.layers.sequence import SequenceMask


@keras.saving.register_keras_serializable("kerasrecipes")
class Transitions(SequenceMask):
    """`Mask` for the scores of an ASG recipe: passes them on and holds the weight `transitions` (letters, letters).

    `transitions[i, j]` is what a step from letter i to letter j adds to a path, zero at first. Criterion and decoder
    read it; in the layer it is saved, averaged and trained with the network. A builder with the keyword `criterion` ends
    so, and `SpeechRecognizer` does the rest:

        head = layers.Transitions() if criterion == "asg" else layers.Mask(dtype="float32", name="scores")
        scores, _ = head(logits, length)

    Args of the call: `x` (batch, frames, letters), `length` (batch,) integer.
    """

    def __init__(self, name: str = "transitions", dtype: str = "float32", **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs)

    def build(self, x_shape, length_shape=None):
        self.transitions = self.add_weight((x_shape[-1], x_shape[-1]), "zeros", name="transitions")
