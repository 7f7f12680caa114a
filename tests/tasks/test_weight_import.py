"""Checkpoints of other programs: what is taken, left over, missing and refused, public ones from a server, and the command."""

import hashlib
import json
import resource
import struct
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import caffe_files
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.cli.main import main
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, WeightsUnavailable
from kerasrecipes.hub import manifest, public_checkpoints
from kerasrecipes.hub.checkpoint_readers import READERS
from kerasrecipes.hub.public_checkpoints import PINNED, PublicCheckpoint
from kerasrecipes.hub.public_download import file_hash
from kerasrecipes.registry import all_recipes
from kerasrecipes.tasks.weight_import import import_weights

CONFIG = {"size": 67, "conv": ((4, 11, 4, 0, 1), (6, 5, 1, 2, 2), (4, 3, 1, 1, 2)), "dense": (8,)}
SHAPES = {"conv1": (4, 3, 11, 11), "conv2": (6, 2, 5, 5), "conv3": (4, 3, 3, 3), "fc4": (8, 16), "fc8": (1000, 8)}
# fc4 is not in the recipe's table, in which the dense layers are fc6 and fc7: the network without it is imported whole
WITHOUT_DENSE = {"conv1": (4, 3, 11, 11), "conv2": (6, 2, 5, 5), "conv3": (4, 3, 3, 3), "fc8": (1000, 4)}


@pytest.fixture
def model():
    return kr.load("caffenet", weights=None, compile=False, **CONFIG)


def write(path, shapes=SHAPES, **extra):
    path.write_bytes(caffe_files.caffemodel(caffe_files.seeded_layers(shapes) | extra))
    return path


def test_every_tensor_and_weight_is_reported(tmp_path, model):
    path = write(tmp_path / "a.caffemodel", extra=(np.ones(3, "float32"),))
    report = import_weights(model, path, allow_missing=["fc4/*"])
    assert {weight.partition("/")[0] for weight, _, _ in report.taken} == {"conv1", "conv2", "conv3", "logits"}
    assert report.left_over == ("extra.0", "fc4.0", "fc4.1") and report.missing == ("fc4/kernel", "fc4/bias")
    assert "conv1/kernel [11, 11, 3, 4] <- conv1.0" in str(report) and "left over: extra.0" in str(report)
    kernel = caffe_files.seeded_layers(SHAPES)["conv2"][0]
    assert np.array_equal(model.get_layer("conv2").kernel.numpy(), kernel.transpose(2, 3, 1, 0))


@pytest.mark.parametrize("change, message", [
    ({"conv2": (6, 4, 5, 5)}, r"tensor conv2\.0 \[6, 4, 5, 5\] does not fit conv2/kernel, which has the shape \[5, 5, 2, 6\]"),
    ({"conv3": None}, r"lacks 4 of the 10 weights of caffenet: conv3/kernel \(from conv3\.0\)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_and_nothing_changes(tmp_path, model, change, message):
    shapes = {name: shape for name, shape in {**SHAPES, **change}.items() if shape}
    before = model.get_weights()
    with pytest.raises(WeightsCorrupted, match=message):
        import_weights(model, write(tmp_path / "a.caffemodel", shapes), allow_missing=["fc4/*"] if "conv2" in change else ["fc9/*"])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_weights_that_are_no_numbers_are_refused(tmp_path, model):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(caffe_files.caffemodel({"conv1": (np.full((4, 3, 11, 11), np.nan),)}))
    with pytest.raises(WeightsCorrupted, match=r"conv1\.0 holds 1452 values that are NaN"):
        import_weights(model, path)


def test_recipes_without_a_table_and_files_of_no_kind(tmp_path, model):
    path = write(tmp_path / "a.caffemodel")
    with pytest.raises(KerasRecipesError, match="char_rnn_small has no table"):
        kr.load("char_rnn_small", weights=path)
    with pytest.raises(KerasRecipesError, match=r"no checkpoint that can be imported .* \.caffemodel"):
        import_weights(model, tmp_path / "a.zip")


# ---------------------------------------------------------------- public checkpoints


def test_rows_are_of_recipes_and_have_names_of_their_own():
    rows = public_checkpoints.public_checkpoints()
    assert {"bvlc_caffenet", "dilation8_voc_authors", "vgg16"} <= set(rows)
    for row in rows.values():
        assert row.recipe in all_recipes() and row.name not in all_recipes() and row.license and row.source and row.tested
        assert row.kind in READERS and (row.hash is None) == (row.note == PINNED)
        assert all(set(claim) == {"dataset", "metric", "value", "source"} for claim in row.claims)


@pytest.mark.parametrize("change", [
    {"name": "A/B"}, {"file": "../x"}, {"address": "file:///etc/passwd"}, {"kind": "../x"}, {"max_bytes": 0}, {"max_bytes": "1"},
    {"hash": None}, {"hash": {"algorithm": "crc32", "value": "0"}}, {"hash": {"algorithm": "md5", "value": "0" * 31}},
    {"size": 10**12}, {"color": "red"},
], ids=str)  # fmt: skip
def test_bad_rows_are_errors(tmp_path, change):
    values = json.loads((public_checkpoints.public_folder() / "bvlc_caffenet.json").read_text("utf-8"))
    (tmp_path / "row.json").write_text(json.dumps({**values, **change}))
    with pytest.raises(KerasRecipesError, match=r"no (valid )?row of a public checkpoint"):
        public_checkpoints.read_row(tmp_path / "row.json")


def test_hash_of_a_blob_in_git(tmp_path):
    (tmp_path / "a").write_bytes(b"hello\n")
    assert file_hash(tmp_path / "a", "git") == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of one file, the row of which is the only public checkpoint."""
    content = {"body": write(tmp_path / "net.caffemodel", WITHOUT_DENSE).read_bytes(), "count": 0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            content["count"] += 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(content["body"])))
            self.end_headers()
            self.wfile.write(content["body"])

        def log_message(self, *arguments):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    content["row"] = PublicCheckpoint(
        name="somebodys_net", recipe="caffenet", title="Net", kind="caffe", address=f"http://127.0.0.1:{http.server_address[1]}/net",
        file="net", max_bytes=100_000, license="MIT", source="page", note=PINNED, config={**CONFIG, "dense": ()}, tested="so",
        claims=({"dataset": "d", "metric": "top-1", "value": "99 %", "source": "s"},),
    )  # fmt: skip
    monkeypatch.setattr("kerasrecipes.tasks.public_models.public_checkpoints", lambda: {"somebodys_net": content["row"]})
    monkeypatch.setattr("kerasrecipes.release.import_card.public_checkpoints", lambda: {"somebodys_net": content["row"]})
    monkeypatch.setattr("kerasrecipes.release.import_card.checkpoints_of", lambda recipe: ["somebodys_net"])
    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path / "cache"))
    for name in ("KERASRECIPES_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield content
    http.shutdown()
    http.server_close()


def test_a_public_checkpoint_is_fetched_once_converted_and_pinned(server, tmp_path, monkeypatch):
    folder = tmp_path / "cache" / "public" / "somebodys_net"
    monkeypatch.setenv("KERASRECIPES_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match="is not in .* and the network is switched off"):
        kr.load("somebodys_net")
    monkeypatch.delenv("KERASRECIPES_OFFLINE")
    server["body"] += bytes(100_000)
    with pytest.raises(WeightsCorrupted, match="100000 are expected"):
        kr.load("somebodys_net", compile=False)
    server["body"] = server["body"][:-100_000]
    first, count = kr.load("somebodys_net", compile=False), server["count"]
    pin = folder / "net.sha256"
    assert pin.read_text().strip() == hashlib.sha256(server["body"]).hexdigest()
    monkeypatch.setattr("kerasrecipes.tasks.public_models.import_weights", None)  # is not called again
    second = kr.load("somebodys_net", compile=False)
    assert server["count"] == count and second.import_report == first.import_report
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))
    (folder / "net").unlink()
    server["body"] = server["body"][:-1] + bytes([server["body"][-1] ^ 1])
    with pytest.raises(WeightsCorrupted, match="its address sends another file"):
        kr.load("somebodys_net", compile=False)
    assert not (folder / "net").exists()


def test_a_published_hash_is_checked(server, monkeypatch):
    import dataclasses

    good = {"algorithm": "md5", "value": hashlib.md5(server["body"]).hexdigest()}
    server["row"] = dataclasses.replace(server["row"], hash=good | {"value": "0" * 32}, note="")
    with pytest.raises(WeightsCorrupted, match=f"has the md5 {good['value']}, and the row of somebodys_net says 0000"):
        kr.load("somebodys_net", compile=False)
    server["row"] = dataclasses.replace(server["row"], hash=good)
    assert kr.load("somebodys_net", compile=False).import_report.missing == ()


def test_the_command_writes_a_model_and_its_card(server, tmp_path, capsys):
    assert main(["import", "somebodys_net", "--out", str(tmp_path / "mine.keras")]) == 0
    assert "8 weights taken, 0 tensors left over, 0 weights missing" in capsys.readouterr().err
    card = (tmp_path / "mine.md").read_text("utf-8")
    assert hashlib.sha256(server["body"]).hexdigest() in card and "conv1/kernel [11, 11, 3, 4] <- conv1.0" in card
    assert "Figures of its authors" in card and "d, top-1: 99 %" in card and "Nobody measured them here" in card
    image = caffe_files.seeded_image(67, 67)[None]
    saved, fetched = kr.load(tmp_path / "mine.keras"), kr.load("somebodys_net")
    assert np.array_equal(saved.predict_logits(image), fetched.predict_logits(image))


def test_the_command_says_what_is_missing(tmp_path, capsys):
    assert main(["import", str(write(tmp_path / "a.caffemodel"))]) == 1
    assert "Name its recipe" in capsys.readouterr().err
    assert main(["import", "bvlc_caffenet", "--recipe", "zfnet"]) == 1
    assert "is a checkpoint of caffenet, not of zfnet" in capsys.readouterr().err
    assert main(["show", "bvlc_caffenet"]) == 0
    assert "57.4 %" in (card := capsys.readouterr().out) and "Nobody measured them here" in card and "4c8d77de" in card
    with pytest.raises(WeightsUnavailable, match="load\\('bvlc_caffenet'\\) fetches and converts"):
        kr.load("caffenet")
    with pytest.raises(KerasRecipesError, match="export the result"):
        kr.load("bvlc_caffenet", engine="onnxruntime")
    assert main(["list", "caffenet"]) == 0
    output = capsys.readouterr().out
    assert "\n  caffenet\n\nPublished by others" in output and "bvlc_caffenet  (" in output and "caffenet_yos" in output
    assert main(["list", "*caffenet", "--pretrained"]) == 1  # those are no released weights
    assert not set(manifest.entries()) & set(public_checkpoints.public_checkpoints())


def test_mean_image_becomes_the_mean_color(tmp_path):
    from kerasrecipes.tasks.weight_import import mean_config

    mean = np.stack([np.full((4, 4), value) for value in (104.0, 117.0, 123.5)])
    mean[:, 0, 0] += 16
    (tmp_path / "mean.binaryproto").write_bytes(caffe_files.blob(mean, shape=False))
    assert mean_config("caffenet", tmp_path / "mean.binaryproto") == {"channel_means": (124.5, 118.0, 105.0)}
    with pytest.raises(KerasRecipesError, match="convnetjs_mnist has no setting"):
        mean_config("convnetjs_mnist", tmp_path / "mean.binaryproto")


# ---------------------------------------------------------------- other kinds of files


def test_vgg16_of_keras_starts_the_front_end(tmp_path):
    """The convolution made of `fc1` computes what that layer of VGG-16 computes over its flattened maps."""
    import keras

    widths = (3, 3, 4, 4, 5)
    x = image = keras.Input((224, 224, 3))
    for block, (width, count) in enumerate(zip(widths, (2, 2, 3, 3, 3), strict=True), 1):
        for layer in range(1, count + 1):
            x = keras.layers.Conv2D(width, 3, padding="same", name=f"block{block}_conv{layer}")(x)
        x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    maps = x
    x = keras.layers.Dense(6, name="fc1")(keras.layers.Flatten()(x))
    features = x
    x = keras.layers.Dense(7, name="predictions")(keras.layers.Dense(6, name="fc2")(x))
    keras.utils.set_random_seed(3)
    vgg = keras.Model(image, x)
    vgg.save(tmp_path / "vgg16.h5")
    config = {
        "blocks": tuple((width,) * count for width, count in zip(widths, (2, 2, 3, 3, 3), strict=True)), "dense": ((6, 7), (6, 1)),
    }  # fmt: skip
    model = kr.load("dilation_voc_front", weights=tmp_path / "vgg16.h5", compile=False, **config)
    assert model.import_report.missing == ("logits/kernel", "logits/bias")
    assert model.import_report.left_over == ("predictions.0", "predictions.1")
    assert np.array_equal(model.get_layer("conv5_3").kernel.numpy(), vgg.get_layer("block5_conv3").kernel.numpy())
    values = np.random.default_rng(1).random((1, 7, 7, 5), "float32")
    dense = keras.Model(maps, features)(values)
    convolution = keras.ops.conv(values, model.get_layer("fc6").kernel) + model.get_layer("fc6").bias
    np.testing.assert_allclose(convolution[:, 0, 0], dense, atol=1e-5)
    from kerasrecipes.training.config import TrainConfig
    from kerasrecipes.training.initialization import initialize_weights

    fresh = kr.load("dilation_voc_front", weights=None, compile=False, **config)
    initialize_weights(TrainConfig("dilation_voc_front", init_from=str(tmp_path / "vgg16.h5")), fresh)
    assert np.array_equal(fresh.get_layer("fc7").kernel.numpy()[0, 0], vgg.get_layer("fc2").kernel.numpy())


def test_links_in_h5_files_are_refused(tmp_path):
    import h5py

    from kerasrecipes.hub.checkpoint_readers import read_checkpoint

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["block1_conv1/kernel"] = np.ones(3, "float32")
        file["link"] = h5py.SoftLink("/block1_conv1")
    with pytest.raises(WeightsCorrupted, match="link is a link"):
        read_checkpoint(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["link"] = h5py.ExternalLink("a.h5", "/block1_conv1")
    with pytest.raises(WeightsCorrupted, match="link is a link"):
        read_checkpoint(tmp_path / "b.h5")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("kernel", (1 << 20, 1 << 10), "float32", chunks=(1 << 10, 1 << 10))  # no chunk is written
    with pytest.raises(WeightsCorrupted, match="declare 4294967296 bytes"):
        read_checkpoint(tmp_path / "c.h5")


def test_torch_checkpoints_hold_tensors_only(tmp_path):
    torch = pytest.importorskip("torch")
    from kerasrecipes.hub.checkpoint_readers import read_checkpoint

    weights = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.steps": torch.tensor(3)}
    torch.save({"state_dict": weights, "labels": "_ab"}, tmp_path / "a.pth")
    tensors = read_checkpoint(tmp_path / "a.pth")
    assert list(tensors) == ["conv.weight"] and tensors["conv.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    torch.save({"state_dict": weights, "x": Evil()}, tmp_path / "b.pth")
    with pytest.raises(WeightsCorrupted, match="cannot be read"):
        read_checkpoint(tmp_path / "b.pth")
    assert not (tmp_path / "written").exists()


def test_torch_files_that_declare_too_much_are_refused(tmp_path):
    """Strides that repeat one number, a member that inflates to 1,000 times its size, and a text of 4 GB in an older file."""
    torch = pytest.importorskip("torch")
    from kerasrecipes.hub.checkpoint_readers import read_checkpoint

    torch.save({"weight": torch.ones(1).expand(1 << 20, 1 << 20)}, tmp_path / "a.pth")
    with pytest.raises(WeightsCorrupted, match="declare 4398046511104 bytes"):
        read_checkpoint(tmp_path / "a.pth")
    for name in ("b.pth", "b.ckpt"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", bytes(10_000_000))
        with pytest.raises(WeightsCorrupted, match="declare 10000000 bytes"):
            read_checkpoint(tmp_path / name)
    content = {str(number): torch.ones(1) for number in range(100)}
    content.update(dict.fromkeys("abcdefghijklmnopqrstuvwxyz", content))  # in itself
    torch.save(content | {"inner": content}, tmp_path / "d.pth")
    assert len(read_checkpoint(tmp_path / "d.pth")) == 200  # not 26 ** 8
    torch.save({"weight": torch.ones(3)}, tmp_path / "c.pt", _use_new_zipfile_serialization=False)
    assert read_checkpoint(tmp_path / "c.pt")["weight"].tolist() == [1, 1, 1]
    content = (tmp_path / "c.pt").read_bytes()
    text = struct.pack("<cI", b"X", len("little_endian")) + b"little_endian"
    assert content.count(text) == 1
    (tmp_path / "c.pt").write_bytes(content.replace(text, b"X\xff\xff\xff\xff" + text[5:]))
    limits, pages = resource.getrlimit(resource.RLIMIT_AS), int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 30), limits[1]))
    try:
        with pytest.raises(WeightsCorrupted, match="cannot be read") as error:
            read_checkpoint(tmp_path / "c.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert not isinstance(error.value.__cause__, MemoryError)


def test_tensorflow_files(tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    from kerasrecipes.hub.checkpoint_readers import read_checkpoint

    kernel = np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4)
    tensorflow.train.Checkpoint(kernel=tensorflow.Variable(kernel)).write(str(tmp_path / "model"))
    tensors = read_checkpoint(tmp_path / "model.index")
    assert np.array_equal(tensors["kernel/.ATTRIBUTES/VARIABLE_VALUE"], kernel)
    (tmp_path / "model.index").write_bytes(b"x" * 100)
    with pytest.raises(WeightsCorrupted, match="cannot be read"):
        read_checkpoint(tmp_path / "model.index")
