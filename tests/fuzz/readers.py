"""The table of all readers of outside bytes: a new one is an entry here."""

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import checkpoint_samples
import samples
import set_samples
from samples import Sample

MAX_SECONDS = 60.0


@dataclass(frozen=True)
class Reader:
    """A reader of outside bytes.

    Args:
        samples: Returns valid inputs by name.
        read: Reads the file of a sample that was damaged, in its folder. It returns, or raises an error of the package.
        share: Part of all cases, relative to the other readers.
        undamaged: Names of files that are left alone. Default: audio beside other files.
        needs_keras: Whether Keras is imported first.
    """

    samples: Callable[[], dict[str, Sample]]
    read: Callable[[Path], Any]
    share: float = 1.0
    undamaged: tuple[str, ...] = (".wav", ".WAV")
    needs_keras: bool = False


def call(module: str, function: str, *arguments: Any, **options: Any) -> Callable[[Path], Any]:
    """Return a function that calls `function(path, ...)` of a module of the package, which is imported then."""
    return lambda path: getattr(import_module(f"kerasrecipes.{module}"), function)(path, *arguments, **options)


def call_in_folder(depth: int, *names: Any, **options: Any) -> Callable[[Path], Any]:
    """Return a function as `call` does, for the folder that many levels above the file."""
    return lambda path: call(*names, **options)(path.parents[depth])


def read_language_model(path: Path) -> None:
    from kerasrecipes.decoding import ngram_lm
    from kerasrecipes.decoding.alphabet import Alphabet

    path = ngram_lm.ngram_path(path, Alphabet())
    ngram_lm.read_vocabulary(path)


def open_language_model(path: Path) -> None:
    from kerasrecipes.decoding import ngram_lm

    ngram_lm.perplexity(path, ["good morning"])


def read_phoneme_model(path: Path) -> None:
    from kerasrecipes.decoding.phoneme_beam_search import HistoryTable
    from kerasrecipes.decoding.phoneme_ngrams import read_phoneme_ngrams
    from kerasrecipes.decoding.phoneme_set import PhonemeSet

    table = HistoryTable(read_phoneme_ngrams(path, PhonemeSet()))
    table.get_row(table.ngrams.start)


def read_shards(path: Path) -> None:
    from kerasrecipes.data.sharded_audio import ShardedAudioReader
    from kerasrecipes.data.shards import load_shards
    from kerasrecipes.utils import tar_members

    tar_members.read_shard_index.cache_clear()
    paths = [utterance.path for utterance in load_shards(path.parent)]
    clips = ShardedAudioReader(paths)
    for number in range(len(paths[:2])):
        clips.read(number, 0)


def read_text_to_align(path: Path) -> None:
    from kerasrecipes.decoding.alphabet import Alphabet
    from kerasrecipes.inference.align import split_words
    from kerasrecipes.utils.text_files import read_text

    alphabet = Alphabet()
    _, words = split_words(read_text(path), alphabet)
    alphabet.encode(" ".join(words), normalize=False)


def read_labels_of_masks(path: Path) -> None:
    call("data.segmentation_masks", "mask_folder")(path.parents[1])


def read_set(marker: str, function: str, *arguments: Any, **options: Any) -> Callable[[Path], Any]:
    """Return a function that reads a data set whose root is the folder above the file that holds `marker`, to its end."""

    def read(path: Path) -> None:
        root = next(folder for folder in path.parents if (folder / marker).exists())
        list(call(f"data.{function.partition(':')[0]}", function.partition(":")[2], *arguments, **options)(root))

    return read


def open_onnx(path: Path) -> None:
    import numpy as np

    model = call("engines.open", "load_file", "onnxruntime")(path)
    model.classify(np.zeros((30, 30, 3), "uint8"))


def load_weights(path: Path) -> None:
    from kerasrecipes.loading import load_weights_checked

    load_weights_checked(samples.language_model(), path)


def read_caffe_file(path: Path) -> None:
    call("hub.caffemodel", "read_mean_image" if path.suffix == ".binaryproto" else "read_caffemodel")(path)


def unpack_archive(path: Path) -> None:
    """Unpack the checkpoint of an archive. TensorFlow, which reads the checkpoint, is not imported here."""
    from kerasrecipes.errors import WeightsCorrupted, convert_errors
    from kerasrecipes.hub.tar_checkpoint import unpack_checkpoint

    with tempfile.TemporaryDirectory(dir=path.parent) as folder, convert_errors(WeightsCorrupted, path):
        unpack_checkpoint(path, Path(folder))


def load_checkpoint(path: Path) -> None:
    from kerasrecipes.training.checkpoint import load_checkpoint

    model = samples.language_model()
    load_checkpoint(path, SimpleNamespace(variables=model.variables, optimizer=SimpleNamespace(variables=[])))  # type: ignore[arg-type]


def read_reference(path: Path) -> None:
    """Take the file's content for a name that a user passes."""
    from kerasrecipes.data.specs import parse_spec
    from kerasrecipes.errors import DataError
    from kerasrecipes.hub.weights import fetch_entry

    name = path.read_bytes().decode("utf-8", "surrogateescape")
    with contextlib.suppress(DataError):
        parse_spec(name, "speech")
    fetch_entry(f"hf://{name.removeprefix('hf://')}", offline=True)


LINES = "good morning\nhow are you?\n“Straße”, 42!\n"
NAMES = {"hub": {"name": b"hf://org/name@" + b"0" * 40}, "data": {"name": b"manifest:table.tsv?split=train&hours=3"}}
READERS = {
    "audio": Reader(samples.audio, call("audio", "load_audio", max_seconds=MAX_SECONDS), 6, ()),
    "audio_length": Reader(samples.audio, call("audio", "audio_duration"), 2, ()),
    "image": Reader(samples.images, call("image", "load_image"), 4),
    "table": Reader(samples.tables, call("data.utterances", "from_table"), 3),
    "text": Reader(partial(samples.one_file, "t.tsv", LINES), call("data.text", "read_text_file")),
    "phone_labels": Reader(samples.phone_labels, lambda path: call("data.phone_alignments", "load_phone_alignments", path.parent)(path)),
    "timit": Reader(samples.timit, call_in_folder(3, "data.timit_corpus", "timit", phones="39", quiet=True)),
    "librispeech": Reader(samples.librispeech, call_in_folder(2, "data.utterances", "librispeech")),
    "align_text": Reader(partial(samples.one_file, "t.txt", LINES), read_text_to_align),
    "arpa": Reader(partial(samples.one_file, "lm.arpa", samples.ARPA), read_language_model, 2),
    "kenlm": Reader(partial(samples.one_file, "lm.arpa", samples.ARPA), open_language_model, 1),
    "phoneme_ngrams": Reader(samples.phoneme_ngrams, read_phoneme_model, 2),
    "train_config": Reader(lambda: {"yaml": {"c.yaml": samples.CONFIG.encode()}}, call("training.config", "read_config"), 2),
    "onnx_metadata": Reader(samples.onnx, call("engines.onnx_metadata", "read_description"), 2),
    "onnx": Reader(samples.onnx, open_onnx, 2),
    "shards": Reader(samples.shards, read_shards, 3),
    "manifest": Reader(samples.manifest_rows, call("hub.manifest", "read_entry"), 2),
    "mnist": Reader(samples.mnist, lambda path: call("data.images", "mnist", "train")(path if path.suffix == ".npz" else path.parent), 1),
    "cifar10": Reader(samples.cifar10, call_in_folder(0, "data.images", "cifar10", "test"), 1),
    "camvid": Reader(samples.camvid, call("data.segmentation_masks", "camvid"), 1),
    "masks": Reader(samples.masks, read_labels_of_masks, 1),
    "voc": Reader(set_samples.voc, read_set("ImageSets", "segmentation_sets:voc"), 0.5),
    "cityscapes": Reader(set_samples.cityscapes, read_set("gtFine", "segmentation_sets:cityscapes"), 0.3),
    "kitti": Reader(set_samples.kitti, read_set("training", "segmentation_sets:kitti", split="part"), 0.3),
    "tiny_imagenet": Reader(set_samples.tiny_imagenet, read_set("wnids.txt", "imagenet:tiny_imagenet", "val"), 0.5),
    "imagenet": Reader(set_samples.imagenet, read_set("train", "imagenet:imagenet", "val"), 0.5),
    "references": Reader(lambda: NAMES, read_reference, 1),
    "experiment": Reader(
        lambda: {"yaml": {"study.yaml": samples.EXPERIMENT.encode()}},
        lambda path: call("experiments.studies", "load_experiment")(str(path)), 0.5, needs_keras=True,
    ),
    "parts": Reader(
        lambda: {"yaml": {"parts.yaml": b"a.png: {eye: [1, 2, 30, 4]}\nb.png: {eye: [5, 6, 7, 8], nose: [0, 0, 9, 9]}\n"}},
        call("experiments.correspondence", "read_parts"), 0.2, needs_keras=True,
    ),
    "convnetjs": Reader(samples.snapshots, call("export.convnetjs_import", "from_json"), 0.5, needs_keras=True),
    "keras": Reader(
        lambda: {"keras": samples.keras_files()["keras"]}, call("tasks.saved_models", "load_keras_file"), 0.3, needs_keras=True
    ),
    "weights": Reader(lambda: {"h5": samples.keras_files()["h5"]}, load_weights, 0.5, needs_keras=True),
    "checkpoint": Reader(samples.checkpoints, load_checkpoint, 0.5, needs_keras=True),
    "caffemodel": Reader(checkpoint_samples.caffemodels, read_caffe_file, 2),
    "public_checkpoint": Reader(checkpoint_samples.public_rows, call("hub.public_checkpoints", "read_row")),
    "keras_h5": Reader(checkpoint_samples.keras_h5_weights, call("hub.checkpoint_readers", "read_checkpoint")),
    "torch": Reader(checkpoint_samples.torch_checkpoints, call("hub.checkpoint_readers", "read_checkpoint"), 0.5, needs_keras=True),
    "lightning": Reader(checkpoint_samples.lightning_checkpoints, call("hub.checkpoint_readers", "read_checkpoint"), 0.5, needs_keras=True),
    "tflite": Reader(checkpoint_samples.tflite_models, call("hub.checkpoint_readers", "read_checkpoint")),
    "tf_archive": Reader(checkpoint_samples.checkpoint_archives, unpack_archive),
}  # fmt: skip
