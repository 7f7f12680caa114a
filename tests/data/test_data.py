"""Data sets: layouts, reproducible batches, and augmentation."""

import importlib
import inspect
import json
import shutil

import numpy as np
import pytest
import soundfile

from kerasrecipes import data, data_prep
from kerasrecipes.data.audio_augmentation import (
    AudioAugmentation,
    add_noise,
    band_limit,
    codec_round_trip,
    colored_noise,
)
from kerasrecipes.data.specs import NOUNS, READERS, list_forms, read_name_list
from kerasrecipes.decoding import Alphabet
from kerasrecipes.errors import DataError

rng = np.random.default_rng(0)


@pytest.fixture
def root(tmp_path, clips):
    return shutil.copytree(clips, tmp_path / "dev-mini")


def test_librispeech_layout(clips):
    found = data.librispeech(clips)
    assert len(found) == 4 and {u.speaker for u in found} == {"84", "652", "1919"}
    for u in found:
        assert u.id.split("-")[0] == u.speaker and u.id in u.path and u.text.isupper() and u.source == "dev-mini"
    assert len(data.librispeech(clips.parent, "dev-mini")) == 4
    assert {u.speaker for u in data.librispeech(clips, speakers=["84"])} == {"84"}
    assert 0.002 < found.hours < 0.01
    with pytest.raises(DataError, match="no speaker 7"):
        data.librispeech(clips, speakers=["7"])


def test_librispeech_errors_name_the_file(root):
    table = root / "84" / "121123" / "84-121123.trans.txt"
    clip = root / "84" / "121123" / "84-121123-0001.mp3"
    clip.rename(clip.with_name("x.mp3"))
    with pytest.raises(DataError, match="lists 84-121123-0001"):
        data.librispeech(root)
    clip.with_name("x.mp3").rename(clip)
    table.write_text("84-121123-0001 \n")
    with pytest.raises(DataError, match="empty.*84-121123-0001"):
        data.librispeech(root)
    table.unlink()
    with pytest.raises(DataError, match=r"lacks its transcripts 84-121123\.trans\.txt"):
        data.librispeech(root)
    with pytest.raises(DataError, match="does not have LibriSpeech's layout"):
        data.librispeech(root / "84")


FORMS = {
    "table.tsv": "path\ttranscript\tspeaker\tsplit\na.mp3\tHello \"you\tme\ttrain\nb.mp3\tbye\tyou\tdev\n",
    "table.csv": "file,text,split\na.mp3,\"Hello, you\",train\nb.mp3,bye,dev\n",
    "table.jsonl": "\n".join(json.dumps({"audio_filepath": f, "text": t, "split": s}) for f, t, s in
                             [("a.mp3", "hello", "train"), ("b.mp3", "bye", "dev")]),
    "validated.tsv": "client_id\tpath\tsentence\tsplit\nx\tclips_a.mp3\tHello\ttrain\ny\tclips_b.mp3\tBye\tdev\n",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_tables(form, tmp_path, clips):
    source = next(clips.rglob("*.mp3"))
    (tmp_path / "clips").mkdir()
    for name in ("a.mp3", "b.mp3", "clips/clips_a.mp3", "clips/clips_b.mp3"):
        shutil.copy(source, tmp_path / name)
    (tmp_path / form).write_text(FORMS[form])
    assert len(data.from_table(tmp_path / form)) == 2
    part = data.from_table(tmp_path / form, split="dev")
    assert [u.text.lower() for u in part] == ["bye"] and part.hours > 0
    spec = f"manifest:{tmp_path / form}"
    assert len(data.load_datasets([f"{spec}?split=train", spec])) == 3
    assert len(data.load_datasets([f"{spec}?exclude={_list(tmp_path, 'a', 'clips_a')}"])) == 1
    with pytest.raises(DataError, match="leaves no clip"):
        data.load_datasets([f"{spec}?exclude={_list(tmp_path, 'a', 'b', 'clips_a', 'clips_b')}"])
    with pytest.raises(DataError, match="no clip of the speakers nobody"):
        data.load_datasets([spec], ["nobody"])


def _list(folder, *names):
    (folder / "list.txt").write_text("# comment\n" + "\n".join(names))
    return folder / "list.txt"


def test_lj_speech_table(tmp_path, clips):
    (tmp_path / "wavs").mkdir()
    shutil.copy(next(clips.rglob("*.mp3")), tmp_path / "wavs" / "LJ001-0001.wav")
    (tmp_path / "metadata.csv").write_text("LJ001-0001|In 1455|in fourteen fifty-five\n")
    assert [u.text for u in data.from_table(tmp_path / "metadata.csv")] == ["in fourteen fifty-five"]


def test_table_errors(tmp_path):
    def fails(content, message, **options):
        (tmp_path / "t.tsv").write_text(content)
        with pytest.raises(DataError, match=message):
            data.from_table(tmp_path / "t.tsv", **options)

    fails("path\twords\na.wav\tx\n", "no text column among path, words")
    fails("path\ttext\na.wav\tx\n", "1 of 1 listed clips do not exist")
    fails("path\ttext\n", "no rows")
    fails("path\ttext\na.wav\tx\n", "no split column", split="dev")
    with pytest.raises(DataError, match="There is no table"):
        data.from_table(tmp_path / "none.tsv")
    for spec in ("librespeech:x", "manifest:", "manifest:x?spilt=dev"):
        with pytest.raises(DataError, match="names no data set"):
            data.load_datasets([spec])


def test_held_out_prompts():
    held = read_name_list("arctic_heldout")
    assert len(held) == len(set(held)) == 40 and all(p.startswith("arctic_") for p in held)


def many(clips, count=24):
    paths = [u.path for u in data.librispeech(clips)]
    return data.Utterances(data.Utterance(f"u{i}", paths[i % 4], "hi there") for i in range(count))


def dataset(clips, tmp_path, **options):
    options = {"batch_seconds": 16, "batch_order": "sortagrad", "speed_perturbation": (0.9, 1.0, 1.1)} | options
    return data.SpeechDataset(many(clips), Alphabet(), lambda n: n // 640, cache_dir=tmp_path, **options)


def test_sortagrad_then_shuffled_every_clip_once(clips, tmp_path):
    d = dataset(clips, tmp_path)
    longest = [int(d[i][0]["length"].max()) for i in range(len(d))]
    assert longest == sorted(longest) and len(set(longest)) > 1
    first = [b[:] for b in d.batches]
    d.on_epoch_end()
    assert d.batches != first
    longest = [int(d[i][0]["length"].max()) for i in range(len(d))]
    assert longest != sorted(longest)
    for batches in (first, d.batches):
        assert sorted(i for b in batches for i in b) == list(range(24))
    for i in range(len(d)):
        assert d[i][0]["audio"].size <= 16 * 16000 or len(d[i][1]) == 1


def test_same_seed_same_batches_in_the_middle_of_an_epoch(clips, tmp_path):
    noise = AudioAugmentation(noise_prob=0.5, gain_db=3)
    a, b = (dataset(clips, tmp_path, augment=noise, seed=3) for _ in range(2))
    a.on_epoch_end()
    a.on_epoch_end()
    b.set_epoch(2)
    for (x, y), (u, v) in ((a[i], b[i]) for i in range(len(a))):
        np.testing.assert_array_equal(x["audio"], u["audio"])
        np.testing.assert_array_equal(y, v)
    other = dataset(clips, tmp_path, augment=noise, seed=4)
    other.set_epoch(2)
    assert other.batches != b.batches


def test_cache_decodes_once_and_names_bad_clips(clips, tmp_path, monkeypatch):
    first = dataset(clips, tmp_path)
    monkeypatch.setattr("kerasrecipes.data.audio_cache.decode_clip", None)
    np.testing.assert_array_equal(dataset(clips, tmp_path).lengths, first.lengths)
    ratio = first.lengths[:, [0, 2]] / first.lengths[:, 1:2]
    np.testing.assert_allclose(ratio, [[1 / 0.9, 1 / 1.1]] * 24, rtol=1e-3)
    monkeypatch.undo()
    (tmp_path / "bad.wav").write_text("no sound")
    with pytest.raises(DataError, match=r"1 of 1 clips cannot be read.*bad\.wav"):
        data.AudioCache([str(tmp_path / "bad.wav")], folder=tmp_path)
    assert not list(tmp_path.glob("*.partial"))


def test_noise_has_the_right_level_and_color():
    speech = rng.normal(size=64000) * 0.1
    for snr in (0.0, 10.0, 25.0):
        noise = add_noise(speech, colored_noise(64000, 1.0, rng), snr) - speech
        assert 10 * np.log10(np.mean(speech**2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.01)
    pink = np.abs(np.fft.rfft(colored_noise(1 << 16, 1.0, rng))) ** 2
    assert pink[100:200].mean() / pink[10000:20000].mean() == pytest.approx(100, rel=0.4)


def test_band_limit_and_codec():
    x = rng.normal(size=16000) * 0.1
    spectrum = np.abs(np.fft.rfft(band_limit(x, 3000)))
    assert spectrum[3600:].max() < 1e-9 * spectrum[:2900].max()
    for kind in ("OGG", "MP3"):
        y = codec_round_trip(x, kind)
        assert len(y) == len(x) and np.isfinite(y).all() and 0 < np.std(y) < 0.2 and not np.allclose(x, y)
    everything = AudioAugmentation(noise_prob=1, gain_db=6, lowpass_prob=1, codec_prob=1)
    a, b = (everything(x.astype("float32"), np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert a.dtype == np.float32 and len(a) == len(x)


def test_summary(clips, tmp_path):
    found = data_prep.summarize(data.librispeech(clips), data.librispeech(clips, speakers=["84"]), tmp_path)
    text = str(found)
    assert "speakers" in text and "3 (" in text and "words not in other" in text
    assert (tmp_path / "lengths.png").stat().st_size > 1000
    odd = data.Utterances(data.Utterance("odd", u.path, "a", "1", 5.0) for u in data.librispeech(clips)[:1])
    assert data_prep.summarize(odd).suspicious[0][0] == "odd"


def test_tf_data_pipeline_gives_the_same_batches(clips):
    utterances = data.librispeech(clips)
    batches = list(data.to_tf_dataset(utterances, Alphabet(), batch_size=2))
    (x, y), _ = batches
    assert x["audio"].shape[0] == 2 and y.shape[0] == 2
    from kerasrecipes.audio import load_audio

    wave = load_audio(utterances[0].path)
    assert int(x["length"][0]) == len(wave)
    np.testing.assert_array_equal(x["audio"][0, : len(wave)], wave)
    assert Alphabet().decode(y[0].numpy()) == utterances[0].text.lower()


@pytest.mark.slow
def test_fit_takes_batches_whose_first_two_share_a_size(clips, tmp_path):
    """Keras would fix the size that the first two batches share."""
    import kerasrecipes as kr

    rng = np.random.default_rng(0)
    texts = ["ab", "ba", "abab", "b"]
    paths = []
    for i in range(4):
        paths.append(tmp_path / f"{i}.wav")
        soundfile.write(paths[-1], rng.normal(size=8000 + 800 * (i // 2)).astype("float32") * 0.1, 16000)
    model = kr.load("deepspeech2_small", weights=None, alphabet="ab", **kr.get_recipe("deepspeech2_small").tiny_config)
    dataset = data.SpeechDataset(
        data.from_lists(paths, texts),
        model.alphabet,
        model.output_length,
        batch_size=1,
        batch_order="sorted",
        cache_dir=tmp_path,
    )
    model.fit(dataset, epochs=2, verbose=0)
    model.fit(data.from_lists(paths, texts), validation_data=dataset, batch_seconds=0.6, verbose=0)


def test_recorded_noise_has_the_right_level_and_spectrum(tmp_path):
    import soundfile

    from kerasrecipes.errors import DataError

    hum = np.sin(2 * np.pi * 500 * np.arange(4000) / 16000)  # shorter than the speech: it is repeated
    soundfile.write(tmp_path / "hum.wav", 0.3 * hum, 16000)
    x = (rng.normal(size=32000) * 0.1).astype("float32")
    noisy = (
        AudioAugmentation(noise_prob=1, snr_db=(10, 10), noise_folder=str(tmp_path))(x, np.random.default_rng(2)) - x
    )
    assert 10 * np.log10(np.mean(x**2) / np.mean(noisy**2)) == pytest.approx(10, abs=0.1)
    assert np.argmax(np.abs(np.fft.rfft(noisy))) == 1000  # 500 Hz in bins of half a hertz
    many = AudioAugmentation(noise_prob=1, snr_db=(10, 10), num_noises=(4, 4))(x, np.random.default_rng(2)) - x
    assert 10 * np.log10(np.mean(x**2) / np.mean(many**2)) == pytest.approx(10, abs=0.1)
    (tmp_path / "none").mkdir()
    soundfile.write(tmp_path / "none" / "quiet.wav", np.zeros(4000), 16000)
    with pytest.raises(DataError, match="silence only"):
        AudioAugmentation(noise_prob=1, noise_folder=str(tmp_path / "none"))(x, np.random.default_rng(2))


def test_transcripts_may_contain_newlines(clips, tmp_path):
    clip = next(iter(data.librispeech(clips))).path
    (tmp_path / "a.csv").write_text(f'path,text\n{clip},"hello\nworld"\n{clip},bye\n')
    (tmp_path / "a.jsonl").write_text(json.dumps({"path": clip, "text": "hello\u2028world"}, ensure_ascii=False) + "\n")
    (tmp_path / "a.tsv").write_text(f'path\ttext\r\n{clip}\tsay "hello\r\n')
    found = [[u.text.split() for u in data.from_table(tmp_path / f"a.{end}")] for end in ("csv", "jsonl", "tsv")]
    assert found == [[["hello", "world"], ["bye"]], [["hello", "world"]], [["say", '"hello']]]


def test_a_speaker_may_be_missing_from_some_sets_of_a_mix(clips, tmp_path):
    clip = next(iter(data.librispeech(clips))).path
    for name in ("anna", "ben"):
        (tmp_path / f"{name}.tsv").write_text(f"path\ttext\tspeaker\n{clip}\thello\t{name}\n")
    specs = [f"manifest:{tmp_path / name}.tsv" for name in ("anna", "ben")]
    assert [u.speaker for u in data.load_datasets(specs, ["anna"])] == ["anna"]


@pytest.mark.parametrize("name", READERS)
def test_every_reader_is_a_function_with_its_options(name):
    reader = READERS[name]
    module, function = reader.function.split(":")
    parameters = inspect.signature(getattr(importlib.import_module(f"kerasrecipes.data.{module}"), function)).parameters
    assert {*reader.options} <= {*parameters} and {*reader.required} <= {*reader.options}
    assert reader.selects_speakers == ("speakers" in parameters) and reader.yields in NOUNS
    assert list_forms(reader.yields).find(reader.form(name)) >= 0
