"""A `tf.data` pipeline of speech, decoded in the graph where tensorflow-io works and by libsndfile elsewhere."""

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
# suffix -> (rate, codec) that tensorflow-io decodes to the samples of libsndfile
GRAPH_DECODABLE = {
    ".flac": {(SAMPLE_RATE, "PCM_16")}, ".ogg": {(SAMPLE_RATE, "VORBIS")}, ".mp3": {(SAMPLE_RATE, "MPEG_LAYER_III")},
}  # fmt: skip


@functools.cache
def tfio_usable() -> bool:
    """Return whether tensorflow-io's audio operations run here, by trying one.

    Its last release is bound to TensorFlow 2.16. With another version it imports, and fails at the first call.
    """
    if not importlib.util.find_spec("tensorflow_io"):
        return False
    try:
        import tensorflow_io as tfio

        return tfio.audio.resample(np.zeros((16, 1), "float32"), 2, 1).shape[0] == 8
    except Exception:
        return False


def decode_in_graph(content: Any, suffix: str) -> Any:
    """Decode a file (string tensor) with one of the suffixes in `FORMATS`: (samples,) float32, mono, at its own rate."""
    import tensorflow as tf
    import tensorflow_io as tfio

    # flac is decoded as integers: any type other than int16 silently gives an empty tensor
    if suffix == ".flac":
        samples = tf.cast(tfio.audio.decode_flac(content, dtype=tf.int16), tf.float32) / 32768.0
    else:
        samples = getattr(tfio.audio, FORMATS[suffix])(content)
    return tf.reduce_mean(samples, axis=1)


def graph_decodable_suffix(utterances: Utterances) -> str | None:
    """Return the suffix of the clips if one graph decodes all of them (one format, at the recognizers' rate), else None."""
    suffixes = {tar_members.member_name(u.path).suffix.lower() for u in utterances}
    suffix = next(iter(suffixes)) if len(suffixes) == 1 else ""
    if suffix not in FORMATS or not tfio_usable():
        return None
    # tensorflow-io's resampler differs from soxr, and its .ogg is Vorbis, not Opus
    return suffix if all(rate_and_codec(u.path) in GRAPH_DECODABLE[suffix] for u in utterances) else None


def rate_and_codec(path: str) -> tuple[int, str]:
    """Return the sample rate and the codec of a clip."""
    if tar_members.is_member_url(path):
        name, shard = tar_members.split_member_url(path)
        row = tar_members.read_shard_index(shard)[name]
        return row["rate"], row["codec"]
    import soundfile

    info = soundfile.info(path)
    return info.samplerate, info.subtype


def to_tf_dataset(
    utterances: Utterances, alphabet: Alphabet, *, batch_size: int = 8, shuffle: int = 0, seed: int = 0, host: int = 0,
    hosts: int = 1,
) -> Any:  # fmt: skip
    """Return a `tf.data.Dataset` of `({"audio", "length"}, labels)` batches, padded with zeros, for `model.fit` on any backend.

    Shards (`data.load_shards`) are read whole, several at once, from any file system that TensorFlow knows.

    Args:
        utterances: Clips.
        alphabet: Alphabet that encodes their transcripts.
        batch_size: Utterances in a batch. Default 8.
        shuffle: Size of the shuffle buffer. 0 (default) keeps the order.
        seed: Seed of the shuffle buffer and of the order of shards. Default 0.
        host: Number of this host, from 0. Default 0.
        hosts: Number of hosts. Each gets every `hosts`-th shard, or clip. Default 1.

    Raises:
        DataError: There are fewer shards than hosts.
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

    def encode(part: list[Utterance]) -> Any:
        return tf.ragged.constant([alphabet.encode(u.text).tolist() for u in part], tf.int32, ragged_rank=1)

    if sharded:
        dataset = from_shards(utterances, encode, shuffle, seed, host, hosts)
    else:
        part = list(utterances)[host::hosts]
        dataset = tf.data.Dataset.from_tensor_slices(([u.path for u in part], encode(part)))
    if shuffle:
        dataset = dataset.shuffle(shuffle, seed)
    if suffix and not sharded:
        dataset = dataset.map(lambda path, label: (tf.io.read_file(path), label), tf.data.AUTOTUNE)
    shapes = ({"audio": [None], "length": []}, [None])
    return dataset.map(load, tf.data.AUTOTUNE).padded_batch(batch_size, shapes).prefetch(2)


def from_shards(utterances: Utterances, encode: Any, shuffle: int, seed: int, host: int, hosts: int) -> Any:
    """Return encoded clips and labels of every `hosts`-th shard, cut out of files that are read whole."""
    import tensorflow as tf

    groups: dict[str, list[Utterance]] = {}
    for u in utterances:
        groups.setdefault(tar_members.split_member_url(u.path)[1], []).append(u)
    if len(groups) < hosts:
        raise DataError(
            f"{len(groups)} shards are not enough for {hosts} hosts: write them with fewer --megabytes each"
        )
    names = sorted(groups)[host::hosts]
    clips = [u for name in names for u in groups[name]]
    ranges = tf.constant(np.array([tar_members.member_byte_range(u.path) for u in clips], "int64"))
    ends = np.cumsum([len(groups[name]) for name in names])
    labels = encode(clips)
    dataset = tf.data.Dataset.from_tensor_slices((names, ends - [len(groups[name]) for name in names], ends))
    if shuffle:
        dataset = dataset.shuffle(len(names), seed)

    def read_clips(shard: Any, first: Any, last: Any) -> Any:
        content = tf.io.read_file(shard)
        rows = tf.data.Dataset.from_tensor_slices((ranges[first:last], labels[first:last]))
        return rows.map(lambda span, y: (tf.strings.substr(content, span[0], span[1]), y))

    return dataset.interleave(read_clips, cycle_length=4 if shuffle else 1)
