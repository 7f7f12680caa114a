"""Small valid files of every format, made by code. A sample is a folder: {name: content}."""

import functools
import gzip
import io
import json
import lzma
import tempfile
from pathlib import Path

import numpy as np
from paths import ROOT

from kerasrecipes.decoding.phoneme_set import PhonemeSet

Sample = dict[str, bytes]
PAIRS = (
    ("path", "text", "speaker", "seconds", "split"),
    ("a.wav", "good morning", "s1", "0.1", "train"),
    ("b.wav", "good night", "s2", "0.1", "test"),
)
ARPA = """\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-1.0\t<unk>\t0
0\t<s>\t-0.3
-0.9\t</s>\t0
-0.7\tGOOD\t-0.2
-0.8\tmorning\t-0.1

\\2-grams:
-0.3\t<s> GOOD
-0.4\tGOOD morning

\\end\\
"""
PHONEME_ARPA = ARPA.replace("GOOD", "AA").replace("morning", "SH")
CONFIG = """recipe: deepspeech2_small
data: [manifest:table.tsv?split=train]
config: {dropout: 0.1, conv: [[8, 11, 2], [8, 7, 1]]}
learning_rate: 1e-3
max_steps: 100
speed_perturbation: [0.9, 1.0]
augment: {noise_prob: 0.5}
mask_values: {255: 1}
"""
EXPERIMENT = """title: Cells
question: Which cell is better?
source: arXiv:1512.02595
common: {recipe: deepspeech2_small, max_steps: 10, config: {dropout: 0.1}}
variants:
  gru: {config: {cell: gru}}
  more: {init_from_variant: gru, learning_rate: 1e-4}
seeds: [1, 2]
"""


@functools.cache
def tone() -> np.ndarray:
    return (0.3 * np.sin(np.arange(1600) * 0.2)).astype("float32")


def encode_audio(**options: str) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, tone(), 16000, **options)
    return file.getvalue()


def encode_npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def audio() -> dict[str, Sample]:
    formats = {
        "wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3", "aiff": "AIFF", "au": "AU", "caf": "CAF", "w64": "W64", "voc": "VOC",
        "sph": "NIST", "rf64": "RF64",
    }  # fmt: skip
    samples = {name: {f"a.{name}": encode_audio(format=kind)} for name, kind in formats.items()}
    samples["opus"] = {"a.opus": encode_audio(format="OGG", subtype="OPUS")}
    samples["adpcm"] = {"a.wav": encode_audio(format="WAV", subtype="MS_ADPCM")}
    return samples | {"float": {"a.wav": encode_audio(format="WAV", subtype="FLOAT")}}


def images() -> dict[str, Sample]:
    from PIL import Image

    pixels = np.arange(16 * 20 * 3, dtype="uint8").reshape(16, 20, 3)
    image, samples = Image.fromarray(pixels), {}
    for name in ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm", "tga", "ico", "pcx"):
        file = io.BytesIO()
        image.save(file, name)
        samples[name] = {f"a.{name}": file.getvalue()}
    for name, other in (("png_palette", image.quantize(8)), ("png_16", Image.fromarray(np.arange(320, dtype="uint16").reshape(16, 20)))):
        file = io.BytesIO()
        other.save(file, "png", transparency=3, dpi=(72, 72))
        samples[name] = {"a.png": file.getvalue()}
    return samples


def tables() -> dict[str, Sample]:
    clips = {name: encode_audio(format="WAV") for name in ("a.wav", "b.wav")}
    rows = [dict(zip(PAIRS[0], pair, strict=True)) for pair in PAIRS[1:]]
    texts = {
        "t.tsv": "\n".join("\t".join(row) for row in PAIRS) + "\n",
        "t.csv": "\n".join(",".join(f'"{cell}"' for cell in row) for row in PAIRS),
        "t.jsonl": "\n".join(map(json.dumps, rows)) + "\n",
        "t.json": json.dumps(rows, indent=1),
        "metadata.csv": "a|One.|one\nb|Two.|two\n",
    }
    samples = {name: clips | {name: text.encode()} for name, text in texts.items()}
    samples["utf16"] = clips | {"t.tsv": texts["t.tsv"].encode("utf-16")}
    return samples | {"gzip": clips | {"t.csv": gzip.compress(texts["t.csv"].encode())}}


def one_file(name: str, text: str) -> dict[str, Sample]:
    """A text as it is, compressed by gzip and by xz."""
    content = text.encode()
    return {"plain": {name: content}, "gzip": {f"{name}.gz": gzip.compress(content)}, "xz": {f"{name}.xz": lzma.compress(content)}}


def phone_labels() -> dict[str, Sample]:
    line = "a.wav\ts1\t0.1\tSIL 0 HH 0.02 AH 0.05\n"
    samples = one_file("labels.tsv", f'# phones {{"labels": "exact"}}\npath\tspeaker\tseconds\tphones\n{line}')
    return {name: files | {"a.wav": encode_audio(format="WAV")} for name, files in samples.items()}


def timit() -> dict[str, Sample]:
    folder = "TRAIN/DR1/FCJF0"
    return {"61": {f"{folder}/SI1027.WAV": encode_audio(format="NIST"), f"{folder}/SI1027.PHN": b"0 400 h#\n400 900 sh\n900 1600 iy\n"}}


def librispeech() -> dict[str, Sample]:
    return {"one": {"84/121/84-121.trans.txt": b"84-121-0000 GOOD MORNING\n", "84/121/84-121-0000.wav": encode_audio(format="WAV")}}


@functools.cache
def shards() -> dict[str, Sample]:
    from kerasrecipes.data.shards import write_shards
    from kerasrecipes.data.utterances import from_table

    with tempfile.TemporaryDirectory() as folder:
        for name, content in tables()["t.tsv"].items():
            (Path(folder) / name).write_bytes(content)
        write_shards(from_table(Path(folder) / "t.tsv"), Path(folder) / "out")
        names = ("shards.json", "shard-00000.jsonl.gz", "shard-00000.tar")
        return {"set": {name: (Path(folder) / "out" / name).read_bytes() for name in names}}


def phoneme_ngrams() -> dict[str, Sample]:
    """A phoneme language model as text and in the compact form."""
    arrays = {"symbols": np.array(" ".join(PhonemeSet().symbols))}
    for length, numbers in ((1, [2, 30]), (2, [41 * 64 + 2, 1])):
        arrays |= {f"steps {length}": np.array(numbers), f"log_probs {length}": np.full(2, -16, "int16")}
        arrays[f"backoffs {length}"] = np.zeros(2, "int16")
    return {**one_file("lm.arpa", PHONEME_ARPA), "compact": {"lm.ngrams.npz": encode_npz(**arrays)}}


def mnist() -> dict[str, Sample]:
    x, y = np.zeros((3, 28, 28), "uint8"), np.arange(3, dtype="uint8")
    idx = bytes((0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0, 28)) + x.tobytes(), bytes((0, 0, 8, 1, 0, 0, 0, 3)) + y.tobytes()
    names = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
    return {
        "npz": {"mnist.npz": encode_npz(x_train=x, y_train=y)}, "idx": dict(zip(names, idx, strict=True)),
        "gzip": {f"{name}.gz": gzip.compress(content) for name, content in zip(names, idx, strict=True)},
    }  # fmt: skip


def cifar10() -> dict[str, Sample]:
    from PIL import Image

    sheet = io.BytesIO()
    Image.new("RGB", (64, 64)).save(sheet, "png")
    labels = encode_npz(test_first1000=np.arange(4, dtype="uint8"))
    return {"sheets": {"labels.npz": labels, "test_first1000.png": sheet.getvalue()}, "binary": {"test_batch.bin": bytes(2 * 3073)}}


def camvid() -> dict[str, Sample]:
    jpeg = images()["jpeg"]["a.jpeg"]
    arrays = {
        "train_jpeg": np.frombuffer(jpeg, "uint8"), "train_offset": np.array([0, len(jpeg)]), "train_name": np.array(["a"]),
        "train_mask": np.zeros((1, 16, 20), "uint8"),
    }  # fmt: skip
    return {"npz": {"camvid.npz": encode_npz(**arrays)}}


def masks() -> dict[str, Sample]:
    pictures = images()
    return {"folder": {"images/a.jpg": pictures["jpeg"]["a.jpeg"], "masks/a.png": pictures["png_palette"]["a.png"]}}


def onnx() -> dict[str, Sample]:
    return {"mnist": {"a.onnx": (ROOT / "weights" / "convnetjs_mnist.onnx").read_bytes()}}


def manifest_rows() -> dict[str, Sample]:
    paths = [ROOT / "weights_manifest" / f"{name}.json" for name in ("convnetjs_mnist", "wavenet_small")]
    return {path.stem: {path.name: path.read_bytes()} for path in paths}


def snapshots() -> dict[str, Sample]:
    layers = [
        {"layer_type": "input", "out_sx": 4, "out_sy": 4, "out_depth": 1},
        {"layer_type": "conv", "sx": 3, "sy": 3, "stride": 1, "in_depth": 1, "out_depth": 2, "out_sx": 4, "out_sy": 4, "pad": 1,
         "l1_decay_mul": 0, "filters": [{"sx": 3, "sy": 3, "depth": 1, "w": [0.1] * 9}] * 2,
         "biases": {"sx": 1, "sy": 1, "depth": 2, "w": [0, 1]}},
        {"layer_type": "relu", "out_sx": 4, "out_sy": 4, "out_depth": 2},
        {"layer_type": "pool", "sx": 2, "sy": 2, "stride": 2, "in_depth": 2, "out_depth": 2, "out_sx": 2, "out_sy": 2, "pad": 0},
        {"layer_type": "fc", "out_depth": 2, "num_inputs": 8, "out_sx": 1, "out_sy": 1,
         "filters": [{"sx": 1, "sy": 1, "depth": 8, "w": [0.5] * 8}] * 2,
         "biases": {"sx": 1, "sy": 1, "depth": 2, "w": {"0": 0, "1": 1}}},
        {"layer_type": "softmax", "out_depth": 2, "out_sx": 1, "out_sy": 1, "num_inputs": 2},
    ]  # fmt: skip
    return {"small": {"net.json": json.dumps({"layers": layers}).encode()}}


@functools.cache
def language_model():
    """A small Keras model of this package."""
    from kerasrecipes import registry
    from kerasrecipes.loading import build_model

    recipe = registry.get_recipe("char_rnn_small")
    return build_model(recipe, None, dict(recipe.tiny_config))


@functools.cache
def keras_files() -> dict[str, Sample]:
    with tempfile.TemporaryDirectory() as folder:
        model, paths = language_model(), {"keras": Path(folder) / "a.keras", "h5": Path(folder) / "a.weights.h5"}
        model.save(paths["keras"])
        model.save_weights(paths["h5"])
        return {kind: {path.name: path.read_bytes()} for kind, path in paths.items()}


@functools.cache
def checkpoints() -> dict[str, Sample]:
    variables = {f"model|{i}": np.asarray(v.value) for i, v in enumerate(language_model().variables)}
    return {"run": {"checkpoint.npz": encode_npz(state=np.array(json.dumps({"step": 3})), **variables)}}
