"""Training with a teacher: its own loss, exact resume, the cache, unlabeled clips, errors and records."""

import json
import shutil

import keras
import numpy as np
import pytest
from distillation_checks import TINY, loss_and_gradient, save_teacher, settings

import kerasrecipes as kr
from kerasrecipes.audio import load_audio
from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.errors import DataError
from kerasrecipes.inference.transcribe import batch_logits
from kerasrecipes.training import distillation
from kerasrecipes.training.trainer import Trainer

SYMBOLS = " 'abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save_teacher(tmp_path_factory.mktemp("teacher") / "teacher.keras")


@pytest.fixture(scope="module")
def table(clips, tmp_path_factory):
    """A table of the clips, of which every second one has no transcript."""
    rows = [f"{u.path}\t{u.text if i % 2 else ''}\n" for i, u in enumerate(kr.data.librispeech(clips))]
    path = tmp_path_factory.mktemp("table") / "clips.tsv"
    path.write_text("path\ttranscript\n" + "".join(rows))
    return f"manifest:{path}?unlabeled=keep"


def weights(run):
    return [np.array(w) for w in run.model.get_weights()]


def run_on_no_clip(teacher, paths, failures):
    assert not paths
    return iter(())


def test_a_teacher_equal_to_the_student_gives_its_entropy_and_no_gradient(clips, teacher, tmp_path):
    run = Trainer(settings(f"librispeech:{clips}", teacher, ctc_weight=0.0), tmp_path / "run")
    model = kr.load(teacher)
    run.model.set_weights(model.get_weights())
    inputs, _ = run.dataset[0]
    frames = run.model.output_length(inputs["length"])
    waves = [load_audio(u.path) for u in run.dataset.batch_utterances(0)]
    logits = batch_logits(model, waves)
    entropy = -sum((np.exp(p) * p).sum() for p in map(log_softmax, logits)) / frames.sum()
    assert 0.1 < entropy < 3.2  # not uniform, which would be log 29
    padded = np.zeros((*inputs["teacher"].shape[:2], 29), "float32")
    for row, own in zip(padded, logits, strict=True):
        row[: len(own)] = own
    _, gradient = loss_and_gradient(inputs["teacher"], padded, frames, 1.0)
    assert abs(gradient).max() < 1e-3 < abs(inputs["teacher"] - 1 / 29).max()  # float16 in the cache
    run._train_step()
    assert run.losses["loss"] == run.losses["teacher_loss"] == pytest.approx(entropy, rel=1e-4)


@pytest.mark.slow
def test_resuming_is_exact_and_the_cache_changes_nothing(table, teacher, tmp_path, monkeypatch):
    values = settings(table, teacher, ctc_only_steps=2, speed_perturbation=[0.9, 1.1])
    whole, epochs = Trainer(values, tmp_path / "whole"), []  # computes the posteriors
    saved = {2: "with the teacher", 4: "at its last step", 5: "without it"}
    for step in range(1, 7):
        whole._train_step()
        epochs.append(whole.state["epoch"])
        assert whole.dataset.uses_teacher == (step <= 4)
        if not whole.dataset.uses_teacher:
            assert all(u.text for u in whole.dataset.batch_utterances(whole.state["batch"] - 1))
        if step in saved:
            whole.save()
            shutil.copytree(tmp_path / "whole", tmp_path / saved[step])
    assert epochs[4] == epochs[3] + 1  # the teacher's end begins an epoch
    monkeypatch.setattr(distillation, "score_batches", run_on_no_clip)
    for name in saved.values():
        again = Trainer(values, tmp_path / name, resume=True)
        while again.state["step"] < 6:
            again._train_step()
        for a, b in zip(weights(whole), weights(again), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_an_interrupted_computation_continues(clips, teacher, tmp_path, monkeypatch):
    values, done = settings(f"librispeech:{clips}", teacher), []
    score = distillation.score_batches

    def interrupted(model, paths, failures):
        for item in score(model, paths, failures):
            done.append(paths[item[0]])
            yield item
            if len(done) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(distillation, "score_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Trainer(values, tmp_path / "run")
    Trainer(values, tmp_path / "run")
    assert len(done) == len(set(done)) == len(kr.data.librispeech(clips))


def test_unlabeled_clips_learn_from_posteriors_alone(table, teacher, tmp_path):
    run = Trainer(settings(table, teacher, batch_seconds=200.0), tmp_path / "run")
    inputs, labels = run.dataset[0]
    empty = np.flatnonzero(~labels.any(axis=1))
    assert 0 < len(empty) < len(labels)
    logits = run.model.predict_logits({name: inputs[name] for name in ("audio", "length")})

    def loss_terms(rows):
        run.model.reset_metrics()
        loss = run.model.compute_loss({name: x[rows] for name, x in inputs.items()}, labels[rows], logits[rows])
        return float(loss), float(run.model.ctc_loss.result()), float(run.model.teacher_loss.result())

    total, ctc, from_teacher = loss_terms(empty)
    assert ctc == 0 and total == from_teacher > 0
    total, ctc, from_teacher = loss_terms(np.arange(len(labels)))
    losses = run.model.criterion.loss(labels, logits, run.model.output_length(inputs["length"]))
    losses = np.delete(keras.ops.convert_to_numpy(losses), empty)
    assert ctc == pytest.approx(losses.sum() / (labels > 0).sum(), rel=1e-5)
    assert total == pytest.approx(0.3 * ctc + from_teacher, rel=1e-5)


def test_unlabeled_clips_need_a_teacher(table, clips, tmp_path):
    with pytest.raises(DataError, match="transcripts are empty"):
        kr.data.load_datasets([table.partition("?")[0]])
    with pytest.raises(DataError, match="unlabeled='yes': write unlabeled=keep"):
        kr.data.load_datasets([table.replace("keep", "yes")])
    utterances = kr.data.load_datasets([table])
    without = Trainer(settings(table, None), tmp_path / "run").dataset
    assert len(without.infeasible) == sum(u.text == "" for u in utterances) > 0


def test_symbols_are_matched_by_name(clips, teacher, tmp_path):
    turned = save_teacher(tmp_path / "turned.keras", alphabet=SYMBOLS[::-1])
    for name in (teacher, turned):
        model = kr.load(name)
        dataset = Trainer(settings(f"librispeech:{clips}", name), tmp_path / "run").dataset
        inputs, _ = dataset[0]
        wave = load_audio(dataset.batch_utterances(0)[0].path)
        expected = np.exp(log_softmax(batch_logits(model, [wave])[0]))
        order = [0, *(1 + model.alphabet.symbols.index(s) for s in SYMBOLS)]
        np.testing.assert_allclose(inputs["teacher"][0, : len(expected)], expected[:, order], atol=1e-3)


@pytest.mark.parametrize(("changes", "config", "message"), [
    ({"alphabet": SYMBOLS[:-1]}, {}, r"also has 'z': it must have the student's symbols"),
    ({"alphabet": SYMBOLS + "é"}, {}, "lacks 'é'"),
    ({"config": TINY | {"criterion": "asg"}}, {}, "is trained with asg, and only CTC has posteriors"),
    ({}, {"criterion": "asg"}, "teacher.keras is trained with asg: name a recognizer trained with CTC"),
    ({"recipe": "palaz_raw_small", "config": {}}, {}, "palaz_raw_small cannot learn from a teacher"),
])  # fmt: skip
def test_errors_say_what_does_not_fit(changes, config, message, clips, tmp_path):
    path = save_teacher(tmp_path / "teacher.keras", **config)
    with pytest.raises(DataError, match=message):
        Trainer(settings(f"librispeech:{clips}", path, **changes), tmp_path / "run")
    with pytest.raises(DataError, match="char_rnn_small is no recognizer"):
        distillation.load_teacher("char_rnn_small")


def test_several_teachers_give_the_mean_of_their_posteriors(clips, teacher, tmp_path):
    """And the record names both, in an order that counts for the cache."""
    model = kr.load(teacher)
    model.set_weights([np.roll(w, 1, axis=-1) for w in model.get_weights()])
    model.save(tmp_path / "other.keras")
    other = str(tmp_path / "other.keras")
    runs = [
        Trainer(settings(f"librispeech:{clips}", first, average_teacher_with=others), tmp_path / str(number))
        for number, (first, others) in enumerate(((teacher, []), (other, []), (teacher, [other])))
    ]
    alone, second, both = (run.dataset[0][0]["teacher"] for run in runs)
    assert abs(alone - second).max() > 0.1
    np.testing.assert_allclose(both, (alone + second) / 2, atol=2e-3)  # float16 in the cache
    assert runs[2].task.teacher["name"] == f"{teacher} + {other}"
    assert len({run.task.teacher["sha256"] for run in runs}) == 3


def test_records_and_cards_name_the_teacher(place, clips, teacher, tmp_path, monkeypatch):
    from kerasrecipes.hub import manifest
    from kerasrecipes.release import from_run, model_card

    recipe = kr.get_recipe("wav2letter_small")
    run = Trainer(settings(f"librispeech:{clips}", teacher, max_steps=1), tmp_path / "run")
    run.train()
    record = json.loads((tmp_path / "run" / "run.json").read_text())["teacher"]
    assert record["name"] == teacher and len(record["sha256"]) == 64
    monkeypatch.setattr(from_run, "build_for_training", lambda config: kr.SpeechRecognizer(config.recipe, config=TINY))
    from_run.release("wav2letter_small", tmp_path / "run", "t")
    row = manifest.get_entry("wav2letter_small")
    assert row.training["teachers"] == [{"name": "teacher.keras", "sha256": record["sha256"]}]
    assert "teacher" not in row.training["config"] and row.training["config"]["teacher_weight"] == 1.0
    assert f"({recipe.paper}).\n\n- teacher: teacher.keras (sha256" in model_card.card_markdown("wav2letter_small")
    lines = model_card.card("wav2letter_small").splitlines()
    assert lines[2].startswith("teacher ") and record["sha256"][:16] in lines[2]
