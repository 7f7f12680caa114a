"""What the command line's verbs do. Keras is imported only by those that need it."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from kerasrecipes import picture_verbs, speaking
from kerasrecipes.batch import verb as many
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.exporting import loaded

HOTWORD = "5"  # nats, as in `decoding.Decoding`


def run_list(o: argparse.Namespace) -> None:
    from kerasrecipes.registry import list_recipes

    for name in list_recipes(o.pattern, task=o.task, pretrained=o.pretrained, licence=o.licence):
        print(name)


def run_show(o: argparse.Namespace) -> None:
    from kerasrecipes.card import card

    print(card(o.name))


def run_transcribe(o: argparse.Namespace) -> int:
    from kerasrecipes import audio, loading

    if many.wanted(o):
        return many.run(o, "transcribe", decoding(o) | ({"ipa": True} if o.ipa else {}))
    model = loaded(o)
    if model.recipe.task == "language-model":
        return write(o, model, o.files)
    if model.recipe.task == "waveform-generation":
        return speaking.predict(o, model)
    if model.recipe.task in picture_verbs.SHOWN:
        return picture_verbs.show(model, o)
    files = audio.expand(o.files)
    show = len(files) > 1 and sys.stderr.isatty()
    options = decoding(o)
    if getattr(o, "ipa", False):
        if model.recipe.task != "phoneme-recognition":
            raise KerasRecipesError(f"--ipa is for recognisers of phones, {o.recipe} writes words")
        options["ipa"] = True
    if show:
        options["progress"] = lambda done, total: print(f"\r{done}/{total}", end="", file=sys.stderr)
    results = loading.predict(model, files, **options)
    failed = 0
    for path, result in zip(files, results, strict=True):
        if isinstance(result, Exception):
            failed += 1
            print(f"kerasrecipes: {result}", file=sys.stderr)
            continue
        text = render(result, o.format)
        if o.out:
            folder = Path(o.out)
            folder.mkdir(parents=True, exist_ok=True)
            suffix = {"text": "txt", "words": "txt"}.get(o.format, o.format)
            (folder / f"{Path(path).stem}.{suffix}").write_text(text + "\n")
        else:
            if len(files) > 1 and o.format == "text":
                text = f"{path}\t{text}"
            elif o.format == "json":
                text = json.dumps({"path": str(path), **result.to_dict()}, ensure_ascii=False)
            print(text)
    return 1 if failed else 0


def run_generate(o: argparse.Namespace) -> int:
    model = loaded(o)
    if model.recipe.task == "language-model":
        return write(o, model, o.prompts or [""])
    if model.recipe.task == "waveform-generation":
        return speaking.generate(o, model)
    raise KerasRecipesError(f"{o.recipe} generates nothing: its task is {model.recipe.task}")


def write(o: argparse.Namespace, model: Any, prompts: list[str]) -> int:
    """What a language model writes behind each prompt."""
    options = speaking.options_of(o, "length", "temperature", "seed")
    for result in model.generate(prompts, **options):
        print(json.dumps(result.to_dict(), ensure_ascii=False) if o.format == "json" else result)
    return 0


def decoding(o: argparse.Namespace) -> dict[str, Any]:
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
        pairs = [word.rpartition("=") if "=" in word else (word, "", HOTWORD) for word in o.hotwords]
        try:
            found["hotwords"] = {word: float(nats) for word, _, nats in pairs}
        except ValueError:
            raise KerasRecipesError(f"A hotword is WORD or WORD=NATS, not {', '.join(o.hotwords)}") from None
    return found


def run_align(o: argparse.Namespace) -> None:
    if not o.text.is_file():
        raise KerasRecipesError(f"There is no text file {o.text}")
    found = loaded(o).align(o.audio, o.text.read_text("utf-8"))
    print(render(found, o.format))
    for word in found.doubtful:
        print(f"does not fit: {word.text!r} at {word.start:.2f} s", file=sys.stderr)


def run_tune(o: argparse.Namespace) -> None:
    from kerasrecipes import data, loading
    from kerasrecipes.training import tuning

    model = loading.load(o.name, compile=False)
    utterances = data.load_specs(o.data, [s for s in o.speakers.split(",") if s])
    show = lambda tried: print(tried, file=sys.stderr)  # noqa: E731
    best = tuning.tune(model, utterances, o.language_model, beam_size=o.beam_size, progress=show)
    print(best)
    if o.write:
        print(tuning.record(o.name, best))


def render(result: Any, form: str) -> str:
    """A transcript in one of the formats."""
    from kerasrecipes.results import Transcript

    if form == "words":
        rows = [f"{w.start:8.2f} {w.end:8.2f}  {w.confidence:.2f}  {w.text}" for w in result.words]
        head = f"{result.text}\nconfidence {result.confidence:.2f} (the model's own, not calibrated)\n   start      end  conf  word"
        return "\n".join([head, *rows])
    writers = {"json": Transcript.to_json, "srt": Transcript.to_srt, "vtt": Transcript.to_vtt}
    return writers[form](result) if form in writers else str(result)


def run_listen(o: argparse.Namespace) -> None:
    from kerasrecipes import listening

    model = loaded(o)
    print(f"{model.name}: text {1000 * model.stream().latency:.0f} ms after the sound, Ctrl-C ends", file=sys.stderr)
    listening.listen(model, listening.played(o.file, o.pace) if o.file else listening.microphone())


def run_evaluate(o: argparse.Namespace) -> None:
    from kerasrecipes import loading
    from kerasrecipes.training import evaluation

    speakers = [s for s in o.speakers.split(",") if s]
    model = loading.load(o.name, **({"weights": o.weights} if o.weights else {}), compile=False)
    recogniser = model.recipe.task.endswith("recognition")
    options = decoding(o) if recogniser else {}
    if recogniser and o.noise is not None:
        options["noise"] = o.noise
    if o.views:
        options["views"] = o.views
    if o.copies:
        if model.recipe.task != "waveform-generation":
            raise KerasRecipesError(f"--copies is for generators of sound: the task of {o.name} is {model.recipe.task}")
        options["copies"] = "FOLDER"  # what is recorded
        with speaking.bar("vocoding") as progress:
            more = {"copies": o.copies, "progress": progress}
            rates = evaluation.evaluate(model, o.data, speakers, **options | more)
    else:
        rates = evaluation.evaluate(model, o.data, speakers, **options)
    decoder = decoder_name(options, model.criterion) if recogniser else f"{o.views} views" if o.views else "none"
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
        from kerasrecipes.training.release import record_metrics

        words = ["kerasrecipes evaluate", o.name, *(f"--data {public(d)}" for d in o.data)]
        record_metrics(
            o.name,
            o.write,
            rates,
            " ".join([*words, *([f"--speakers {o.speakers}"] if o.speakers else []), *typed(options)]),
            decoder,
        )


def decoder_name(options: dict[str, Any], criterion: Any = None) -> str:
    """For tables: what the options say, "beam 50 + librispeech_small, jitter 0.005 s"; of phones "crf" or "greedy"."""
    from kerasrecipes.decoding import Decoding

    if hasattr(criterion, "decoders"):
        return options.get("decoder") or criterion.decoders[0]
    jitter = options.get("jitter")
    name = Decoding(**{k: v for k, v in options.items() if k not in ("jitter", "noise")}).name
    return f"{name}, jitter {jitter:g} s" if jitter else name


def typed(options: dict[str, Any]) -> list[str]:
    """Decoding options as they are typed."""
    return [f"--{name.replace('_', '-')} {value}" for name, value in options.items() if name != "hotwords"]


def public(spec: str) -> str:
    """A data set's word with `PATH` for the folder on this machine."""
    folder = os.environ.get("KERASRECIPES_DATA")
    return spec.replace("{data}", "PATH").replace(folder, "PATH") if folder else spec


def run_train(o: argparse.Namespace) -> None:
    import signal

    from kerasrecipes.training import config
    from kerasrecipes.training.trainer import Run

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` saves a checkpoint as Ctrl-C does

    start = o.start
    if start == "released":
        from kerasrecipes import manifest, store

        start = str(store.locate(manifest.get(o.name)))
    settings = config.of_recipe(
        o.name, o.config, data=tuple(o.data) if o.data else None, validation=tuple(o.validation) if o.validation else None,
        steps=o.steps, decay=o.decay, peak=o.peak, precision=o.precision, start=start, seed=o.seed,
    )  # fmt: skip
    if not settings.data:
        raise KerasRecipesError(f"Say what to train {o.name} on: --data librispeech:FOLDER or --data manifest:TABLE")
    folder = o.out or Path("runs") / o.name
    run = Run(settings, folder, o.resume)
    state = run.train(o.minutes)
    seen = f"{state[run.kind.amount]:.1f} {run.kind.unit}"
    print(f"{state['step']} steps, {seen} in {state['wall_hours']:.2f} h; {folder}")


def run_study(o: argparse.Namespace) -> None:
    from kerasrecipes.training import studies

    if not o.name:
        for name in studies.names():
            print(f"{name:14} {studies.read(name).question}")
        return
    study = studies.read(o.name)
    show = lambda done: print(f"{done.arm}, seed {done.seed}: done", file=sys.stderr)  # noqa: E731
    outcomes = studies.run(study, o.out / study.name, arms=tuple(o.arm), minutes=o.minutes, progress=show)
    if not outcomes:
        raise KerasRecipesError(f"No training of {study.name} is done yet: go on with the same command")
    rows = [vars(outcome) for outcome in outcomes]
    print("\n".join(studies.table(rows)))
    if o.picture:
        from kerasrecipes.training.study_picture import draw_study

        print(draw_study(study.title, rows, o.picture))
    if o.write:
        print(studies.record(study, outcomes, o.write / f"{study.name}.json"))


def run_release(o: argparse.Namespace) -> None:
    from kerasrecipes.training.release import release

    print(release(o.name, o.folder, o.tag, o.after, o.bundled))


def run_verify(o: argparse.Namespace) -> int:
    from kerasrecipes import store

    found = store.verify()
    for name, ok, text in found:
        print(f"{'ok ' if ok else 'BAD'}  {name}: {text}")
    return 0 if all(ok for _, ok, _ in found) else 1


def run_doctor(o: argparse.Namespace) -> int:
    from kerasrecipes.doctor import examine

    checks = examine()
    for name, ok, text in checks:
        print(f"{'ok ' if ok else '-- '} {name:10} {text}")
    works = {name for name, ok, _ in checks if ok}
    return 0 if "audio" in works and works & {"backend", "engine"} else 1


def run_publish(o: argparse.Namespace) -> None:
    from kerasrecipes.publish import publish

    print(publish(o.name, o.repo, dry_run=not o.yes))


def run_data(o: argparse.Namespace) -> None:
    if o.action == "align-phones":
        from kerasrecipes.phone_verbs import run_align_phones

        return run_align_phones(o)
    if o.action == "synthesise":
        from kerasrecipes import data

        if not o.out:
            raise KerasRecipesError("Say where the set shall lie: --out FOLDER")
        show = (lambda done: print(f"\r{done:.2f} h", end="", file=sys.stderr)) if sys.stderr.isatty() else None
        print(data.synthesise(data.load_texts(o.data), o.out, o.hours, seed=o.seed, progress=show))
        return
    from kerasrecipes import data

    against = data.load_specs(o.against) if o.against else None
    print(data.describe(data.load_specs(o.data), against, o.pictures))
