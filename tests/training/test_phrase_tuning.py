"""The rejection cost of phrases on logits whose errors are known, and the choice of held-out clips."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from kerasrecipes import data
from kerasrecipes.data.utterances import Utterance, Utterances
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.criteria import CTCCriterion
from kerasrecipes.errors import DataError
from kerasrecipes.training import held_out_clips
from kerasrecipes.training.phrase_tuning import count_phrases, tune_rejection_cost
from kerasrecipes.training.scored_clips import ScoredClips

ALPHABET = Alphabet("ab ")
MODEL = SimpleNamespace(name="tiny", criterion=CTCCriterion(), alphabet=ALPHABET, stride=640, sample_rate=16000)
BLANK, A, B, SPACE = range(4)


def frames(*columns, margin=9.0, second=None):
    """Return logits whose best columns are given, `margin` nats above the others, or above the `second` ones."""
    logits = np.zeros((len(columns), 4))
    logits[np.arange(len(columns)), list(columns)] = 20.0
    if second is not None:
        logits[np.arange(len(columns)), list(second)] = 20.0 - margin
    return logits


def scored(*logits):
    return ScoredClips(list(logits), [36.0] * len(logits))


CLEAR = frames(BLANK, A, B, BLANK)  # "ab"
UNSURE = frames(BLANK, A, A, BLANK, second=(BLANK, A, B, BLANK), margin=2.5)  # "ab" at a cost above 2.5 / 2 letters
WRONG = frames(BLANK, B, B, BLANK, second=(BLANK, A, B, BLANK), margin=5.0)  # never "ab" below 2.5


@pytest.mark.parametrize(("held_out", "others", "cost", "misses", "false_per_hour"), [
    ([CLEAR], None, 1.0, 0.0, None),
    ([CLEAR, UNSURE], None, 1.5, 0.0, None),
    ([CLEAR, UNSURE], [WRONG], 1.5, 0.0, 0.0),
    ([CLEAR, UNSURE], [UNSURE, WRONG], 0.25, 0.5, 0.0),  # 50 false phrases an hour weigh as much as half of the clips
    ([WRONG], None, 1.0, 1.0, None),
    ([WRONG], [frames(BLANK, BLANK, SPACE)], 3.0, 0.0, 0.0),
])  # fmt: skip
def test_the_best_cost_has_the_fewest_misses_and_false_phrases(held_out, others, cost, misses, false_per_hour):
    progress = []
    best, rates = tune_rejection_cost(
        MODEL, ["ab"], scored(*held_out), ["ab"] * len(held_out), others and scored(*others), lambda *steps: progress.append(steps)
    )
    assert (best.rejection_cost, best.misses, best.false_per_hour) == (cost, misses, false_per_hour)
    assert [r.rejection_cost for r in rates] == ([1.0, 1.5, 2.0] if others is None else [0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
    assert len(progress) == len(rates) and progress[-1] == (len(rates), len(rates))


def test_phrases_are_counted_longest_first():
    phrases = ["go", "go home", "home run"]
    assert [count_phrases(text, phrases) for text in ("", "go", "go home", "go home run go", "go go home")] == [0, 1, 1, 2, 2]


def clips(*rows):
    return Utterances(Utterance(f"{i}", f"{i}.wav", text, speaker) for i, (text, speaker) in enumerate(rows))


def test_whole_speakers_are_held_out():
    utterances = clips(*[(text, speaker) for speaker in "abcde" for text in ("on", "off") for _ in range(3)])
    train, held_out = held_out_clips.split_clips(utterances)
    assert len(held_out) == 6 and len(train) == 24 and not {u.speaker for u in train} & {u.speaker for u in held_out}
    assert {held_out_clips.split_clips(utterances, seed)[1][0].speaker for seed in range(30)} == set("abcde")
    uneven = clips(*[("on", "anna")] * 20, *[("on", "ben")] * 2)  # the speaker of most clips is for training
    assert {u.speaker for u in held_out_clips.split_clips(uneven)[1]} == {"ben"}
    assert {u.speaker for u in held_out_clips.split_clips(clips(*[("on", "anna")] * 5, *[("on", "ben")] * 4))[1]} == {"ben"}


@pytest.mark.parametrize("speaker", ["", "anna"])
def test_takes_of_one_speaker_are_held_out_and_every_phrase_stays_in_training(speaker):
    utterances = clips(*[(text, speaker) for text in ("on", "off", "up", "down") for _ in range(5)], ("once", speaker))
    train, held_out = held_out_clips.split_clips(utterances)
    assert len(held_out) == 4 and {u.text for u in held_out} == {"on", "off", "up", "down"}
    assert Counter(u.text for u in train) == {"on": 4, "off": 4, "up": 4, "down": 4, "once": 1}
    assert {u.id for u in train} | {u.id for u in held_out} == {u.id for u in utterances}
    train, held_out = held_out_clips.split_clips(clips(*[(f"text {i}", speaker) for i in range(10)]))  # no text occurs twice
    assert len(held_out) == 2 and len(train) == 8
    with pytest.raises(DataError, match="3 clips are too few"):
        held_out_clips.split_clips(clips(*[("on", speaker)] * 3))


def test_doubtful_clips_are_named_and_tables_are_read_back(tmp_path):
    rng = np.random.default_rng(0)
    waves = {
        "good": 0.1 * rng.standard_normal(16000), "quiet": np.full(16000, 1e-4), "loud": np.sign(rng.standard_normal(16000)),
        "short": 0.1 * rng.standard_normal(800), "fast": 0.1 * rng.standard_normal(16000),
    }  # fmt: skip
    rows = []
    for name, wave in waves.items():
        soundfile.write(tmp_path / f"{name}.wav", wave, 16000)
        rows.append(Utterance(name, str(tmp_path / f"{name}.wav"), "on " * (20 if name == "fast" else 1), "anna", len(wave) / 16000))
    reasons = dict(held_out_clips.find_doubtful_clips(rows))
    assert list(reasons) == ["quiet", "loud", "short", "fast"]
    assert "silent" in reasons["quiet"] and "overdriven" in reasons["loud"] and "60 characters" in reasons["fast"]
    table = held_out_clips.write_clip_table(tmp_path / "sub" / "table.tsv", Utterances(rows))
    back = data.from_table(table)
    assert [(u.path, u.text, u.speaker, u.seconds) for u in back] == [(u.path, u.text, u.speaker, u.seconds) for u in rows]
    with pytest.raises(DataError, match="no audio file of its own"):
        held_out_clips.write_clip_table(tmp_path / "table.tsv", clips(("on", "")))
