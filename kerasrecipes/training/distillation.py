"""The teacher of a training: loaded, checked against the student, and run once over every clip."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.progress import track

from kerasrecipes.batch.job import weights_hash
from kerasrecipes.data.posterior_cache import PosteriorCache, hash_clips
from kerasrecipes.data.teacher_targets import FrameGrid, TeacherTargets
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.errors import DataError
from kerasrecipes.inference.ensemble import RecognizerEnsemble
from kerasrecipes.inference.transcribe import score_batches
from kerasrecipes.loading import load
from kerasrecipes.training.config import TrainConfig


def prepare_teacher(
    config: TrainConfig, student: Any, utterances: Any, cache_dir: Path
) -> tuple[TeacherTargets, dict[str, str]]:
    """Compute the teacher's missing posteriors, and let the student's loss use them.

    Returns:
        The targets of the utterances, and the teacher's name and hash for the run's record.

    Raises:
        DataError: The student or the teacher has no CTC, or their symbols differ.
    """
    names = [str(config.teacher), *config.average_teacher_with]
    name = " + ".join(names)
    if student.criterion.name != "ctc":
        raise DataError(
            f"teacher: {config.recipe} is trained with {student.criterion.name}, and only CTC has posteriors of single frames: "
            "train with CTC first, then start from that run (init_from: FOLDER, init_config: {criterion: ctc})"
        )
    teachers = [load_teacher(n) for n in names]
    teacher = RecognizerEnsemble(teachers) if len(teachers) > 1 else teachers[0]
    columns = match_columns(name, teacher.alphabet, student.alphabet)
    hashes = [weights_hash(n) for n in names]
    sha256 = hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()
    cache, keys = PosteriorCache(cache_dir, sha256), hash_clips([u.path for u in utterances])
    compute_posteriors(teacher, cache, keys, [u.path for u in utterances])
    student.distill(config.ctc_weight, config.teacher_weight, config.temperature)
    targets = TeacherTargets(cache, keys, columns, FrameGrid.from_model(teacher), FrameGrid.from_model(student))
    return targets, {"name": name, "sha256": sha256}


def load_teacher(name: str) -> Any:
    """Load a recognizer in float32, on one device whatever the distribution of the training.

    Raises:
        DataError: It is no recognizer trained with CTC.
    """
    policy, distribution = keras.config.dtype_policy(), keras.distribution.distribution()
    keras.config.set_dtype_policy("float32")
    keras.distribution.set_distribution(None)
    try:
        teacher = load(name, compile=False)
    finally:
        keras.config.set_dtype_policy(policy)
        keras.distribution.set_distribution(distribution)
    criterion = getattr(getattr(teacher, "criterion", None), "name", None)
    if criterion != "ctc":
        kind = f"is trained with {criterion}" if criterion else f"is no recognizer, its task is {teacher.recipe.task}"
        raise DataError(f"teacher: {name} {kind}: name a recognizer trained with CTC")
    return teacher


def match_columns(name: str, teacher: Alphabet, student: Alphabet) -> list[int]:
    """Return the teacher's column of each of the student's columns: the blank's, then that of each symbol.

    Raises:
        DataError: The symbols are not the same. The message names them.
    """
    missing, extra = (
        [s for s in one.symbols if s not in other.symbols] for one, other in ((student, teacher), (teacher, student))
    )
    if missing or extra:
        parts = [f"lacks {', '.join(map(repr, missing))}"] * bool(missing)
        parts += [f"also has {', '.join(map(repr, extra))}"] * bool(extra)
        raise DataError(
            f"teacher: the alphabet of {name} {' and '.join(parts)}: it must have the student's symbols {student}, in any order"
        )
    return [0, *(1 + teacher.symbols.index(symbol) for symbol in student.symbols)]


def compute_posteriors(teacher: Any, cache: PosteriorCache, keys: Sequence[str], paths: Sequence[str]) -> None:
    """Run the teacher over all clips that the cache lacks, each once. Clips that are done remain if this is interrupted.

    Raises:
        DataError: A clip cannot be read, or the teacher has no frame for it.
    """
    with cache.lock():
        missing = {key: path for key, path in zip(keys, paths, strict=True) if key not in cache}
        todo, failures = list(missing), [None] * len(missing)
        logits = score_batches(teacher, list(missing.values()), failures)
        progress = track(logits, "running the teacher", len(todo), console=Console(stderr=True), disable=len(todo) < 50)
        for index, frames, _ in progress:
            if not len(frames):
                raise DataError(f"{missing[todo[index]]} is too short for the teacher: leave it out")
            cache.append(todo[index], log_softmax(frames))
    if errors := [error for error in failures if error is not None]:
        raise DataError(f"{len(errors)} of {len(paths)} clips cannot be read, the first: {errors[0]}")
