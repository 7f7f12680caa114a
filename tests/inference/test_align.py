"""Forced alignment against enumeration, over blocks, and on a real clip; texts that do not fit."""

import itertools

import numpy as np
import pytest

from kerasrecipes.audio import load_audio
from kerasrecipes.decoding import forced_alignment as lattices
from kerasrecipes.decoding.forced_alignment import asg_alignment_graph, ctc_alignment_graph, viterbi_align
from kerasrecipes.errors import DataError


def collapse(path):
    return [s for s, _ in itertools.groupby(path)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("criterion", ["ctc", "asg"])
def test_the_best_of_all_paths_that_spell_the_text(criterion, seed):
    rng = np.random.default_rng(seed)
    frames, symbols = 7, 4
    scores = rng.normal(size=(frames, symbols)).astype("float32")
    moves = rng.normal(size=(symbols, symbols)).astype("float32")
    numbers = rng.integers(1, symbols, rng.integers(1, 5))
    if criterion == "asg":  # no letter twice in a row
        numbers = np.array(collapse(numbers))
    best = -np.inf
    for path in itertools.product(range(symbols), repeat=frames):
        symbols_said = [s for s in collapse(path) if s] if criterion == "ctc" else [s + 1 for s in collapse(path)]
        if symbols_said != numbers.tolist():
            continue
        score = scores[np.arange(frames), path].sum()
        score += moves[path[:-1], path[1:]].sum() if criterion == "asg" else 0
        best = max(best, score)
    lattice = ctc_alignment_graph(numbers) if criterion == "ctc" else asg_alignment_graph(numbers, moves)
    if best == -np.inf:
        with pytest.raises(ValueError, match="needs"):
            viterbi_align(scores, lattice)
        return
    path = lattice.columns[viterbi_align(scores, lattice)]
    found = scores[np.arange(frames), path].sum()
    found += moves[path[:-1], path[1:]].sum() if criterion == "asg" else 0
    assert found == pytest.approx(best, abs=1e-4)


def test_frames_needed_are_letters_and_blanks_between_equal_ones():
    assert ctc_alignment_graph(np.array([1, 1, 2, 2, 2])).min_frames == 8
    assert ctc_alignment_graph(np.array([], int)).min_frames == 1
    assert asg_alignment_graph(np.array([1, 2, 1]), np.zeros((2, 2))).min_frames == 3


@pytest.mark.parametrize("criterion", ["ctc", "asg"])
def test_blocks_change_nothing(criterion, monkeypatch):
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(300, 6)).astype("float32")
    numbers = np.array(collapse(rng.integers(1, 6, 90)))
    lattice = (
        ctc_alignment_graph(numbers) if criterion == "ctc" else asg_alignment_graph(numbers, rng.normal(size=(6, 6)))
    )
    monkeypatch.setattr(lattices, "CHECKPOINT_EVERY", 1000)
    whole = viterbi_align(scores, lattice)
    for block in (1, 7, 64):
        monkeypatch.setattr(lattices, "CHECKPOINT_EVERY", block)
        assert np.array_equal(viterbi_align(scores, lattice), whole)


@pytest.fixture(scope="module")
def clip():
    return load_audio("kerasrecipes/assets/demo.mp3")


def test_the_greedy_text_is_timed_as_greedy_times_it(pretrained, clip):
    said = pretrained.transcribe(clip, 16000)
    found = pretrained.align(clip, said.text, 16000)
    assert [w.text for w in found.words] == [w.text for w in said.words] and not found.mismatched_words
    assert np.allclose([w.start for w in found.words], [w.start for w in said.words], atol=1e-6)
    assert found.to_srt() and found.characters


def test_words_keep_their_writing_and_wrong_ones_are_named(pretrained, clip):
    said = pretrained.transcribe(clip, 16000).text.split()
    text = " ".join([f"{said[0].title()},", "\u2014", *said[1:3], "xylophones", *said[3:]])
    found = pretrained.align(clip, text, 16000)
    assert found.words[0].text == f"{said[0].title()}, \u2014" and len(found.words) == len(said) + 1
    assert "xylophones" in [w.text for w in found.mismatched_words]


def test_a_clip_inside_silence_and_noise_is_found_where_it_is(pretrained, clip):
    said = pretrained.transcribe(clip, 16000)
    alone = pretrained.align(clip, said.text, 16000)
    shift = 0.48 * 5
    quiet = np.zeros(int(16000 * shift), "float32")
    late = pretrained.align(np.concatenate([quiet, clip, quiet]), said.text, 16000)
    errors = [abs(a.start + shift - b.start) for a, b in zip(alone.words, late.words, strict=True)]
    assert np.median(errors) <= 0.081  # normalized together with the silence, the scores are a little other ones


@pytest.mark.parametrize(
    ("text", "message"), [(" - ", "no word"), ("caf\u00e9 7up", "outside the alphabet"), ("word " * 500, "do not fit")]
)
def test_texts_that_cannot_be_aligned(pretrained, clip, text, message):
    with pytest.raises(DataError, match=message):
        pretrained.align(clip, text, 16000)
