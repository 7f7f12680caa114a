"""Commands that look up, check and publish recipes, and that transcribe and align speech."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from kerasrecipes.cli import options
from kerasrecipes.cli.batch import many_files_options, run_many_files
from kerasrecipes.cli.output_paths import output_paths
from kerasrecipes.cli.progress import ProgressBar, print_line, print_status
from kerasrecipes.cli.sections import CONTEXT_SETTINGS, argument, command, option
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.utils.escaping import escape_controls

FILES_PER_STEP = 64  # files whose transcripts are printed together

TASK_COMMANDS = {
    "speech-recognition": "transcribe",
    "phoneme-recognition": "transcribe",
    "image-classification": "classify",
    "segmentation": "segment",
    "language-model": "generate",
    "waveform-generation": "generate",
}


@command("list")
@argument("pattern", default="*", help="Pattern with the wildcards * and ?, for instance 'deepspeech*'.")
@option("--task", metavar="TASK", help="List only the recipes of this task.")
@option(
    "--license", metavar="PATTERN", help="List only recipes whose weights have this license; wildcards are allowed."
)
@option("--pretrained", is_flag=True, help="List only recipes with released weights.")
def run_list(pattern, task, license, pretrained) -> None:
    """List the names of the recipes."""
    from kerasrecipes.hub.catalog import list_public_checkpoints, list_recipes

    names = list_recipes(pattern, task=task, pretrained=pretrained or None, license=license)
    public = [] if pretrained or license else list_public_checkpoints(pattern, task=task)
    if not (names or public):
        raise KerasRecipesError(f"No recipe matches {pattern} and the options: `kerasrecipes list` shows all names")
    if names:
        print_line("\n".join(names))
    if public:
        print_line("\nPublished by others, which load(NAME) fetches, checks and converts:")
        print_line("\n".join(f"{row.name}  ({row.title})" for row in public))


@command("show")
@argument("name", help="Name of a recipe, or of a public checkpoint.")
def run_show(name) -> None:
    """Show a recipe's card: paper, size, data, license, measured error rates, commands."""
    from kerasrecipes.release.import_card import public_card
    from kerasrecipes.release.model_card import card
    from kerasrecipes.tasks.public_models import find_public_checkpoint

    row = find_public_checkpoint(name)
    print_line(public_card(row) if row else card(name))


@command("transcribe")
@argument("files", nargs=-1, required=True, help="Audio files, folders and patterns; - is standard input.")
@options.recipe(options.DEFAULT_SPEECH_RECIPE)
@options.engine
@options.format(
    "text", "json", "srt", "vtt", "words",
    help="Output format; words lists every word with its times. Default: text; words for phonemes on the screen.",
)  # fmt: skip
@options.output(
    "Write one file for every input into this folder and print nothing. Files of an input folder keep their subfolders."
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
        arguments = options.transcribe_arguments(decoding, load_rescorer=False) | flags
        return run_many_files("transcribe", recipe, files, output, output_format, engine, many_files, arguments)
    model = options.load_model(recipe, engine)
    options.require_task(model, "recognition", "transcribe")
    phonemes = model.recipe.task == "phoneme-recognition"
    if ipa and not phonemes:
        raise KerasRecipesError(f"--ipa is for phoneme recognizers, and {recipe} writes words")
    arguments = options.transcribe_arguments(decoding) | flags
    output_format = output_format or ("words" if phonemes and not output else "text")
    suffix = {"text": ".txt", "words": ".txt"}.get(output_format, f".{output_format}")
    outputs = output_paths(files, audio.list_audio_files, Path(output), suffix) if output else {}
    paths = audio.list_audio_files(list(files))
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
    return 1 if failed else 0


def transcribe_in_steps(model: Any, paths: Sequence[Any], arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the path and the result of each file, step by step, so that results are printed while others are computed."""
    with ProgressBar("transcribing", "files") as bar:
        for start in range(0, len(paths), FILES_PER_STEP):
            step = paths[start : start + FILES_PER_STEP]
            progress = partial(lambda start, done, _: bar(start + done, len(paths)), start) if len(paths) > 1 else None
            yield from zip(map(str, step), model.transcribe(step, progress=progress, **arguments), strict=True)


@command("align")
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
    alignment = options.load_model(recipe, engine).align(audio, read_text(text))
    print_line(format_transcript(alignment, output_format))
    for word in alignment.mismatched_words:
        print_status(f"does not match: {word.text!r} at {word.start:.2f} s")


@command("predict", context_settings=CONTEXT_SETTINGS | {"allow_interspersed_args": False})
@argument("recipe", metavar="NAME", help=options.MODEL_HELP)
@argument("words", metavar="FILE...", nargs=-1, type=click.UNPROCESSED, help="Arguments and options of that command.")
@click.pass_context
def run_predict(context, recipe, words) -> Any:
    """Run the command of a recipe's task: transcribe, classify, segment or generate."""
    from kerasrecipes import loading, registry
    from kerasrecipes.cli.main import cli

    known = registry.all_recipes().get(recipe)
    task = known.task if known else loading.load(recipe, compile=False).recipe.task
    name = TASK_COMMANDS[task]
    target: Any = cli.get_command(context, name)
    arguments = [recipe, *words] if name == "generate" else ["--recipe", recipe, *words]
    with target.make_context(name, arguments, parent=context.parent) as target_context:
        return target.invoke(target_context)


@command("verify")
def run_verify() -> int:
    """Check every released file against its manifest entry."""
    from kerasrecipes.hub import weights

    rows = weights.verify()
    for name, ok, text in rows:
        print_line(f"{'ok ' if ok else 'BAD'}  {escape_controls(name)}: {escape_controls(text)}")
    return 0 if all(ok for _, ok, _ in rows) else 1


@command("publish")
@argument("name", help="Name of a recipe with released weights.")
@option("--repo", required=True, metavar="ORG/NAME", help="Repository on the hub; it is created if it does not exist.")
@option("--yes", is_flag=True, help="Upload. Without this option the command only says what it would upload.")
def run_publish(name, repo, yes) -> None:
    """Upload a recipe's weights and card to the hub."""
    from kerasrecipes.release.publish import publish

    print_line(publish(name, repo, dry_run=not yes))


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
