"""tensorflow-io's decoders against libsndfile: run by `make test-tfio` in an environment with TensorFlow 2.16."""

import numpy as np
import pytest
import soundfile

from kerasrecipes.audio import load_audio
from kerasrecipes.data.tf_dataset import decode_in_graph, tfio_usable

if not tfio_usable():
    pytest.skip("tensorflow-io does not work with this TensorFlow; make test-tfio builds one", allow_module_level=True)

RNG = np.random.default_rng(0)
WAVE = np.cumsum(RNG.normal(size=32000)) * 1e-3
STEP = 1 / 32768


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_both_readers_agree_to_one_16_bit_step(tmp_path, suffix, channels):
    path = tmp_path / f"clip{suffix}"
    soundfile.write(path, np.repeat(np.clip(WAVE, -0.9, 0.9)[:, None], channels, axis=1), 16000)
    graph, file = decode_in_graph(path.read_bytes(), suffix).numpy(), load_audio(path)
    count = min(len(graph), len(file))
    assert count > 30000 and abs(len(graph) - len(file)) < 2400
    np.testing.assert_allclose(graph[:count], file[:count], atol=STEP)


def test_pipeline_decodes_in_the_graph(tmp_path):
    from kerasrecipes import data
    from kerasrecipes.decoding import Alphabet

    path = tmp_path / "clip.flac"
    soundfile.write(path, WAVE, 16000)
    utterances = data.Utterances([data.Utterance("clip", str(path), "hello")])
    dataset = data.to_tf_dataset(utterances, Alphabet())
    ((x, _),) = list(dataset)
    np.testing.assert_allclose(x["audio"][0], load_audio(path), atol=STEP)


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_shards_are_read_and_decoded_in_the_graph(tmp_path, suffix, monkeypatch):
    from kerasrecipes import data
    from kerasrecipes.data import tf_dataset
    from kerasrecipes.decoding import Alphabet

    rows = []
    for i in range(6):
        path = tmp_path / f"clip{i}{suffix}"
        soundfile.write(path, np.clip(WAVE[: 20000 + 1000 * i], -0.9, 0.9), 16000)
        rows.append(data.Utterance(f"clip{i}", str(path), "a" * (i + 1)))
    data.write_shards(data.Utterances(rows), tmp_path / "shards", megabytes=0.05)
    utterances = data.load_shards(tmp_path / "shards")
    monkeypatch.setattr(tf_dataset, "load_audio", lambda *a: pytest.fail("libsndfile decoded"))
    waves = {}
    for host in range(2):
        for x, y in data.to_tf_dataset(utterances, Alphabet(), batch_size=1, host=host, hosts=2):
            waves[y.shape[1]] = x["audio"][0].numpy()
    assert sorted(waves) == [1, 2, 3, 4, 5, 6]
    for i, row in enumerate(rows):
        count = min(len(waves[i + 1]), len(load_audio(row.path)))
        assert count > 15000
        np.testing.assert_allclose(waves[i + 1][:count], load_audio(row.path)[:count], atol=STEP)
