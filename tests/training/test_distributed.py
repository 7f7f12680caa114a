"""Training on several devices: equal gradients, equal losses, and checkpoints for any number of devices."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from paths import HELPERS

from kerasrecipes.errors import DataError
from kerasrecipes.training.distributed import pad_batch, round_up_to_bucket
from kerasrecipes.training.prefetch import BatchPrefetcher

pytest.importorskip("jax")
SCRIPT = HELPERS / "distributed_run.py"
TOLERANCE = 1e-5


def clips(folder):
    """Write short clips of noise with transcripts: two batches of 5, not a multiple of 4."""
    rng, rows = np.random.default_rng(0), ["path\ttranscript"]
    for i, seconds in enumerate([0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 1.0, 1.01, 1.02]):
        soundfile.write(folder / f"{i}.flac", 0.1 * rng.normal(size=int(16000 * seconds)), 16000)
        rows.append(f"{i}.flac\t{'ab cd'[: 2 + i % 3]}e")
    (folder / "clips.tsv").write_text("\n".join(rows) + "\n")


def start(way, folder, **env):
    return subprocess.Popen(
        [sys.executable, SCRIPT, way, folder], env={**os.environ, **env}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    clips(folder)
    process = start("compared", folder)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]
    return folder, json.loads((folder / "found.json").read_text())


def arrays(path):
    with np.load(path) as file:
        return [file[name] for name in file.files]


def agree(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, atol=TOLERANCE * max(1.0, float(np.abs(y).max())))


@pytest.mark.slow
def test_four_devices_compute_the_gradients_of_one(trained):
    folder, found = trained
    assert found["count"] == 4
    plain = arrays(folder / "plain.npz")
    assert max(float(np.abs(g).max()) for g in plain) > 0.01
    agree(arrays(folder / "one.npz"), plain)  # padded to a bucket size
    agree(arrays(folder / "four.npz"), plain)  # and to a multiple of four items


@pytest.mark.slow
def test_four_devices_reproduce_the_losses_of_one_and_resume_on_either_number(trained):
    _, found = trained
    one = found["one"]
    assert len(set(one)) == len(one)
    np.testing.assert_allclose(found["four"], one, rtol=1e-4)
    np.testing.assert_allclose(found["four after one"], one[3:], rtol=1e-4)
    np.testing.assert_allclose(found["one after four"], one[3:], rtol=1e-4)


@pytest.mark.slow
def test_impossible_numbers_of_devices_raise(trained):
    more, words, few = trained[1]["refused"]
    assert "--devices is 5, but there are 4" in more and "--devices all" in more
    assert "a number or 'all'" in words
    assert "fewer than there are devices (4)" in few and "batch_seconds" in few


@pytest.mark.slow
@pytest.mark.slow
def test_two_processes_compute_the_gradients_of_one(trained):
    folder, found = trained
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    env = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    processes = [start("loopback", folder, JAX_PROCESS_ID=str(i), **env) for i in range(2)]
    for process in processes:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said[-3000:]
    done = json.loads((folder / "loopback.json").read_text())
    assert (done["count"], done["processes"]) == (4, 2)
    agree(arrays(folder / "loopback.npz"), arrays(folder / "plain.npz"))
    np.testing.assert_allclose(done["losses"], found["one"], rtol=1e-4)
    state = json.loads((folder / "state.json").read_text())
    assert state["step"] == 8
    assert len((folder / "loopback" / "log.csv").read_text().splitlines()) == 2  # only the main process writes


@pytest.mark.slow
def test_an_indivisible_last_batch_is_replicated(tmp_path):
    """Padding would change the statistics of batch normalization."""
    process = start("images", tmp_path)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]
    found = json.loads((tmp_path / "images.json").read_text())
    np.testing.assert_allclose(found["four"], found["one"], rtol=1e-4)


SEQUENCES = [
    "wav2letter_small_asg", "palaz_mfcc_small", "wavenet_asr_small", "char_rnn_small", "wavenet_small",
    *(pytest.param(name, marks=pytest.mark.slow) for name in (
        "deepspeech1_small", "deepspeech2_streaming_small", "wav2letter_small", "wav2letter_raw_small", "palaz_raw_small",
    )),
]  # fmt: skip


@pytest.mark.parametrize("name", SEQUENCES)
def test_padding_items_change_nothing(name):
    """They change neither the loss nor gradients nor running statistics, for every network and criterion."""
    import keras

    import kerasrecipes as kr

    recipe, rng = kr.get_recipe(name), np.random.default_rng(0)
    settings = {**recipe.config, **recipe.tiny_config}
    model = kr.load(name, weights=None, **recipe.tiny_config, **{k: 0.0 for k in ("dropout",) if settings.get(k)})
    model.compile(keras.optimizers.SGD(1.0), metrics=[], run_eagerly=True)
    lengths = np.array([4000, 3300], "int32") if recipe.task != "language-model" else np.array([6, 4], "int32")
    inside = np.arange(lengths[0]) < lengths[:, None]
    nothing = 0
    if recipe.task == "language-model":
        x = {"symbols": rng.integers(1, 9, inside.shape) * inside, "length": lengths}
        labels, nothing = np.where(inside, x["symbols"], -1), -1
    else:
        x = {"audio": (0.1 * rng.normal(size=inside.shape) * inside).astype("float32"), "length": lengths}
        labels = np.array([[1, 2], [3, 0]])
        if recipe.task == "phoneme-recognition":
            frames = model.output_length(lengths)
            labels = np.where(np.arange(frames[0]) < frames[:, None], rng.integers(1, 5, (2, frames[0])), 0)
        if recipe.task == "waveform-generation":
            x = model.fill_default_inputs(x | {"conditioned": np.zeros(2, "int32")})
            labels, nothing = np.where(inside, rng.integers(0, model.quantization_levels, inside.shape), -1), -1
    before, state = model.get_weights(), [np.array(v) for v in model.variables]  # including random states of layers
    loss = model.train_on_batch(x, labels)
    alone = model.get_weights()
    for variable, value in zip(model.variables, state, strict=True):
        variable.assign(value)
    more = {key: pad_batch(np.asarray(v), 4) for key, v in x.items()}
    np.testing.assert_allclose(model.train_on_batch(more, pad_batch(labels, 4, value=nothing)), loss, rtol=1e-5)
    assert any(not np.allclose(a, b) for a, b in zip(before, alone, strict=True))
    agree(model.get_weights(), alone)


def test_another_backend_raises_with_advice(monkeypatch):
    import keras

    from kerasrecipes.training import distributed

    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    with pytest.raises(DataError, match="KERAS_BACKEND=jax"):
        distributed.setup_devices("all")


def test_a_fixed_number_of_items_must_be_a_multiple_of_the_devices():
    from kerasrecipes.training.distributed import DeviceGroup

    class Task:
        fixed_size_setting, dataset = "batch_images", range(3)

        def batch_size(self, index):
            return 128

    DeviceGroup(4).check_divisible(Task())
    with pytest.raises(
        DataError, match=r"128 items cannot be divided among 6 devices: set batch_images .* 126 for instance"
    ):
        DeviceGroup(6).check_divisible(Task())


def test_bucket_sizes_are_few_and_large_enough():
    sizes = range(1, 5000)
    assert all(n <= round_up_to_bucket(n) <= max(1.25 * n, n + 1) for n in sizes)
    assert len({round_up_to_bucket(n) for n in sizes if 512 < n <= 4096}) == 12
    np.testing.assert_array_equal(pad_batch(np.ones((1, 2)), 2, 3, -1), [[1, 1, -1], [-1, -1, -1]])


def test_prefetched_batches_are_the_requested_ones():
    made, passes = [], [0]

    def make(i):
        made.append(i)
        return passes[0], i

    ahead = BatchPrefetcher(make, depth=2)
    assert [ahead(i, 5) for i in range(5)] == [(0, i) for i in range(5)] and sorted(made) == [0, 1, 2, 3, 4]
    ahead(1, 5)
    ahead.clear()
    passes[0] = 1
    assert ahead(2, 5) == (1, 2)
