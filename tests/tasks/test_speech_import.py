"""Checkpoints of speech recognizers: the original programs' logits from the waveform on, with seeded weights in their formats."""

import shutil
import sys
import tarfile
import types
from pathlib import Path

import h5py
import numpy as np
import pytest
import speech_checkpoints as checkpoints

import kerasrecipes as kr
from kerasrecipes.errors import WeightsCorrupted
from kerasrecipes.hub.checkpoint_readers import read_checkpoint

GOLDENS = Path(__file__).parents[1] / "goldens"


def assert_logits(model, golden, letters, key="{}", relative=1e-5):
    """Compare a model with a golden, whose symbols are `letters` with _ for the blank, alone and in a batch."""
    order = [letters.index(letter) for letter in "_ 'abcdefghijklmnopqrstuvwxyz"]
    clips = [checkpoints.seeded_audio(*clip) for clip in checkpoints.CLIPS]
    audio = np.zeros((2, max(map(len, clips))), "float32")
    for row, clip in zip(audio, clips, strict=True):
        row[: len(clip)] = clip
    batch = model.predict_logits({"audio": audio, "length": np.array([len(clip) for clip in clips], "int32")})
    for i, clip in enumerate(clips):
        expected = golden[key.format(i)][:, order]
        alone = model.predict_logits({"audio": clip[None], "length": np.array([len(clip)], "int32")})[0]
        assert alone.shape == expected.shape
        limit = relative * np.abs(expected).max()
        np.testing.assert_allclose(alone, expected, rtol=0, atol=limit)
        np.testing.assert_allclose(batch[i, : len(expected)], expected, rtol=0, atol=limit)
        assert not batch[i, len(expected) :].any()


# ---------------------------------------------------------------- deepspeech.pytorch

DEEPSPEECH = {"recurrent_units": checkpoints.UNITS}


@pytest.fixture(scope="module")
def deepspeech_files(tmp_path_factory):
    """Files as version 2 and version 3 of deepspeech.pytorch write them. The latter holds objects of classes that are not here."""
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("deepspeech")
    state = checkpoints.seeded_tensors(checkpoints.deepspeech_pytorch_shapes(), 60)
    state = {name: torch.tensor(values) for name, values in state.items()}
    state["conv.seq_module.1.num_batches_tracked"] = torch.tensor(7)
    package = {"version": "0.0.1", "hidden_size": 16, "rnn_type": "lstm", "audio_conf": {"window": "hamming"}, "labels": "_'A"}
    torch.save(package | {"state_dict": state, "bidirectional": True}, folder / "v2.pth")
    module = types.ModuleType("somebodys_config")
    settings = type("Settings", (), {"__module__": module.__name__})
    module.Settings, sys.modules[module.__name__] = settings, module
    hyper_parameters = {"model_cfg": settings(), "kind": settings}
    vars(hyper_parameters["model_cfg"])["hidden_size"] = 16
    torch.save({"epoch": 3, "state_dict": state, "hyper_parameters": hyper_parameters}, folder / "v3.ckpt")
    del sys.modules[module.__name__]
    return folder


@pytest.mark.parametrize("name, key, config", [
    ("v3.ckpt", "v3_{}", {}), ("v2.pth", "v2_{}", {"window": "hamming_symmetric"}),
])  # fmt: skip
def test_deepspeech_pytorch(deepspeech_files, name, key, config):
    golden = np.load(GOLDENS / "deepspeech_pytorch_import.npz")
    tensors = checkpoints.seeded_tensors(checkpoints.deepspeech_pytorch_shapes(), 60)
    assert sum(v.astype("float64").sum() for v in tensors.values()) == pytest.approx(float(golden["weights_sum"]), rel=1e-12)
    model = kr.load("deepspeech2_pytorch", weights=deepspeech_files / name, compile=False, **DEEPSPEECH, **config)
    assert model.import_report.missing == () and model.import_report.left_over == ()
    assert_logits(model, golden, "_'abcdefghijklmnopqrstuvwxyz ", key)


def test_the_windows_of_both_versions_differ():
    """Version 2 gives librosa a function, whose window is symmetric. Version 3 gives it a name."""
    golden = np.load(GOLDENS / "deepspeech_pytorch_import.npz")
    assert np.abs(golden["v2_0"] - golden["v3_0"]).max() > 1e-4


def test_objects_in_a_lightning_checkpoint_do_nothing(tmp_path):
    torch = pytest.importorskip("torch")

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    torch.save({"state_dict": {"weight": torch.ones(3)}, "x": Evil(), "y": [Evil()]}, tmp_path / "a.ckpt")
    assert read_checkpoint(tmp_path / "a.ckpt")["weight"].tolist() == [1, 1, 1]
    assert not (tmp_path / "written").exists()
    (tmp_path / "b.ckpt").write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(WeightsCorrupted, match="cannot be read"):
        read_checkpoint(tmp_path / "b.ckpt")


# ---------------------------------------------------------------- Mozilla DeepSpeech


def write_tensorflow_checkpoint(path, tensors):
    """Write variables as TensorFlow 1 does, with the number of the step."""
    tensorflow = pytest.importorskip("tensorflow")
    v1 = tensorflow.compat.v1
    with tensorflow.Graph().as_default(), v1.Session() as session:
        variables = [v1.get_variable(name, initializer=values, use_resource=False) for name, values in tensors.items()]
        variables.append(v1.get_variable("global_step", initializer=np.int64(7)))
        session.run(v1.global_variables_initializer())
        v1.train.Saver(variables).save(session, str(path))
    return path.with_name(f"{path.name}.index")


@pytest.mark.parametrize("in_archive", [False, True])
def test_mozilla_deepspeech(tmp_path, in_archive):
    golden = np.load(GOLDENS / "deepspeech1_mozilla_import.npz")
    tensors = checkpoints.seeded_tensors(checkpoints.mozilla_deepspeech_shapes(), 70)
    assert sum(v.astype("float64").sum() for v in tensors.values()) == pytest.approx(float(golden["weights_sum"]), rel=1e-12)
    moments = {f"{name}/Adam": 0 * values for name, values in tensors.items()}
    (tmp_path / "run").mkdir()
    path = write_tensorflow_checkpoint(tmp_path / "run" / "best_dev-7", tensors | moments)
    if in_archive:
        path = tmp_path / "checkpoint.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            tar.add(tmp_path / "run", "checkpoint-0.9.3")
        shutil.rmtree(tmp_path / "run")
    model = kr.load("deepspeech1_mozilla", weights=path, compile=False, units=checkpoints.UNITS)
    assert model.import_report.missing == ()
    assert sorted(model.import_report.left_over) == sorted(f"{name}/Adam" for name in tensors)
    assert_logits(model, golden, " abcdefghijklmnopqrstuvwxyz'_", "logits_{}")


# ---------------------------------------------------------------- ARM's Wav2Letter

WAV2LETTER = {"conv": ((8, 48, 2), *7 * ((8, 7, 1),), (12, 32, 1), (12, 1, 1))}


def write_arm_file(path, tensors, first=0):
    """Write a file of weights as Keras 2 does for a network whose first convolution has the number `first`."""
    with h5py.File(path, "w") as file:
        names = sorted({name.partition(".")[0] for name in tensors}, key=lambda name: int(name[7:] or 0))
        for number, name in enumerate(names):
            layer = f"conv2d_{number + first}" if number + first else "conv2d"
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{variable}:0".encode() for variable in ("kernel", "bias")]
            for index, variable in enumerate(("kernel", "bias")):
                group[f"{layer}/{variable}:0"] = tensors[f"{name}.{index}"]
    return path


@pytest.mark.parametrize("first", [0, 11])
def test_wav2letter_arm(tmp_path, first):
    golden = np.load(GOLDENS / "wav2letter_arm_import.npz")
    tensors = checkpoints.seeded_tensors(checkpoints.wav2letter_arm_shapes(), 70)
    assert sum(v.astype("float64").sum() for v in tensors.values()) == pytest.approx(float(golden["weights_sum"]), rel=1e-12)
    path = write_arm_file(tmp_path / "wav2letter.h5", tensors, first)
    model = kr.load("wav2letter_arm", weights=path, compile=False, **WAV2LETTER)
    assert model.import_report.missing == () and model.import_report.left_over == ()
    assert_logits(model, golden, "abcdefghijklmnopqrstuvwxyz' _")


def test_wav2letter_arm_in_8_bits(tmp_path):
    """The converter of TensorFlow Lite rounded the seeded weights, and its interpreter read them for the golden."""
    golden, path = np.load(GOLDENS / "wav2letter_arm_tflite.npz"), tmp_path / "wav2letter_int8.tflite"
    path.write_bytes(golden["tflite"].tobytes())
    model = kr.load("wav2letter_arm", weights=path, compile=False, **WAV2LETTER)
    assert model.import_report.missing == () and model.import_report.left_over == ()
    assert_logits(model, golden, "abcdefghijklmnopqrstuvwxyz' _", "logits_{}")
    for name, values in checkpoints.seeded_tensors(checkpoints.wav2letter_arm_shapes(), 70).items():
        number, place = name.removeprefix("conv2d").removeprefix("_").split(".")
        rounded = read_checkpoint(path)[f"conv_2d_{number or 0}.{int(place) + 1}"]
        if values.ndim == 4:
            step = np.abs(values).max(axis=(0, 1, 2)) / 127  # of each output
            assert (np.abs(rounded.transpose(1, 2, 3, 0) - values) <= 0.51 * step).all()
        else:
            np.testing.assert_allclose(rounded, values, atol=1e-4)


# ---------------------------------------------------------------- OpenSeq2Seq


def test_wav2letter_plus(tmp_path):
    golden = np.load(GOLDENS / "wave2letter_plus_import.npz")
    tensors = checkpoints.seeded_tensors(checkpoints.wave2letter_plus_shapes(), 80)
    assert sum(v.astype("float64").sum() for v in tensors.values()) == pytest.approx(float(golden["weights_sum"]), rel=1e-12)
    copies = {f"Loss_Optimization/FP32-master-copy/{name}": values for name, values in tensors.items() if name.endswith("kernel")}
    path = write_tensorflow_checkpoint(tmp_path / "model.ckpt-100", tensors | copies)
    model = kr.load("wav2letter_plus", weights=path, compile=False, conv=checkpoints.WAVE2LETTER_PLUS)
    assert model.import_report.missing == () and sorted(model.import_report.left_over) == sorted(copies)
    assert_logits(model, golden, " abcdefghijklmnopqrstuvwxyz'_", "logits_{}")


def test_deepspeech2_openseq2seq(tmp_path):
    golden = np.load(GOLDENS / "deepspeech2_openseq2seq_import.npz")
    tensors = checkpoints.seeded_tensors(checkpoints.deepspeech2_openseq2seq_shapes(), 81)
    assert sum(v.astype("float64").sum() for v in tensors.values()) == pytest.approx(float(golden["weights_sum"]), rel=1e-12)
    opaque = {"ForwardPass/ds2_encoder/cudnn_gru/opaque_kernel": np.zeros(9, "float16")}
    path = write_tensorflow_checkpoint(tmp_path / "model.ckpt-50", tensors | opaque)
    maps = checkpoints.DS2_MAPS
    model = kr.load(
        "deepspeech2_openseq2seq", weights=path, compile=False, recurrent_units=checkpoints.UNITS, fc_units=(checkpoints.DS2_HIDDEN,),
        conv=((maps, (41, 11), (2, 2)), (maps, (21, 11), (2, 1))),
    )  # fmt: skip
    assert model.import_report.missing == () and model.import_report.left_over == tuple(opaque)
    assert_logits(model, golden, " abcdefghijklmnopqrstuvwxyz'_", "logits_{}")


def test_an_archive_without_a_checkpoint_is_named(tmp_path):
    pytest.importorskip("tensorflow")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz"):
        pass
    with pytest.raises(WeightsCorrupted, match=r"a\.tar\.gz cannot be read \(ValueError: it holds no \.index file\)"):
        read_checkpoint(tmp_path / "a.tar.gz")


def test_kernels_of_16_bits_are_read(tmp_path):
    values = np.array([[0.5, -1.25]], "float16")
    path = write_tensorflow_checkpoint(tmp_path / "model.ckpt-1", {"ForwardPass/kernel": values})
    assert read_checkpoint(path)["ForwardPass/kernel"].tolist() == values.tolist()
