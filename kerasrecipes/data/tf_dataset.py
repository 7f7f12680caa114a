"""A `tf.data` pipeline of speech, decoded in the graph where tensorflow-io works and by libsndfile where not."""

import functools
import importlib.util
from typing import Any

import numpy as np

from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.data.utterances import Utterance, Utterances
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError
from kerasrecipes.utils import tar_members

FORMATS = {".flac": "decode_flac", ".ogg": "decode_vorbis", ".mp3": "decode_mp3"}
GRAPH_DECODABLE = {
    ".flac": {(SAMPLE_RATE, "PCM_16")}, ".ogg": {(SAMPLE_RATE, "VORBIS")}, ".mp3": {(SAMPLE_RATE, "MPEG_LAYER_III")},
}  # fmt: skip


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


def graph_decodable_suffix(utterances: Utterances) -> str | None:
    """The suffix of the clips where one graph decodes them all: one format, at the recognisers' rate; else None."""
    suffixes = {tar_members.member_name(u.path).suffix.lower() for u in utterances}
    suffix = next(iter(suffixes)) if len(suffixes) == 1 else ""
    if suffix not in FORMATS or not tfio_usable():
        return None
    # tensorflow-io's resampler differs from soxr, and its .ogg is Vorbis, not Opus
    return suffix if all(rate_and_codec(u.path) in GRAPH_DECODABLE[suffix] for u in utterances) else None


def rate_and_codec(path: str) -> tuple[int, str]:
    """Rate and codec of a clip."""
    if tar_members.is_member_url(path):
        name, shard = tar_members.split_member_url(path)
        row = tar_members.read_shard_index(shard)[name]
        return row["rate"], row["codec"]
    import soundfile

    found = soundfile.info(path)
    return found.samplerate, found.subtype


def to_tf_dataset(
    utterances: Utterances, alphabet: Alphabet, *, batch_size: int = 8, shuffle: int = 0, seed: int = 0, host: int = 0,
    hosts: int = 1,
) -> Any:  # fmt: skip
    """A `tf.data.Dataset` of `({"audio", "length"}, labels)` batches, padded with zeros, for `model.fit` on any backend.

    Of sharded sets (`data.shards`) whole shards are read, several at once, from any file system that TensorFlow knows, and
    decoded in the graph where tensorflow-io works.

    Args:
        utterances: the clips. alphabet: that spells their texts.
        batch_size: utterances in a batch. shuffle: size of the shuffle buffer, 0 for the order given. seed: of it, and of the
            order of shards.
        host, hosts: this host's number and how many there are: each gets every so many-th shard, or clip.

    Raises:
        DataError: there are fewer shards than hosts.
    """
    import tensorflow as tf

    sharded = all(tar_members.is_member_url(u.path) for u in utterances)
    mixed = not sharded and any(tar_members.is_member_url(u.path) for u in utterances)
    suffix = None if mixed else graph_decodable_suffix(utterances)

    def load(content: Any, label: Any) -> Any:
        if suffix:
            audio = decode_in_graph(content, suffix)
        else:
            audio = tf.numpy_function(lambda c: load_audio(c if sharded else c.decode()), [content], tf.float32)
        audio.set_shape([None])
        return {"audio": audio, "length": tf.size(audio)}, tf.cast(label, tf.int32)

    def labels(part: list[Utterance]) -> Any:
        return tf.ragged.constant([alphabet.encode(u.text).tolist() for u in part], tf.int32, ragged_rank=1)

    if sharded:
        dataset = from_shards(utterances, labels, shuffle, seed, host, hosts)
    else:
        part = list(utterances)[host::hosts]
        dataset = tf.data.Dataset.from_tensor_slices(([u.path for u in part], labels(part)))
    if shuffle:
        dataset = dataset.shuffle(shuffle, seed)
    if suffix and not sharded:
        dataset = dataset.map(lambda path, label: (tf.io.read_file(path), label), tf.data.AUTOTUNE)
    shapes = ({"audio": [None], "length": []}, [None])
    return dataset.map(load, tf.data.AUTOTUNE).padded_batch(batch_size, shapes).prefetch(2)


def from_shards(utterances: Utterances, labels: Any, shuffle: int, seed: int, host: int, hosts: int) -> Any:
    """Encoded clips and labels of every `hosts`-th shard, the pieces of files that are read whole.

    Raises:
        DataError: there are fewer shards than hosts.
    """
    import tensorflow as tf

    groups: dict[str, list[Utterance]] = {}
    for u in utterances:
        groups.setdefault(tar_members.split_member_url(u.path)[1], []).append(u)
    if len(groups) < hosts:
        raise DataError(
            f"{len(groups)} shards are not enough for {hosts} hosts: write them with fewer --megabytes each"
        )
    mine = sorted(groups)[host::hosts]
    clips = [u for name in mine for u in groups[name]]
    spans = tf.constant(np.array([tar_members.member_byte_range(u.path) for u in clips], "int64"))
    ends = np.cumsum([len(groups[name]) for name in mine])
    everything = labels(clips)
    dataset = tf.data.Dataset.from_tensor_slices((mine, ends - [len(groups[name]) for name in mine], ends))
    if shuffle:
        dataset = dataset.shuffle(len(mine), seed)

    def opened(shard: Any, first: Any, last: Any) -> Any:
        content = tf.io.read_file(shard)
        rows = tf.data.Dataset.from_tensor_slices((spans[first:last], everything[first:last]))
        return rows.map(lambda span, y: (tf.strings.substr(content, span[0], span[1]), y))

    return dataset.interleave(opened, cycle_length=4 if shuffle else 1)
