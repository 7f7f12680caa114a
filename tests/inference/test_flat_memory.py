"""Long recordings: read in blocks, the same logits and words as of samples in memory, and never all samples at once."""

import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr

from kerasrecipes import audio, layers
from kerasrecipes.inference.chunked import layer_blocks
from kerasrecipes.inference.transcribe import logits_of
from kerasrecipes.layers.sequence import UtteranceStatistics

RATE = 16000


def speech_like(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    return (0.1 * rng.normal(size=n) * (np.sin(np.arange(n) / 4000) > 0)).astype("float32")


@pytest.fixture
def long_file(tmp_path):
    """Forty minutes: 154 MB of samples."""
    minute = speech_like(60)
    with soundfile.SoundFile(tmp_path / "long.flac", "w", RATE, 1) as file:
        for number in range(40):
            file.write(minute * (number % 3 > 0))
    return tmp_path / "long.flac"


def test_a_long_file_is_read_in_blocks(long_file):
    tracemalloc.start()
    recording = audio.open_recording(long_file, keep_seconds=60.0)
    total = np.float64(0)
    sizes = []
    for block in recording.blocks():
        total += np.square(block, dtype="float64").sum()
        sizes.append(len(block))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6 and recording.samples is None
    assert len(recording) == sum(sizes) == 40 * 60 * RATE and set(sizes[:-1]) == {audio.RECORDING_BLOCK_SAMPLES}
    expected, _ = soundfile.read(long_file, frames=60 * RATE, start=60 * RATE, dtype="float32")
    assert total == pytest.approx(26 * np.square(expected, dtype="float64").sum(), rel=1e-9)


@pytest.mark.parametrize(("rate", "channels", "file_format"), [(44100, 2, "WAV"), (16000, 1, "FLAC"), (8000, 1, "MP3")])
def test_each_reading_gives_the_samples_of_the_whole(tmp_path, rate, channels, file_format):
    path = tmp_path / f"x.{file_format.lower()}"
    samples = 0.1 * np.random.default_rng(0).normal(size=(5 * rate, channels))
    soundfile.write(path, samples, rate, format=file_format)
    whole = audio.load_audio(path)
    recording = audio.open_recording(path, keep_seconds=1.0)
    for _ in range(2):
        assert np.array_equal(np.concatenate([*recording.blocks()]), whole)
    assert len(recording) == len(whole) and not recording.is_silent
    for count in (-80, 0, 80, -len(whole) - 1):
        expected = np.concatenate([np.zeros(max(count, 0)), whole[max(-count, 0) :]])[: len(whole)]
        expected = np.pad(expected, (0, len(whole) - len(expected)))
        for source in (recording, audio.Recording.from_samples(whole)):
            assert np.array_equal(np.concatenate([*source.shifted(count).blocks()]), expected)


def test_an_array_is_converted_in_blocks():
    samples = (1000 * np.random.default_rng(0).normal(size=(60 * 44100, 2))).astype("int16")
    tracemalloc.start()
    recording = audio.open_recording(samples, sample_rate=44100, keep_seconds=1.0)
    blocks = sum(len(block) for block in recording.blocks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert blocks == len(recording) == len(soxr.resample(samples[:, 0].astype("float32"), 44100, RATE)) and peak < 6e6


def test_a_warning_comes_once_and_errors_before_any_block(tmp_path):
    path = tmp_path / "cut.wav"
    soundfile.write(path, speech_like(3), RATE)
    path.write_bytes(path.read_bytes()[:60000])
    with pytest.raises(audio.AudioError, match="is cut off"):
        audio.open_recording(path, keep_seconds=0.1)
    with pytest.warns(UserWarning, match="is cut off") as warned:
        recording = audio.open_recording(path, keep_seconds=0.1, allow_truncated=True)
        assert sum(map(len, recording.blocks())) == len(recording)
    assert len(warned) == 1
    with pytest.raises(audio.AudioError, match="longer than 1 s"):
        audio.open_recording(path, max_seconds=1.0, allow_truncated=True)


@pytest.mark.parametrize("layer", [
    layers.UtterancePowerNormalization(), layers.UtteranceNormalization(), layers.UtteranceStandardization(ddof=1),
    layers.ReflectPadding(7), layers.Deltas(3), layers.SavitzkyGolayDeltas(9), layers.DecibelMFCC(3), layers.BlockStandardization(2),
], ids=lambda layer: type(layer).__name__)  # fmt: skip
def test_layers_that_see_the_whole_utterance_run_in_blocks(layer):
    shape = () if isinstance(layer, layers.UtterancePowerNormalization | layers.ReflectPadding) else (4,)
    rng = np.random.default_rng(1)
    for steps in (1, 8, 9, 30, 137):
        x = rng.normal(2, 3, size=(steps, *shape)).astype("float32")
        whole = layer.call_numpy(x)
        for size in (1, 3, 16, 50, 200):
            blocks, statistics = [x[i : i + size] for i in range(0, steps, size)], UtteranceStatistics()
            for block in blocks:
                statistics.add(block)
            np.testing.assert_allclose(np.concatenate([*layer_blocks(layer, blocks, statistics)]), whole, atol=2e-5)


@pytest.fixture(scope="module")
def tiny_models():
    import kerasrecipes as kr

    def build(name):
        return kr.load(name, weights=None, compile=False, **kr.get_recipe(name).tiny_config)

    return [build("wav2letter_small"), build("deepspeech2_small")]  # a finite receptive field, a bidirectional recurrence


def test_a_model_hears_a_file_as_its_samples_and_holds_few_of_them(tiny_models, tmp_path):
    path = tmp_path / "x.wav"
    samples = (3000 * np.concatenate([speech_like(60, seed) for seed in range(6)])).astype("int16")
    soundfile.write(path, samples, RATE)
    for model in tiny_models:
        threshold, whole = 5.0, model.transcribe(samples, RATE, chunk_threshold_seconds=5.0, decoder="greedy")
        tracemalloc.start()
        transcript = model.transcribe(path, chunk_threshold_seconds=threshold, decoder="greedy")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert transcript == whole and len(whole.text) > 0
        assert peak < 0.7 * 4 * len(samples)  # the samples alone would take all of it
        assert model.transcribe([path, path], chunk_threshold_seconds=threshold, decoder="greedy") == [whole, whole]


def test_shifted_averages_of_a_file_are_those_of_its_samples(tiny_models, tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, speech_like(9), RATE, "FLOAT")
    logits = [
        logits_of(tiny_models[0], source, 5.0, 0.005)
        for source in (audio.open_recording(path, keep_seconds=5.0), audio.load_audio(path))
    ]
    assert np.array_equal(*logits)
