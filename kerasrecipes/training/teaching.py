"""Fine-tuning of a recognizer on a few clips of own words, with a measurement on held-out clips before and after."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from kerasrecipes import loading, metrics
from kerasrecipes.data import load_datasets
from kerasrecipes.data.utterances import Utterance, Utterances, fill_durations
from kerasrecipes.decoding.options import REJECTION_COST
from kerasrecipes.errors import DataError, ExportError, KerasRecipesError
from kerasrecipes.export.exporter import export
from kerasrecipes.registry import get_recipe
from kerasrecipes.training.config import TrainConfig, config_for
from kerasrecipes.training.held_out_clips import find_doubtful_clips, split_clips, write_clip_table
from kerasrecipes.training.optimizer import averaged_weights
from kerasrecipes.training.phrase_tuning import tune_rejection_cost
from kerasrecipes.training.scored_clips import score_clips
from kerasrecipes.training.teaching_records import TeachingCard, describe_held_out, hash_clips, open_plan, read_card
from kerasrecipes.training.trainer import Trainer
from kerasrecipes.utils.environment import hardware_summary
from kerasrecipes.utils.files import atomic_write, write_json

MAX_PHRASES = 500  # with more distinct transcripts the words are no closed list
MAX_MINUTES = 3.0
MIN_STEPS, MAX_STEPS, EPOCHS = 500, 4000, 20
TIMED_MINUTES, TIMED_SHARE = 0.1, 0.25  # of a slice whose steps are timed, and of all slices of the time
Report = Callable[[str], Any]
Bar = Callable[[str, str], AbstractContextManager[Any]]  # action and unit -> progress(done, total)


def teach(
    data: Sequence[str], output: str | Path, recipe: str = "wav2letter_small", *, validation: Sequence[str] = (),
    other_speech: Sequence[str] = (), general_speech: Sequence[str] = (), max_minutes: float = MAX_MINUTES, seed: int = 1,
    report: Report = lambda sentence: None, bar: Bar = lambda action, unit: nullcontext(lambda done, total: None), **settings: Any,
) -> TeachingCard:  # fmt: skip
    """Fine-tune a recognizer on own words, measure it on held-out clips, and write it as Keras and ONNX files.

    A repeated call continues an interrupted one, and returns the card of a finished one.

    The folder holds `model.keras`, `model.onnx`, `phrases.txt` (the distinct transcripts, if at most 500), `card.json`, the
    tables `train.tsv` and `held_out.tsv`, and the run of the trainer in `training`.

    Args:
        data: Specifications of the clips, for instance ["manifest:clips.tsv"].
        output: Folder of the files.
        recipe: Name of a speech recognizer with released weights.
        validation: Specifications of the held-out clips. Default: some speakers of `data`, or some clips if it has one speaker.
        other_speech: Specifications of speech without the phrases, on which false phrases are counted. Default: none.
        general_speech: Specifications of other speech with its transcripts, from which the model learns too, as much as from
            the clips, so that it does not forget other words. Its speakers are not those of `other_speech`. Default: none.
        max_minutes: Time for which the steps of the training are planned. A machine that becomes slower takes longer.
        seed: Seed of the choice of held-out clips and of the training.
        report: Called with a sentence about each step. Default: not called.
        bar: Function from an action and a unit to a context with `progress(done, total)`, as `ProgressBar`. Default: no display.
        **settings: Settings of `TrainConfig`, which replace those of this function.

    Raises:
        DataError: There are too few clips, a clip or transcript cannot be used, `output` has a result of other clips, or a clip
            of the general speech is also in the other speech or among the held-out clips.
        KerasRecipesError: The recipe is no speech recognizer, or `max_minutes` is not positive.

    Example:
        >>> card = teach(["manifest:clips.tsv"], "mine")
        >>> kerasrecipes.load("mine/model.keras").transcribe("clip.wav", phrases=card.phrases.read_text().splitlines())
    """
    if get_recipe(recipe).task != "speech-recognition":
        raise KerasRecipesError(f"{recipe} cannot be taught words: its task is {get_recipe(recipe).task}; use kerasrecipes train")
    if not max_minutes > 0:
        raise KerasRecipesError(f"max_minutes is {max_minutes:g}: it must be above 0")
    folder = Path(output)
    clips = fill_durations(load_datasets(data))
    train, held_out = (clips, fill_durations(load_datasets(validation))) if validation else split_clips(clips, seed)
    mixed = {"general_speech": list(general_speech)} if general_speech else {}
    general, others = load_datasets(general_speech), load_datasets(other_speech)
    check_separate(general, [*others, *held_out])
    plan = open_plan(folder, {"recipe": recipe, "seed": seed, "settings": settings, "clips": hash_clips(train, held_out), **mixed})
    if (card := read_card(folder)) is not None:
        return card
    for clip, reason in find_doubtful_clips([*train, *held_out]):
        report(f"check {clip}: {reason}")
    for name, part in (("train", train), ("held_out", held_out)):
        write_clip_table(folder / f"{name}.tsv", part)
    model = loading.load(recipe, compile=False)
    texts = {model.alphabet.normalize(u.text) for u in [*train, *held_out] if len(model.alphabet.encode(u.text))}
    phrases = sorted(texts) if len(texts) <= MAX_PHRASES and model.criterion.transition_matrix() is None else []
    if phrases:
        atomic_write(folder / "phrases.txt", "\n".join(phrases) + "\n")
    if "before" not in plan:
        with bar("measuring before", "clips") as progress:
            scored = score_clips(model, held_out, progress)
        plan["before"] = word_errors(model, scored, held_out, phrases, REJECTION_COST)
        write_json(folder / "plan.json", plan)
    config = teaching_config(recipe, folder, clips.hours, seed, {"data": mix_in(folder, train, general, general_speech), **settings})
    report(f"training on {len(train)} clips, at most {max_minutes:g} minutes; {len(held_out)} clips are held out")
    state, weights = train_within(config, folder, plan, max_minutes)
    model.set_weights(weights)
    save_model(model, folder / "model.keras")
    values: dict[str, Any] = {
        "recipe": recipe, "steps": state["step"], "minutes": round(60 * state["wall_hours"], 2),
        "train_clips": len(train), "held_out_clips": len(held_out), "held_out": describe_held_out(train, held_out),
        "phrases": len(phrases),
    }  # fmt: skip
    with bar("measuring after", "clips") as progress:
        scored = score_clips(model, held_out, progress)
    cost = REJECTION_COST
    if phrases:
        values |= measure_phrases(model, phrases, held_out, scored, others, bar)
        cost = values["rejection"]["rejection_cost"]
    after = word_errors(model, scored, held_out, phrases, cost)
    worse = [name for name, rate in after.items() if rate > plan["before"][name]]
    if worse:
        report(
            f"The held-out clips have more word errors than before ({', '.join(worse)}): the model learned the voices of the "
            "training clips. Record more speakers, or train for a shorter time into another folder"
        )
    values["word_errors"] = {name: {"before": plan["before"][name], "after": rate} for name, rate in after.items()}
    values |= {"model": export_model(folder, bar, report), "hardware": hardware_summary(), "backend": keras.config.backend()}
    write_json(folder / "card.json", values, default=list)
    return TeachingCard(folder, values)


def teaching_config(recipe: str, folder: Path, hours: float, seed: int, settings: dict[str, Any]) -> TrainConfig:
    """Return the configuration: the recipe's augmentation, a low learning rate with decay, and steps for the amount of audio."""
    base = config_for(recipe, init_from="released")
    batch_seconds = min(base.batch_seconds, 20.0)
    steps = min(max(round(EPOCHS * 3600 * hours / batch_seconds), MIN_STEPS), MAX_STEPS)
    speeds = base.speed_perturbation if len(base.speed_perturbation) > 1 else (0.9, 1.0, 1.1)
    values: dict[str, Any] = {
        "data": (f"manifest:{folder / 'train.tsv'}",), "validation": (), "validation_speakers": (), "seed": seed, "max_steps": steps,
        "warmup_steps": 10, "learning_rate": 3e-4, "batch_seconds": batch_seconds, "batch_order": "random",
        "speed_perturbation": speeds, "ema_momentum": 0.98, "checkpoint_every_minutes": 0.5,
        "teacher": None, "frozen_layers": (),
    } | settings  # fmt: skip
    return replace(base, **{"decay_steps": round(0.8 * values["max_steps"]), **values})


def check_separate(general: Utterances, measuring: Iterable[Utterance]) -> None:
    """Raise a DataError if a clip from which the model would learn also measures it."""
    both = sorted({u.path for u in general} & {u.path for u in measuring})
    if both:
        raise DataError(
            f"{len(both)} clips of --general-speech, {both[0]} the first, also measure the result: take other speakers for it"
        )


def mix_in(folder: Path, train: Utterances, general: Utterances, general_speech: Sequence[str]) -> tuple[str, ...]:
    """Return the training data: the clips, as often as it takes for half of the audio, and the specifications of general speech."""
    clips = f"manifest:{folder / 'train.tsv'}"
    repeats = max(1, round(fill_durations(general).hours / train.hours)) if general_speech else 1
    return (clips,) * repeats + tuple(general_speech)


def train_within(
    config: TrainConfig, folder: Path, plan: dict[str, Any], max_minutes: float
) -> tuple[dict[str, Any], list[Any]]:
    """Train for as many steps as fit into the time, and return the trainer's state and the averaged weights.

    The first steps are timed in slices, of which the fastest counts, because a backend compiles in the others. The number of steps
    that follows goes into `plan.json`, so that an interrupted training continues with the same schedule.
    """
    policy = keras.config.dtype_policy()
    try:
        trainer = Trainer(config, folder / "training", resume=True)
        state, steps_per_hour = dict(trainer.state), 0.0
        while "max_steps" not in plan:
            before, state = state, dict(trainer.train(min(TIMED_MINUTES, TIMED_SHARE / 3 * max_minutes)))
            steps, hours = (state[name] - before[name] for name in ("step", "wall_hours"))
            steps_per_hour = max(steps_per_hour, steps / hours if hours else 0.0)
            if state["wall_hours"] >= TIMED_SHARE * max_minutes / 60 or state["step"] >= config.max_steps:
                fitting = state["step"] + int((max_minutes / 60 - state["wall_hours"]) * steps_per_hour)
                plan["max_steps"] = min(config.max_steps, max(fitting, state["step"] + 1))
                write_json(folder / "plan.json", plan)
        share = config.decay_steps / config.max_steps
        trainer.config = replace(trainer.config, max_steps=plan["max_steps"], decay_steps=round(share * plan["max_steps"]))
        return trainer.train(), averaged_weights(trainer.model)
    finally:
        keras.config.set_dtype_policy(policy)


def word_errors(model: Any, scored: Any, utterances: Utterances, phrases: Sequence[str], cost: float) -> dict[str, float]:
    """Return the word error rates of held-out clips: {"greedy": rate}, and "phrases" if there are some."""
    decoders: dict[str, dict[str, Any]] = {"greedy": {"decoder": "greedy"}}
    if phrases:
        decoders["phrases"] = {"phrases": tuple(phrases), "rejection_cost": cost}
    references = [model.alphabet.normalize(u.text) for u in utterances]
    return {name: metrics.word_error_rate(references, scored.texts(model, **options)).rate for name, options in decoders.items()}


def measure_phrases(
    model: Any, phrases: Sequence[str], held_out: Utterances, scored: Any, other_speech: Utterances, bar: Bar
) -> dict[str, Any]:
    """Return the card's entries about the best rejection cost and all others."""
    others = None
    if other_speech:
        with bar("reading other speech", "clips") as progress:
            others = score_clips(model, other_speech, progress)
    references = [model.alphabet.normalize(u.text) for u in held_out]
    with bar("choosing the rejection cost", "costs") as progress:
        best, rates = tune_rejection_cost(model, phrases, scored, references, others, progress)
    hours = None if others is None else round(sum(others.seconds) / 3600, 3)
    return {"rejection": best.to_dict(), "rejection_costs": [r.to_dict() for r in rates], "other_speech_hours": hours}


def export_model(folder: Path, bar: Bar, report: Report) -> str:
    """Write the ONNX file, and return its name, or that of the `.keras` file if ONNX cannot be written here."""
    try:
        with bar("exporting", "files"):
            return export(folder / "model.keras", folder, force=True, report=report).name
    except ExportError as error:
        report(f"no ONNX file was written: {error}")
        return "model.keras"


def save_model(model: Any, path: Path) -> None:
    """Write a `.keras` file under its final name once it is complete."""
    partial = path.with_name(f".partial-{path.name}")
    model.save(partial)
    partial.replace(path)
