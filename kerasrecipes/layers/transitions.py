"""The transitions between letters that the AutoSegCriterion learns with the network (arXiv 1609.03193, section 3.2)."""

import keras

from kerasrecipes.layers.sequence import SequenceMask


@keras.saving.register_keras_serializable("kerasrecipes")
class Transitions(SequenceMask):
    """`SequenceMask` for the logits of an ASG or CRF recipe that also holds the weight `transitions` (letters, letters).

    `transitions[i, j]` is added to a path for each step from letter i to letter j; it starts at zero. Criterion and
    decoder read it. As a weight of the network it is saved, averaged and trained with it. A builder with the keyword
    `criterion` ends as follows; `SpeechRecognizer` does the rest:

        head = layers.Transitions() if criterion == "asg" else layers.SequenceMask(dtype="float32", name="scores")
        logits, _ = head(logits, length)

    Call: `x` (batch, frames, letters), `length` (batch,) integer.
    """

    def __init__(self, name: str = "transitions", dtype: str = "float32", **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs)

    def build(self, x_shape, length_shape=None):
        self.transitions = self.add_weight((x_shape[-1], x_shape[-1]), "zeros", name="transitions")
