"""Layers that several recipes share, each imported (and Keras with it) at its first use.

Those for sequences keep one invariant: a sequence is `(values, length)`, and behind an item's length its values are zero. So
an utterance gives the same numbers alone and in any padded batch.
"""

import importlib
from typing import Any

from kerasrecipes._lazy import choose_backend

_WHERE = {
    "PowerNormalization": "features",
    "LogSpectrogram": "features",
    "UtteranceNormalization": "features",
    "SequenceStandardization": "features",
    "MagnitudeSpectrum": "cepstra",
    "LogMelBands": "cepstra",
    "Cepstra": "cepstra",
    "Deltas": "cepstra",
    "RunningNormalization": "running",
    "LinearFilterBank": "filterbank",
    "TrainingSetNormalization": "filterbank",
    "SpecAugment": "augment",
    "BandLimit": "augment",
    "SequenceConv1D": "convolution",
    "SequenceConv2D": "convolution",
    "SequencePadding": "windows",
    "SequenceMaxPooling": "windows",
    "WindowPositions": "windows",
    "Windows": "windows",
    "SequenceBatchNormalization": "normalization",
    "Recurrent": "recurrent",
    "RowConvolution": "row_convolution",
    "ClippedReLU": "activations",
    "Dropout": "activations",
    "Mask": "sequence",
    "Transitions": "transitions",
    "TimeGeometry": "sequence",
    "Conv2D": "spatial",
    "MaxPooling2D": "spatial",
    "BatchNormalization": "spatial",
    "ChannelMeans": "pictures",
    "LocalResponseNormalization": "pictures",
    "MaximumRMS": "pictures",
    "ContextIdentity": "dilation",
    "LocallyConnected1D": "unshared",
    "LocallyConnected2D": "unshared",
    "TiledConv1D": "unshared",
    "TiledConv2D": "unshared",
    "MeanPool": "pooling",
    "MuLaw": "mu_law",
    "NextCodes": "next_codes",
    "CausalCodes": "dilated",
    "DilatedStack": "dilated",
    "LocalConditioning": "conditioning",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"kerasrecipes.layers has no layer {name!r}; there are: {', '.join(__all__)}")
    choose_backend()
    return getattr(importlib.import_module(f"kerasrecipes.layers.{_WHERE[name]}"), name)
