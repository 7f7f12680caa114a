"""Commands for speech: transcribe and align."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.batch import many_files_options, run_many_files
from kerasrecipes.cli.output_paths import output_paths
from kerasrecipes.cli.progress import ProgressBar, print_line, print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.utils.escaping import escape_controls

RECOGNITION = ("speech-recognition", "phoneme-recognition")
FILES_PER_STEP = 64  # files whose transcripts are printed together

@command("transcribe", model="option")
@argument("files", nargs=-1, required=True, help="Audio files, folders and patterns; - is standard input.")
@options.recipe(options.DEFAULT_SPEECH_RECIPE)
@options.engine
@options.format(
    "text", "json", "srt", "vtt", "words",
    help="Output format; words lists every word with its times. Default: text; words for phonemes on the screen.",
)  # fmt: skip
@options.output(
    "Write one file for every input into this folder (default: print). Files of an input folder keep their subfolders."
)
@option("--ipa", is_flag=True, help="Write phonemes in the International Phonetic Alphabet.")
@option("--allow-truncated", is_flag=True, help="Transcribe what is there of files that are cut off, with a warning.")
@option("--max-seconds", type=float, metavar="SECONDS", help="Refuse longer files. Default: 21600, which are 6 hours.")
@options.decoding
@many_files_options
def run_transcribe(files, recipe, engine, output_format, output, ipa, allow_truncated, max_seconds, decoding, many_files) -> int:
    """Transcribe speech to text."""
    from kerasrecipes import audio

    flags = {"ipa": ipa, "allow_truncated": allow_truncated, "max_seconds": max_seconds}
    flags = {name: value for name, value in flags.items() if value not in (None, False)}
    if many_files:
        arguments = options.transcribe_arguments(decoding, load_models=False) | flags
        return run_many_files("transcribe", recipe, files, output, output_format, engine, many_files, arguments)
    options.check_task(recipe, RECOGNITION, "cannot transcribe")
    options.transcribe_arguments(decoding, load_models=False)
    paths = audio.list_audio_files(list(files))
    options.check_files(paths, AudioError)
    model = options.load_model(recipe, engine)
    options.require_task(model, "recognition", "transcribe")
    phonemes = model.recipe.task == "phoneme-recognition"
    if ipa and not phonemes:
        raise KerasRecipesError(f"--ipa is for phoneme recognizers, and {recipe} writes words")
    arguments = options.transcribe_arguments(decoding) | flags
    output_format = output_format or ("words" if phonemes and not output else "text")
    suffix = {"text": ".txt", "words": ".txt"}.get(output_format, f".{output_format}")
    outputs = output_paths(files, audio.list_audio_files, Path(output), suffix) if output else {}
    failed = 0
    for path, result in transcribe_in_steps(model, paths, arguments):
        if isinstance(result, Exception):
            failed += 1
            print_status(f"kerasrecipes: {result}")
        elif outputs:
            write_text(outputs[path][0], format_transcript(result, output_format))
        elif output_format == "json":
            print_line(json.dumps({"path": path, **result.to_dict()}, ensure_ascii=False))
        else:
            separator = {"text": "\t", "words": "\n"}.get(output_format)
            name = f"{escape_controls(path)}{separator}" if separator and len(paths) > 1 else ""
            print_line(f"{name}{format_transcript(result, output_format)}")
    if outputs:
        print_status(f"{len(paths) - failed} of {len(paths)} files transcribed into {output}")
    return 1 if failed else 0


def transcribe_in_steps(model: Any, paths: Sequence[Any], arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the path and the result of each file, step by step, so that results are printed while others are computed."""
    with ProgressBar("transcribing", "files") as bar:
        for start in range(0, len(paths), FILES_PER_STEP):
            step = paths[start : start + FILES_PER_STEP]
            progress = partial(lambda start, done, _: bar(start + done, len(paths)), start) if len(paths) > 1 else None
            yield from zip(map(str, step), model.transcribe(step, progress=progress, **arguments), strict=True)


@command("align", model="option")
@argument("audio", help="Audio file.")
@argument("text", type=Path, help="Text file with the transcript.")
@options.recipe(options.DEFAULT_SPEECH_RECIPE)
@options.engine
@options.format("words", "json", "srt", "vtt", default="words", help="Output format.")
def run_align(audio, text, recipe, engine, output_format) -> None:
    """Find the times of a transcript's words in a recording, and the words that do not match it."""
    from kerasrecipes.utils.text_files import read_text

    if not text.is_file():
        raise KerasRecipesError(f"There is no text file {text}")
    options.check_task(recipe, RECOGNITION, "cannot align")
    options.check_files([audio], AudioError)
    words = read_text(text)
    with ProgressBar("aligning", "files"):
        alignment = options.load_model(recipe, engine).align(audio, words)
    print_line(format_transcript(alignment, output_format))
    for word in alignment.mismatched_words:
        print_status(f"does not match: {word.text!r} at {word.start:.2f} s")


def format_transcript(transcript: Any, output_format: str) -> str:
    """Return a transcript in one of the output formats."""
    from kerasrecipes.results import Transcript

    if output_format == "words":
        header = (
            f"{escape_controls(transcript)}\nconfidence {transcript.confidence:.2f} (the model's own, not calibrated)\n"
            "   start      end  conf  word"
        )
        rows = [f"{w.start:8.2f} {w.end:8.2f}  {w.confidence:.2f}  {escape_controls(w.text)}" for w in transcript.words]
        return "\n".join([header, *rows])
    writers = {"json": Transcript.to_json, "srt": Transcript.to_srt, "vtt": Transcript.to_vtt}
    return writers[output_format](transcript) if output_format in writers else escape_controls(transcript)


def write_text(path: Path, text: str) -> None:
    """Write a text file with a final newline, atomically."""
    from kerasrecipes.utils.files import atomic_write

    atomic_write(path, lambda file: file.write(f"{text}\n".encode()))
