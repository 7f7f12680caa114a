"""Character-level recurrent language models: stacked simple RNN, LSTM or GRU that predict the next character.

The nets of Karpathy, Johnson and Fei-Fei, "Visualizing and Understanding Recurrent Networks" (arXiv 1506.02078): the
same depth and width for each kind of cell, so that the cells can be compared.

    boundary c1 c2 ... cn -> [one-hot or embedding] -> 1-3 recurrent layers, forward -> scores of c1 c2 ... cn boundary

Number 0, the recognisers' blank, is the boundary between texts here: a language model and a recogniser with one
alphabet number their symbols alike.
"""

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes.registry import Recipe

FLOAT32 = "float32"


def char_rnn(
    *,
    vocabulary: int = 29,
    embedding: int = 0,
    cell: str = "lstm",
    recurrent_layers: int = 2,
    recurrent_units: int = 512,
    dropout: float = 0.0,
):
    """Build a character-level language model; the defaults are the paper's larger LSTM.

    Args:
        vocabulary: symbols with the boundary.
        embedding: features of an input symbol; 0 for one-hot vectors (paper).
        cell: "rnn" (tanh), "lstm" or "gru".
        recurrent_layers: 1 to 3 in the paper. recurrent_units: of each layer, 64 to 512 in the paper.
        dropout: share of features dropped before each recurrent layer but the first, and before the scores.

    Returns:
        A functional `keras.Model`: {"symbols": (batch, steps) int32, "length": (batch,) int32} -> scores of the next
        symbol (batch, steps, vocabulary) float32, zero behind each length; no softmax.
    """
    symbols = keras.Input((None,), dtype="int32", name="symbols")
    n = length = keras.Input((), dtype="int32", name="length")
    x = (
        keras.layers.Embedding(vocabulary, embedding, dtype=FLOAT32)(symbols)  # (batch, steps, embedding)
        if embedding
        else keras.ops.one_hot(symbols, vocabulary, dtype=FLOAT32)  # (batch, steps, vocabulary)
    )
    for i in range(recurrent_layers):
        if dropout and i:
            x = layers.Dropout(dropout, dtype=FLOAT32)(x)
        x, n = layers.SequenceRNN(
            recurrent_units, cell, limit=None, direction="forward", batch_norm=False
        )(x, n)  # (batch, steps, units)  # fmt: skip
    if dropout:
        x = layers.Dropout(dropout, dtype=FLOAT32)(x)
    logits = keras.layers.Dense(vocabulary, dtype=FLOAT32, name="logits")(x)
    logits, _ = layers.SequenceMask(dtype=FLOAT32, name="scores")(logits, n)  # (batch, steps, vocabulary)
    return keras.Model({"symbols": symbols, "length": length}, logits, name="char_rnn")


PAPER = {
    "vocabulary": 29, "embedding": 0, "cell": "lstm", "recurrent_layers": 2, "recurrent_units": 512, "dropout": 0.0,
}  # fmt: skip


def _recipe(name, config, summary, tags):
    return Recipe(
        name=name, paper="arXiv:1506.02078", title="Visualizing and Understanding Recurrent Networks",
        task="language-model", builder="kerasrecipes.recipes.char_rnn:char_rnn", config=config, summary=summary,
        tags=(config["cell"], *tags), tiny_config={"recurrent_units": 8, "recurrent_layers": 2},
    )  # fmt: skip


RECIPES = (
    *(
        _recipe(f"char_rnn_{cell}", PAPER | {"cell": cell}, f"Two layers of 512 {name}, one-hot input.", ("paper",))
        for cell, name in (("rnn", "simple RNN units"), ("lstm", "LSTM"), ("gru", "GRU"))
    ),
    _recipe(
        "char_rnn_small", PAPER | {"cell": "gru", "embedding": 64, "recurrent_units": 640},
        "Two layers of 640 GRU on books and transcripts; writes, and rescores what recognisers hear.", ("pretrained",),
    ),
)  # fmt: skip
