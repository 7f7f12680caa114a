"""Layers that several recipes share, each imported (and Keras with it) at its first use.

Sequence layers keep one invariant: a sequence is `(values, length)`, and values after an item's length are zero. An utterance
therefore gives the same numbers alone and in any padded batch.
"""

from kerasrecipes._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "activations": "ReLU Dropout Maxout",
        "conv2d": "FastConv2D FastMaxPooling2D FastBatchNormalization",
        "filterbank": "LinearFilterBank FeatureNormalization QuantizedLogMelSpectrogram QuantizedLogSpectrogram",
        "image_layers": "SubtractChannelMeans LocalResponseNormalization SpatialResponseNormalization MaxFilterRMS",
        "initializers": "IdentityInitializer",
        "librosa_features": "ReflectPadding Log1pSpectrogram DecibelMelSpectrogram DecibelMFCC SavitzkyGolayDeltas BlockStandardization",
        "local_conditioning": "LocalConditioning",
        "locally_connected": "LocallyConnected1D LocallyConnected2D TiledConv1D TiledConv2D",
        "mfcc": "MagnitudeSpectrogram LogMelSpectrogram MFCC TensorFlowMFCC Deltas",
        "mu_law": "MuLaw",
        "next_sample_targets": "NextSampleTargets",
        "normalization": "MaskedBatchNormalization",
        "recurrent": "SequenceRNN",
        "row_convolution": "RowConvolution",
        "running_normalization": "CausalNormalization",
        "sequence": "SequenceMask",
        "sequence_conv": "SequenceConv1D SequenceConv2D",
        "spec_augment": "SpecAugment RandomLowPass",
        "spectrogram": "UtterancePowerNormalization LogSpectrogram UtteranceNormalization UtteranceStandardization",
        "time_geometry": "TimeGeometry count_zeros",
        "transitions": "Transitions",
        "wavenet_stack": "CausalEmbeddingConv1D WaveNetStack",
        "windowed_conv": "SequencePadding SequenceMaxPooling SequenceAveragePooling GatherWindowPositions FrameWindows",
    },
    needs_keras=True,
)
