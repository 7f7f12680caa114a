"""Character-level recurrent language models: stacked simple RNN, LSTM or GRU that predict the next character.

The models of Karpathy, Johnson and Fei-Fei, "Visualizing and Understanding Recurrent Networks" (arXiv 1506.02078): the
same depth and width for each kind of cell, so that the cells can be compared.

    boundary c1 c2 ... cn -> [one-hot or embedding] -> 1-3 recurrent layers, forward -> logits of c1 c2 ... cn boundary

Symbol 0, the blank of the recognizers, is the boundary between texts here: a language model and a recognizer with the
same alphabet number their symbols alike.
"""

from typing import Any

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"


def char_rnn(
    *,
    vocab_size: int = 29,
    embedding: int = 0,
    cell: str = "lstm",
    recurrent_layers: int = 2,
    recurrent_units: int = 512,
    dropout: float = 0.0,
):
    """Build a character-level language model. The defaults are the paper's larger LSTM.

    Args:
        vocab_size: Number of symbols, the boundary included.
        embedding: Features of an input symbol; 0 for one-hot vectors (paper).
        cell: "rnn" (tanh), "lstm" or "gru".
        recurrent_layers: Number of recurrent layers, 1 to 3 in the paper.
        recurrent_units: Units of each of them, 64 to 512 in the paper.
        dropout: Fraction of features dropped before each recurrent layer but the first, and before the logits.

    Returns:
        A functional `keras.Model`: {"symbols": (batch, steps) int32, "length": (batch,) int32} -> logits of the next
        symbol (batch, steps, vocab_size) float32, zero after each length.
    """
    symbols = keras.Input((None,), dtype="int32", name="symbols")
    n = length = keras.Input((), dtype="int32", name="length")
    x = (
        keras.layers.Embedding(vocab_size, embedding, dtype=FLOAT32)(symbols)  # (batch, steps, embedding)
        if embedding
        else keras.ops.one_hot(symbols, vocab_size, dtype=FLOAT32)  # (batch, steps, vocab_size)
    )
    options = {"max_value": None, "bidirectional": False, "batch_norm": False}
    for i in range(recurrent_layers):
        if dropout and i:
            x = layers.Dropout(dropout, dtype=FLOAT32)(x)
        x, n = layers.SequenceRNN(recurrent_units, cell, **options)(x, n)  # (batch, steps, units)
    if dropout:
        x = layers.Dropout(dropout, dtype=FLOAT32)(x)
    logits = keras.layers.Dense(vocab_size, dtype=FLOAT32, name="logits")(x)
    logits, _ = layers.SequenceMask(dtype=FLOAT32, name="scores")(logits, n)  # (batch, steps, vocab_size)
    return keras.Model({"symbols": symbols, "length": length}, logits, name="char_rnn")


COMMON: dict[str, Any] = {
    "paper": "arXiv:1506.02078", "title": "Visualizing and Understanding Recurrent Networks", "task": "language-model",
    "builder": "kerasrecipes.recipes.char_rnn:char_rnn", "tiny_config": {"recurrent_units": 8, "recurrent_layers": 2},
}  # fmt: skip
CELLS = {"rnn": "simple RNN units", "lstm": "LSTM", "gru": "GRU"}

RECIPES = (
    *(
        Recipe(
            name=f"char_rnn_{cell}", summary=f"Two layers of 512 {title}, one-hot input.", changes={"cell": cell},
            tags=(cell, "paper"), **COMMON,
        )
        for cell, title in CELLS.items()
    ),
    Recipe(
        name="char_rnn_small", changes={"cell": "gru", "embedding": 64, "recurrent_units": 640},
        summary="Two layers of 640 GRU on books and transcripts; generates text and rescores transcripts.",
        tags=("gru", "pretrained"), **COMMON,
    ),
)  # fmt: skip
