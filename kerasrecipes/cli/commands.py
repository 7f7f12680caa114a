"""What the command line's verbs do. Keras is imported only by those that need it."""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from kerasrecipes.cli import batch as many
from kerasrecipes.cli import generate, images
from kerasrecipes.cli.export import load_from_options
from kerasrecipes.errors import KerasRecipesError

DEFAULT_HOTWORD_BONUS = "5"  # nats, as in `decoding.Decoding`


def run_list(o: argparse.Namespace) -> None:
    from kerasrecipes.registry import list_recipes

    names = list_recipes(o.pattern, task=o.task, pretrained=o.pretrained, licence=o.licence)
    if not names:
        raise KerasRecipesError(f"No recipe fits {o.pattern} and the options: kerasrecipes list shows all names")
    print("\n".join(names))


def run_show(o: argparse.Namespace) -> None:
    from kerasrecipes.release.model_card import card

    print(card(o.name))


def run_transcribe(o: argparse.Namespace) -> int:
    from kerasrecipes import audio, loading
    from kerasrecipes.cli import output_paths
    from kerasrecipes.utils.files import atomic_write

    if many.is_requested(o):
        return many.run(o, "transcribe", decoding_options(o) | ({"ipa": True} if o.ipa else {}))
    model = load_from_options(o)
    if o.verb == "transcribe" and not model.recipe.task.endswith("recognition"):
        raise KerasRecipesError(
            f"{o.recipe} transcribes nothing: its task is {model.recipe.task}; "
            f"`kerasrecipes predict {o.recipe} ...` does what it can"
        )
    if model.recipe.task == "language-model":
        return print_continuations(o, model, o.files)
    if model.recipe.task == "waveform-generation":
        return generate.run_predict_audio(o, model)
    if model.recipe.task in images.IMAGE_TASKS:
        return images.print_predictions(model, o)
    files = audio.list_audio_files(o.files)
    options = decoding_options(o)
    phones = model.recipe.task == "phoneme-recognition"
    if getattr(o, "ipa", False):
        if not phones:
            raise KerasRecipesError(f"--ipa is for recognisers of phones, {o.recipe} writes words")
        options["ipa"] = True
    form = o.format or ("words" if phones and not o.out else "text")
    suffix = {"text": ".txt", "words": ".txt"}.get(form, f".{form}")
    places = output_paths.output_paths(o.files, audio.list_audio_files, Path(o.out), suffix) if o.out else {}
    if len(files) > 1 and sys.stderr.isatty():
        with generate.progress_bar("transcribing", "{:.0f} of {:.0f} files") as options["progress"]:
            results = loading.predict(model, files, **options)
    else:
        results = loading.predict(model, files, **options)
    failed = 0
    for path, result in zip(files, results, strict=True):
        if isinstance(result, Exception):
            failed += 1
            print(f"kerasrecipes: {result}", file=sys.stderr)
            continue
        text = format_transcript(result, form)
        if places:
            atomic_write(places[str(path)][0], lambda file, text=text: file.write(f"{text}\n".encode()))
        else:
            if len(files) > 1 and form in ("text", "words"):
                text = f"{path}{chr(9) if form == 'text' else chr(10)}{text}"
            elif form == "json":
                text = json.dumps({"path": str(path), **result.to_dict()}, ensure_ascii=False)
            print(text)
    return 1 if failed else 0


def run_generate(o: argparse.Namespace) -> int:
    model = load_from_options(o)
    if model.recipe.task == "language-model":
        return print_continuations(o, model, o.prompts or [""])
    if model.recipe.task == "waveform-generation":
        return generate.run_generate_audio(o, model)
    raise KerasRecipesError(f"{o.recipe} generates nothing: its task is {model.recipe.task}")


def print_continuations(o: argparse.Namespace, model: Any, prompts: list[str]) -> int:
    """What a language model writes behind each prompt."""
    options = generate.given_options(o, "length", "temperature", "seed")
    for result in model.generate(prompts, **options):
        print(json.dumps(result.to_dict(), ensure_ascii=False) if o.format == "json" else result)
    return 0


def decoding_options(o: argparse.Namespace) -> dict[str, Any]:
    """What the options say about decoding, as arguments of `transcribe`."""
    names = (
        "decoder",
        "language_model",
        "beam_size",
        "lm_weight",
        "word_score",
        "n_best",
        "rescore",
        "rescore_weight",
        "jitter",
    )
    found = {name: value for name in names if (value := getattr(o, name)) is not None}
    if o.hotwords:
        pairs = [word.rpartition("=") if "=" in word else (word, "", DEFAULT_HOTWORD_BONUS) for word in o.hotwords]
        try:
            found["hotwords"] = {word: float(nats) for word, _, nats in pairs}
        except ValueError:
            raise KerasRecipesError(f"A hotword is WORD or WORD=NATS, not {', '.join(o.hotwords)}") from None
    return found


def run_align(o: argparse.Namespace) -> None:
    if not o.text.is_file():
        raise KerasRecipesError(f"There is no text file {o.text}")
    found = load_from_options(o).align(o.audio, o.text.read_text("utf-8"))
    print(format_transcript(found, o.format))
    for word in found.doubtful:
        print(f"does not fit: {word.text!r} at {word.start:.2f} s", file=sys.stderr)


def format_transcript(result: Any, form: str) -> str:
    """A transcript in one of the formats."""
    from kerasrecipes.results import Transcript

    if form == "words":
        rows = [f"{w.start:8.2f} {w.end:8.2f}  {w.confidence:.2f}  {w.text}" for w in result.words]
        head = f"{result.text}\nconfidence {result.confidence:.2f} (the model's own, not calibrated)\n   start      end  conf  word"
        return "\n".join([head, *rows])
    writers = {"json": Transcript.to_json, "srt": Transcript.to_srt, "vtt": Transcript.to_vtt}
    return writers[form](result) if form in writers else str(result)


def run_listen(o: argparse.Namespace) -> None:
    from kerasrecipes.cli import listen

    model = load_from_options(o)
    print(f"{model.name}: text {1000 * model.stream().latency:.0f} ms after the sound, Ctrl-C ends", file=sys.stderr)
    listen.print_live_transcript(model, listen.simulate_realtime(o.file, o.pace) if o.file else listen.microphone())


def run_evaluate(o: argparse.Namespace) -> None:
    from kerasrecipes import loading
    from kerasrecipes.experiments import copy_synthesis
    from kerasrecipes.hub import manifest
    from kerasrecipes.training import evaluation

    speakers = [s for s in o.speakers.split(",") if s]
    if o.write:
        manifest.get_entry(o.name)
        if o.weights:
            raise KerasRecipesError("--write is for the released weights: leave out --weights")
    if o.listener and not o.copies:
        raise KerasRecipesError("--listener hears copies: pass --copies FOLDER")
    model = loading.load(o.name, **({"weights": o.weights} if o.weights else {}), compile=False)
    if o.views and model.recipe.task != "image-classification":
        raise KerasRecipesError(f"--views is for classifiers: the task of {o.name} is {model.recipe.task}")
    recogniser = model.recipe.task.endswith("recognition")
    options = decoding_options(o) if recogniser else {}
    if recogniser and o.noise is not None:
        options["noise"] = o.noise
    if o.views:
        options["views"] = o.views
    if o.copies:
        if model.recipe.task != "waveform-generation":
            raise KerasRecipesError(f"--copies is for generators of sound: the task of {o.name} is {model.recipe.task}")
        options["copies"] = "FOLDER"  # what is recorded
        more: dict[str, Any] = {"copies": o.copies}
        if o.listener:
            options |= {"listener": o.listener, **decoding_options(o)}
            ours = copy_synthesis.load_listener(o.listener, **decoding_options(o))
            more["listeners"] = {
                copy_synthesis.REFERENCE_RECOGNIZER: copy_synthesis.PocketSphinxRecognizer(),
                o.listener: ours,
            }
        with generate.progress_bar("vocoding") as progress:
            rates = evaluation.evaluate(model, o.data, speakers, **more, progress=progress)
    else:
        rates = evaluation.evaluate(model, o.data, speakers, **options)
    decoder = decoder_label(options, model.criterion) if recogniser else f"{o.views} views" if o.views else "none"
    if o.json:
        values = {n: {k: None if v != v else v for k, v in vars(r).items()} for n, r in rates.items()}  # NaN is no JSON
        print(json.dumps(values))
    else:
        print(f"{o.name} on {', '.join(o.data)}, decoder: {decoder}")
        for name, rate in rates.items():
            edits = (
                f"{rate.substitutions} + {rate.deletions} + {rate.insertions} of "
                if hasattr(rate, "substitutions")
                else "over "
            )
            print(f"{name}  {rate}   {edits}{rate.total:.0f}")
    if o.write:
        from kerasrecipes.release.from_run import record_metrics

        words = ["kerasrecipes evaluate", o.name, *(f"--data {anonymize_data_path(d)}" for d in o.data)]
        command = " ".join([*words, *([f"--speakers {o.speakers}"] if o.speakers else []), *as_command_line(options)])
        for listener in dict.fromkeys(name.partition(" by ")[2] for name in rates):  # "" where nobody listens
            said = {n.partition(" by ")[0]: r for n, r in rates.items() if n.partition(" by ")[2] == listener}
            heard = decoder_label(decoding_options(o)) if listener and listener == o.listener else ""
            by = f"heard by {listener}{f', {heard}' if heard else ''}" if listener else decoder
            record_metrics(o.name, o.write, said, command, by)


def decoder_label(options: dict[str, Any], criterion: Any = None) -> str:
    """For tables: what the options say, "beam 50 + librispeech_small, jitter 0.005 s"; of phones "crf" or "greedy"."""
    from kerasrecipes.decoding.options import DecodingOptions

    if hasattr(criterion, "decoders"):
        return options.get("decoder") or criterion.decoders[0]
    jitter = options.get("jitter")
    name = DecodingOptions(**{k: v for k, v in options.items() if k not in ("jitter", "noise")}).name
    return f"{name}, jitter {jitter:g} s" if jitter else name


def as_command_line(options: dict[str, Any]) -> list[str]:
    """Decoding options as they are typed."""
    words = [shlex.quote(f"{word}={nats:g}") for word, nats in options.get("hotwords", {}).items()]
    return [
        f"--{name.replace('_', '-')} {f'{value:g}' if isinstance(value, float) else value}"
        for name, value in options.items()
        if name != "hotwords"
    ] + [f"--hotword {word}" for word in words]


def anonymize_data_path(spec: str) -> str:
    """A data set's word with `PATH` for the folder on this machine."""
    folder = os.environ.get("KERASRECIPES_DATA")
    return spec.replace("{data}", "PATH").replace(folder, "PATH") if folder else spec


def run_verify(o: argparse.Namespace) -> int:
    from kerasrecipes.hub import weights

    found = weights.verify()
    for name, ok, text in found:
        print(f"{'ok ' if ok else 'BAD'}  {name}: {text}")
    return 0 if all(ok for _, ok, _ in found) else 1


def run_doctor(o: argparse.Namespace) -> int:
    from kerasrecipes.cli.doctor import run_checks

    checks = run_checks()
    for name, ok, text in checks:
        print(f"{'ok ' if ok else '-- '} {name:10} {text}")
    works = {name for name, ok, _ in checks if ok}
    return 0 if "audio" in works and works & {"backend", "engine"} else 1


def run_publish(o: argparse.Namespace) -> None:
    from kerasrecipes.release.publish import publish

    print(publish(o.name, o.repo, dry_run=not o.yes))
