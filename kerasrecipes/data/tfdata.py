"""A `tf.data` pipeline of speech, decoded in the graph where tensorflow-io works and by libsndfile where not."""

import functools
import importlib.util
from pathlib import Path
from typing import Any

from kerasrecipes.audio import SAMPLE_RATE, read_audio
from kerasrecipes.data.utterances import Utterances
from kerasrecipes.decoding.alphabet import Alphabet

FORMATS = {".flac": "decode_flac", ".ogg": "decode_vorbis", ".mp3": "decode_mp3"}


@functools.cache
def tfio_usable() -> bool:
    """Whether tensorflow-io's audio operations run here: one is tried.

    Its last release is bound to TensorFlow 2.16; beside another one it imports, and fails at the first call.
    """
    if not importlib.util.find_spec("tensorflow_io"):
        return False
    try:
        import numpy as np
        import tensorflow_io as tfio

        return tfio.audio.resample(np.zeros((16, 1), "float32"), 2, 1).shape[0] == 8
    except Exception:
        return False


def decode_in_graph(content: Any, suffix: str) -> Any:
    """The mono samples (samples,) float32 of an encoded file (a string tensor) at its own rate, by tensorflow-io.

    Args:
        content: the file. suffix: ".flac", ".ogg" or ".mp3".
    """
    import tensorflow as tf
    import tensorflow_io as tfio

    # flac comes as integers of the asked type; any other type than int16 silently gives an empty tensor
    if suffix == ".flac":
        samples = tf.cast(tfio.audio.decode_flac(content, dtype=tf.int16), tf.float32) / 32768.0
    else:
        samples = getattr(tfio.audio, FORMATS[suffix])(content)
    return tf.reduce_mean(samples, axis=1)


def all_at_rate(utterances: Utterances) -> bool:
    """Whether every clip already has the sample rate of the recognisers."""
    import soundfile

    return all(soundfile.info(u.path).samplerate == SAMPLE_RATE for u in utterances)


def to_tf_dataset(
    utterances: Utterances, alphabet: Alphabet, *, batch_size: int = 8, shuffle: int = 0, seed: int = 0
) -> Any:
    """A `tf.data.Dataset` of `({"audio", "length"}, labels)` batches, padded with zeros, for `model.fit` on any backend.

    Args:
        utterances: the clips. alphabet: that spells their texts.
        batch_size: utterances in a batch. shuffle: size of the shuffle buffer, 0 for the order given. seed: of it.
    """
    import tensorflow as tf

    # one graph decodes one format; tensorflow-io's resampler differs from soxr, so other rates are read by libsndfile
    suffixes = {Path(u.path).suffix.lower() for u in utterances}
    in_graph = len(suffixes) == 1 and suffixes <= set(FORMATS) and tfio_usable() and all_at_rate(utterances)
    labels = tf.ragged.constant([alphabet.encode(u.text).tolist() for u in utterances], tf.int32)
    dataset = tf.data.Dataset.from_tensor_slices(([u.path for u in utterances], labels))
    if shuffle:
        dataset = dataset.shuffle(shuffle, seed)

    def load(path: Any, label: Any) -> Any:
        if in_graph:
            audio = decode_in_graph(tf.io.read_file(path), next(iter(suffixes)))
        else:
            audio = tf.numpy_function(lambda p: read_audio(p.decode()), [path], tf.float32)
        audio.set_shape([None])
        return {"audio": audio, "length": tf.size(audio)}, tf.cast(label, tf.int32)

    shapes = ({"audio": [None], "length": []}, [None])
    return dataset.map(load, tf.data.AUTOTUNE).padded_batch(batch_size, shapes).prefetch(2)
