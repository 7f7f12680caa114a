"""Relative entropy pruning against the definition, computed word by word over all histories."""

import importlib.util
import itertools
import math
import random
from pathlib import Path

import numpy as np
import pytest

from kerasrecipes.decoding import ngram_lm

ROOT = Path(__file__).parents[2]
WORDS = ["<unk>", "<s>", "</s>", "a", "b", "ba", "c"]
PREDICTED = [w for w in WORDS if w != "<s>"]
COUNTS = {"<unk>": 1, "<s>": 30, "</s>": 30, "a": 50, "b": 40, "ba": 20, "c": 7}


@pytest.fixture(scope="module")
def pruning():
    spec = importlib.util.spec_from_file_location("prune_ngrams", ROOT / "tools" / "prune_ngrams.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def probability(model, ngram):
    """Return p(last word | words before) of a model {ngram: (probability, backoff weight)}."""
    if ngram in model:
        return model[ngram][0]
    context = ngram[:-1]
    return model.get(context, (0, 1.0))[1] * probability(model, ngram[1:])


def renormalize(model):
    """Set all backoff weights so that each history's probabilities sum to one."""
    for length in range(1, max(map(len, model))):
        for history in [g for g in model if len(g) == length]:
            seen = [g[-1] for g in model if g[:-1] == history]
            left = 1 - sum(model[(*history, w)][0] for w in seen)
            shorter_left = 1 - sum(probability(model, (*history[1:], w)) for w in seen)
            model[history] = (model[history][0], left / shorter_left if seen else 1.0)
    return model


@pytest.fixture(scope="module")
def model():
    """A random trigram model in which each n-gram's context and suffix are n-grams."""
    rng = random.Random(3)
    shares = [rng.uniform(1, 9) for _ in PREDICTED]
    model = {(w,): (s / sum(shares), 1.0) for w, s in zip(PREDICTED, shares, strict=True)} | {("<s>",): (1.0, 1.0)}
    for length in (2, 3):
        for history in [g for g in model if len(g) == length - 1 and g[-1] != "</s>"]:
            known = [w for w in PREDICTED[1:] if length == 2 or (*history[1:], w) in model]
            for word in rng.sample(known, min(len(known), 3)):
                model[*history, word] = (rng.uniform(0.05, 0.25), 1.0)
    return renormalize(model)


def write_model(path, model):
    lengths = [[g for g in model if len(g) == n] for n in (1, 2, 3)]
    lines = ["\\data\\", *(f"ngram {n}={len(g)}" for n, g in enumerate(lengths, 1))]
    for n, ngrams in enumerate(lengths, 1):
        lines += ["", f"\\{n}-grams:"]
        for g in ngrams:
            p, backoff = model[g]
            lines.append(f"{math.log10(p):.9f}\t{' '.join(g)}" + (f"\t{math.log10(backoff):.9f}" if n < 3 else ""))
    path.write_text("\n".join([*lines, "", "\\end\\", ""]))
    return path


def read_model(pruning, path):
    vocabulary, orders = pruning.read_arpa(path)
    return {
        tuple(vocabulary[w] for w in words): (math.exp(p), math.exp(b))
        for order in orders
        for words, p, b in zip(order.words.tolist(), order.log_probs, order.backoffs, strict=True)
    }


def test_costs_are_the_relative_entropy(pruning, model, tmp_path):
    vocabulary, orders = pruning.read_arpa(write_model(tmp_path / "m.arpa", model))
    histories = pruning.history_log_probs(orders, np.array([COUNTS[w] for w in vocabulary], float))
    total = sum(COUNTS.values())
    for i in (1, 2):
        costs = pruning.pruning_costs(orders[i], orders[i - 1], histories[i - 1])
        for ids, cost in zip(orders[i].words.tolist(), costs, strict=True):
            ngram = tuple(vocabulary[w] for w in ids)
            history = ngram[:-1]
            p_history = COUNTS[history[0]] / total * math.prod(probability(model, history[: j + 1]) for j in range(1, len(history)))
            smaller = renormalize({g: v for g, v in model.items() if g != ngram and not (len(g) > len(ngram))})
            divergence = sum(
                probability(model, (*history, w)) * math.log(probability(model, (*history, w)) / probability(smaller, (*history, w)))
                for w in PREDICTED
            )
            assert cost == pytest.approx(p_history * divergence, rel=1e-5, abs=1e-9)
            assert cost > -1e-12


def test_probabilities_of_a_pruned_model_sum_to_one(pruning, model, tmp_path):
    source = write_model(tmp_path / "m.arpa", model)
    sizes = []
    for threshold in (0.0, 1e-3, 3e-3, 1e9):
        sizes.append(pruning.prune_arpa(source, tmp_path / "p.arpa", threshold, COUNTS))
        pruned = read_model(pruning, tmp_path / "p.arpa")
        assert len(pruned) == sizes[-1]
        for history in itertools.chain(*(itertools.product(WORDS, repeat=n) for n in (1, 2))):
            if "</s>" not in history:
                assert sum(probability(pruned, (*history, w)) for w in PREDICTED) == pytest.approx(1, abs=1e-4)
        assert all(pruned[g][0] == pytest.approx(model[g][0], rel=1e-4) for g in pruned)
    assert sizes[0] == len(model) > sizes[1] > sizes[2] > sizes[3] == len(WORDS)


def test_kenlm_reads_the_file_and_the_own_unigrams_serve_without_counts(pruning, model, tmp_path):
    source = write_model(tmp_path / "m.arpa", model)
    assert len(WORDS) < pruning.prune_arpa(source, tmp_path / "p.arpa", 2e-3) < len(model)
    pruned = read_model(pruning, tmp_path / "p.arpa")
    if importlib.util.find_spec("kenlm") or importlib.util.find_spec("ctc_beam_decoder"):
        text = ["<s>", "ba", "a", "c", "</s>"]
        logs = [math.log(probability(pruned, tuple(text[max(0, i - 2) : i + 1]))) for i in range(1, len(text))]
        assert ngram_lm.perplexity(tmp_path / "p.arpa", ["ba a c"]).all == pytest.approx(math.exp(-sum(logs) / len(logs)), rel=1e-3)


def test_a_model_without_an_n_grams_suffix_is_refused(pruning, model, tmp_path):
    trigram = next(g for g in model if len(g) == 3)
    broken = {g: v for g, v in model.items() if g != trigram[1:]}
    with pytest.raises(ValueError, match="lmplz"):
        pruning.read_arpa(write_model(tmp_path / "m.arpa", broken))
