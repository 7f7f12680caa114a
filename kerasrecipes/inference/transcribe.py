"""From files to transcripts: load, batch by length, run the network, decode. Long recordings run in chunks with the same logits."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.audio import Recording, list_audio_files, open_recording, source_name
from kerasrecipes.decoding.decoders import make_decoder
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.errors import AudioError, KerasRecipesError, convert_errors, strip_traceback
from kerasrecipes.hub.metric_names import AVERAGED
from kerasrecipes.inference.ensemble import RecognizerEnsemble, average_log_probs
from kerasrecipes.results import Transcript
from kerasrecipes.utils.audio_blocks import MAX_SECONDS
from kerasrecipes.utils.files import first_line
from kerasrecipes.utils.listing import is_pattern

PAD_MULTIPLE_SECONDS = 0.5  # a compiler that works per shape sees only a few padded lengths
CHUNKING_THRESHOLD_SECONDS = 60.0
BATCH_SECONDS = 60.0


def transcribe(
    model: Any, source: Any, sample_rate: int | None = None, *, batch_seconds: float = BATCH_SECONDS,
    chunk_threshold_seconds: float = CHUNKING_THRESHOLD_SECONDS, progress: Callable[[int, int], Any] | None = None,
    shift_average_seconds: float = 0.0, average_with: Sequence[Any] = (), allow_truncated: bool = False,
    max_seconds: float = MAX_SECONDS, **decoding: Any,
) -> Any:  # fmt: skip
    """Transcribe one input or many. This is `model.transcribe`.

    Args:
        model: Has `predict_logits`, `predict_logits_chunked`, `alphabet`, `criterion`, `stride` and `sample_rate`.
        source: One input, or a list or folder of inputs.
        sample_rate: Hz of arrays.
        batch_seconds: Padded audio per batch in seconds.
        chunk_threshold_seconds: Longer recordings run through `model.predict_logits_chunked`, in chunks. Their samples are not kept
            in memory: they are decoded again for every pass.
        progress: Called with (inputs done, inputs in all) after every input.
        shift_average_seconds: Also run the audio shifted by this much in both directions, and average the three
            probabilities (Deep Speech, arXiv 1412.5567, section 2.1: 5 ms). Takes three times as long. 0 turns it off.
        average_with: More loaded recognizers, see `kerasrecipes.inference.ensemble`. Each frame has the mean of all networks'
            probabilities. Default: none.
        allow_truncated: Transcribe what is there of a file that is cut off, with a warning. Default False: an `AudioError`.
        max_seconds: Longest file that is read. Seconds, default 6 hours; a longer one is an `AudioError`.
        **decoding: `decoder`, `language_model` and the other arguments of `kerasrecipes.decoding.DecodingOptions`.
    """
    to_transcript = make_transcript_decoder(model, make_decoder(model, DecodingOptions(**decoding)))
    reading = {"sample_rate": sample_rate, "allow_truncated": allow_truncated, "max_seconds": max_seconds}
    network, note = model, ""
    if average_with:
        network, note = RecognizerEnsemble([model, *average_with]), AVERAGED + " and ".join(m.name for m in average_with)
    if not is_batch(source):
        recording = read_recording(source, target=model.sample_rate, keep_seconds=chunk_threshold_seconds, **reading)
        transcript = to_transcript(logits_of(network, recording, chunk_threshold_seconds, shift_average_seconds), recording, source)
        return replace(transcript, audio=audio_reference(source, sample_rate), decoder=transcript.decoder + note)
    inputs = list_audio_files(source)
    results: list[Transcript | AudioError | None] = [None] * len(inputs)
    batches = score_batches(
        network, inputs, results, batch_seconds=batch_seconds, chunk_threshold_seconds=chunk_threshold_seconds,
        shift_average_seconds=shift_average_seconds, **reading,
    )  # fmt: skip
    for index, logits, recording in batches:
        try:
            transcript = to_transcript(logits, recording, inputs[index])
            results[index] = replace(transcript, audio=audio_reference(inputs[index]), decoder=transcript.decoder + note)
        except AudioError as error:
            results[index] = strip_traceback(error)
        if progress:
            progress(sum(result is not None for result in results), len(inputs))
    return results


def audio_reference(source: Any, sample_rate: int | None = None) -> Any:
    """Return what a transcript keeps of its input, for the player in notebooks: the path of a file, or an array with its rate.

    Of other inputs it is None, and so of arrays in a list, whose rate is left out: they would stay in memory.
    """
    if isinstance(source, np.ndarray) and sample_rate is not None:
        return source, sample_rate
    return source if isinstance(source, str | Path) and str(source) != "-" else None  # standard input can be read once


def score_batches(
    model: Any, inputs: Sequence[Any], results: list, *, batch_seconds: float = BATCH_SECONDS,
    chunk_threshold_seconds: float = CHUNKING_THRESHOLD_SECONDS, shift_average_seconds: float = 0.0, **reading: Any,
) -> Iterator[tuple[int, np.ndarray, Recording]]:  # fmt: skip
    """Yield (index, logits, recording) of every readable input, similar lengths together. Errors go to `results[index]`.

    `reading` are options of `load_audio`.
    """
    for batch in bucket_by_length(
        inputs, batch_seconds, results, model.sample_rate, chunk_threshold_seconds, **reading
    ):
        recordings = [recording for _, recording in batch]
        if len(recordings) > 1:
            logits = average_over_shifts(model, recordings, lambda r: recordings_logits(model, r), shift_average_seconds)
        else:
            logits = [logits_of(model, recordings[0], chunk_threshold_seconds, shift_average_seconds)]
        for (index, recording), frames in zip(batch, logits, strict=True):
            yield index, frames, recording


def is_batch(source: Any) -> bool:
    """Return True for a list or tuple of inputs, a folder and a pattern, whose result is a list."""
    if isinstance(source, list | tuple):
        return not (source and isinstance(source[0], int | float))
    return isinstance(source, str | Path) and (os.path.isdir(source) or is_pattern(source))


def read_recording(source: Any, **options: Any) -> Recording:
    """Read one input by `open_recording`. Whatever fails is an `AudioError` with its name, except an array without a rate."""
    with convert_errors(AudioError, source_name(source), unchanged=(TypeError,)):
        return open_recording(source, **options)


def bucket_by_length(
    inputs: Sequence[Any], batch_seconds: float, results: list, model_rate: int,
    alone_above_seconds: float = float("inf"), **reading: Any,
) -> Iterator[list[tuple[int, Recording]]]:  # fmt: skip
    """Group inputs of similar length, loading at most a few hundred seconds ahead.

    Args:
        inputs: Inputs of `load_audio`.
        batch_seconds: Padded audio per group in seconds.
        results: List of one entry per input, which receives the errors of unreadable inputs.
        model_rate: Hz of the recordings.
        alone_above_seconds: Longer inputs form a group of their own, without samples in memory.
        **reading: Options of `load_audio`.
    """
    pool: list[tuple[int, Recording]] = []

    def take_groups() -> Iterator[list[tuple[int, Recording]]]:
        pool.sort(key=lambda entry: len(entry[1]))
        group: list[tuple[int, Recording]] = []
        for entry in pool:
            samples = len(entry[1])
            if group and (
                (len(group) + 1) * samples > batch_seconds * model_rate or samples > alone_above_seconds * model_rate
            ):
                yield group
                group = []
            group.append(entry)
        if group:
            yield group
        pool.clear()

    pool_samples = 0
    for index, source in enumerate(inputs):
        try:
            recording = read_recording(source, target=model_rate, keep_seconds=alone_above_seconds, **reading)
            pool.append((index, recording))
        except AudioError as error:
            results[index] = strip_traceback(error)
            continue
        pool_samples += 0 if recording.samples is None else len(recording)
        if pool_samples > 8 * batch_seconds * model_rate:
            yield from take_groups()
            pool_samples = 0
    yield from take_groups()


def batch_logits(model: Any, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the logits (frames, symbols) of each wave from one padded batch."""
    multiple = int(PAD_MULTIPLE_SECONDS * model.sample_rate)
    lengths = np.array([len(w) for w in waves], "int32")
    padded = np.zeros((len(waves), -(-int(lengths.max()) // multiple) * multiple), "float32")
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = wave
    logits = model.predict_logits({"audio": padded, "length": lengths})
    return [frames[: model.output_length(int(n))] for frames, n in zip(logits, lengths, strict=True)]


def recordings_logits(model: Any, recordings: Sequence[Recording]) -> list[np.ndarray]:
    """Return the logits (frames, symbols) of recordings whose samples are in memory, from one padded batch."""
    return batch_logits(model, [np.asarray(recording.samples) for recording in recordings])


def logits_of(
    model: Any, audio: Recording | np.ndarray, chunk_threshold_seconds: float = CHUNKING_THRESHOLD_SECONDS,
    shift_average_seconds: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """Return the logits (frames, symbols) of a recording, or of samples (n,), computed at once or in chunks."""
    recording = audio if isinstance(audio, Recording) else Recording.from_samples(audio)

    def predict(recordings: Sequence[Recording]) -> list[np.ndarray]:
        if len(recording) <= chunk_threshold_seconds * model.sample_rate:
            return recordings_logits(model, recordings)
        return [model.predict_logits_chunked(part) for part in recordings]

    return average_over_shifts(model, [recording], predict, shift_average_seconds)[0]


def average_over_shifts(
    model: Any, recordings: Sequence[Recording], predict: Callable[[Sequence[Recording]], list[np.ndarray]], seconds: float
) -> list[np.ndarray]:
    """Return `predict(recordings)`, or the logarithm of its probabilities averaged over them and their shifts both ways.

    Raises:
        KerasRecipesError: `seconds` is negative, or the model's logits are no probabilities of single frames (ASG).
    """
    if not seconds:
        return predict(recordings)
    if seconds < 0 or model.criterion.transition_matrix() is not None:
        raise KerasRecipesError(
            f"shift_average_seconds={seconds}: it must be a positive shift, and the recognizer trained with CTC"
        )
    n = round(seconds * model.sample_rate)
    shifted = [list(recordings), [r.shifted(n) for r in recordings], [r.shifted(-n) for r in recordings]]
    return [average_log_probs(same) for same in zip(*map(predict, shifted), strict=True)]


def make_transcript_decoder(
    model: Any, decode: Callable[..., Transcript]
) -> Callable[[np.ndarray, Recording, Any], Transcript]:
    """Return `to_transcript(logits, recording, source)`. All-zero audio gives an empty transcript without decoding.

    Whatever the decoder raises is an `AudioError` with the name of the source.
    """
    frame_seconds = model.stride / model.sample_rate

    def to_transcript(logits: np.ndarray, recording: Recording, source: Any) -> Transcript:
        duration = len(recording) / model.sample_rate
        if recording.is_silent:
            return Transcript("", duration=duration)
        try:
            return decode(logits, frame_seconds=frame_seconds, duration=duration)
        except Exception as error:  # decoders of other packages raise classes of their own
            if isinstance(error, KerasRecipesError):
                cause, remedy = first_line(error), ""
            else:
                cause, remedy = f"{type(error).__name__}: {first_line(error)}", ': try decoder="greedy"'
            raise AudioError(f"{source_name(source)} cannot be decoded ({cause}){remedy}") from error

    return to_transcript
