"""The command line: `kerasrecipes VERB ...`. Keras is imported only by the verbs that need it."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError

DEFAULT = "deepspeech2_small"
STREAMING = "deepspeech2_streaming_small"


def parser() -> argparse.ArgumentParser:
    """The verbs and their options."""
    top = argparse.ArgumentParser(
        "kerasrecipes", description="Classic speech and image recipes in Keras 3, with weights."
    )
    top.add_argument("--version", action="version", version=version())
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, function: Any, help: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=help, description=help)
        sub.set_defaults(run=function)
        return sub

    p = verb("list", run_list, "names of the recipes")
    p.add_argument("pattern", nargs="?", default="*", help='with wildcards, for instance "deepspeech*"')
    p.add_argument("--task")
    p.add_argument("--licence", help="of the weights, with wildcards")
    p.add_argument("--pretrained", action="store_true", default=None, help="only recipes with released weights")

    p = verb("show", run_show, "a recipe's card: paper, size, data, licence, measured error rates, commands")
    p.add_argument("name")

    for name, help in (("transcribe", "speech to text"), ("predict", "run the verb of any recipe's task")):
        p = verb(name, run_transcribe, help)
        if name == "predict":
            p.add_argument("recipe")
            p.add_argument("--length", type=int, help="most characters that a language model writes")
            p.add_argument("--temperature", type=float, help="of a language model's choices")
            p.add_argument("--seed", type=int, help="of a language model's choices")
        else:
            p.add_argument("--recipe", default=DEFAULT, help="a recipe, a .keras file or hf://org/name@revision")
        p.add_argument("files", nargs="+", help="audio files, folders, patterns; prompts of a language model")
        p.add_argument("--format", choices=("text", "json", "srt", "vtt", "words"), default="text")
        p.add_argument("--out", type=Path, help="write one file per input into this folder instead of printing")

    p = verb("listen", run_listen, "text while somebody speaks: the microphone, or a file at the pace of its playing")
    p.add_argument("file", nargs="?", help="an audio file instead of the microphone")
    p.add_argument("--recipe", default=STREAMING, help="a forward-only recipe or a .keras file")
    p.add_argument("--pace", type=float, default=1.0, help="of a file; 0 does not wait")

    p = verb("evaluate", run_evaluate, "error rates on a data set, with 95 %% intervals over speakers")
    p.add_argument("name")
    _data(p)
    p.add_argument("--speakers", default="", help="only these, separated by commas")
    p.add_argument("--weights", help="another weights file than the released one")
    p.add_argument("--json", action="store_true")
    p.add_argument("--write", metavar="DATASET", help="record the result in the manifest under this name")

    p = verb("train", run_train, "train a recipe; interrupt it at any time and go on with --resume")
    p.add_argument("name")
    _data(p, required=False)
    p.add_argument("--validation", action="append", help="a data set scored every few minutes; repeatable")
    p.add_argument("--out", type=Path, help="the run's folder (default: runs/NAME)")
    p.add_argument("--resume", action="store_true", help="go on with the run that lies there, or begin one")
    p.add_argument("--minutes", type=float, help="stop after so long")
    p.add_argument("--steps", type=int, help="optimiser steps in all")
    p.add_argument("--decay", type=int, help="steps at the end in which the learning rate falls to zero")
    p.add_argument("--config", type=Path, help="a YAML file in place of the recipe's own configuration")
    p.add_argument("--peak", type=float, help="highest learning rate")
    p.add_argument("--precision", help="a Keras dtype policy, for instance mixed_bfloat16")
    p.add_argument("--start", help="weights to begin from: a .weights.h5 file, or 'released'")
    p.add_argument("--seed", type=int)

    p = verb("release", run_release, "turn a run into the recipe's weight file and manifest row")
    p.add_argument("name")
    p.add_argument("--run", dest="folder", type=Path, required=True, help="the run's folder")
    p.add_argument(
        "--after", type=Path, nargs="*", default=[], help="folders of the runs it started from, first to last"
    )
    p.add_argument("--tag", required=True, help="name of the release, for instance 2026-11")

    verb("verify", run_verify, "check every manifest row against its file")
    verb("doctor", run_doctor, "what works here and why not: backend, devices, audio, cache, hub")

    p = verb("publish", run_publish, "upload a recipe's weights and card to the hub")
    p.add_argument("name")
    p.add_argument("--repo", required=True, metavar="ORG/NAME")
    p.add_argument("--yes", action="store_true", help="really upload; without it, only say what would be done")

    p = verb("data", run_data, "get to know a data set, or have one spoken by a synthesiser")
    p.add_argument("action", choices=("describe", "synthesise"))
    p.add_argument("data", nargs="+", metavar="DATA", help="librispeech:FOLDER, manifest:TABLE?split=train; text:FILE")
    p.add_argument("--out", type=Path, help="synthesise: the folder of the new set")
    p.add_argument(
        "--hours", type=float, default=1.0, help="synthesise: of speech in all; an earlier set is gone on with"
    )
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--against", action="append", default=[], help="count words that this set does not have")
    p.add_argument("--pictures", type=Path, help="draw them into this folder")
    return top


def _data(p: argparse.ArgumentParser, required: bool = True) -> None:
    p.add_argument(
        "--data", action="append", required=required, metavar="DATA",
        help="librispeech:FOLDER or manifest:TABLE?split=train&exclude=LIST; repeatable, sets are mixed",
    )  # fmt: skip


def version() -> str:
    from kerasrecipes import __version__

    return __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when all went well, 1 after an error of ours, 130 when interrupted."""
    options = parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return options.run(options) or 0
    except KerasRecipesError as error:
        print(f"kerasrecipes: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


# ---------------------------------------------------------------------- the verbs


def run_list(o: argparse.Namespace) -> None:
    from kerasrecipes.registry import list_recipes

    for name in list_recipes(o.pattern, task=o.task, pretrained=o.pretrained, licence=o.licence):
        print(name)


def run_show(o: argparse.Namespace) -> None:
    from kerasrecipes.card import card

    print(card(o.name))


def run_transcribe(o: argparse.Namespace) -> int:
    from kerasrecipes import audio, loading

    model = loading.load(o.recipe, compile=False)
    if model.recipe.task == "language-model":
        return run_generate(o, model)
    files = audio.expand(o.files)
    show = len(files) > 1 and sys.stderr.isatty()
    options = {"progress": lambda done, total: print(f"\r{done}/{total}", end="", file=sys.stderr)} if show else {}
    results = loading.predict(model, files, **options)
    failed = 0
    for path, result in zip(files, results, strict=True):
        if isinstance(result, Exception):
            failed += 1
            print(f"kerasrecipes: {result}", file=sys.stderr)
            continue
        text = render(result, o.format)
        if o.out:
            o.out.mkdir(parents=True, exist_ok=True)
            suffix = {"text": "txt", "words": "txt"}.get(o.format, o.format)
            (o.out / f"{Path(path).stem}.{suffix}").write_text(text + "\n")
        else:
            if len(files) > 1 and o.format == "text":
                text = f"{path}\t{text}"
            elif o.format == "json":
                text = json.dumps({"path": str(path), **result.to_dict()}, ensure_ascii=False)
            print(text)
    return 1 if failed else 0


def run_generate(o: argparse.Namespace, model: Any) -> int:
    options = {k: v for k in ("length", "temperature", "seed") if (v := getattr(o, k)) is not None}
    for result in model.generate(o.files, **options):
        print(json.dumps(result.to_dict(), ensure_ascii=False) if o.format == "json" else result)
    return 0


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
    from kerasrecipes import listening, loading

    model = loading.load(o.recipe, compile=False)
    print(f"{model.name}: text {1000 * model.stream().latency:.0f} ms after the sound, Ctrl-C ends", file=sys.stderr)
    listening.listen(model, listening.played(o.file, o.pace) if o.file else listening.microphone())


def run_evaluate(o: argparse.Namespace) -> None:
    from kerasrecipes import loading
    from kerasrecipes.training import evaluation

    speakers = [s for s in o.speakers.split(",") if s]
    model = loading.load(o.name, **({"weights": o.weights} if o.weights else {}), compile=False)
    rates = evaluation.evaluate(model, o.data, speakers)
    decoder = "greedy" if model.recipe.task == "speech-recognition" else "none"
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
            " ".join([*words, f"--speakers {o.speakers}" if o.speakers else ""]).strip(),
            decoder,
        )


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
    state = Run(settings, folder, o.resume).train(o.minutes)
    print(f"{state['step']} steps, {state['audio_hours']:.1f} h of audio in {state['wall_hours']:.2f} h; {folder}")


def run_release(o: argparse.Namespace) -> None:
    from kerasrecipes.training.release import release

    print(release(o.name, o.folder, o.tag, o.after))


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
    return 0 if all(ok for name, ok, _ in checks if name in ("backend", "audio")) else 1


def run_publish(o: argparse.Namespace) -> None:
    from kerasrecipes.publish import publish

    print(publish(o.name, o.repo, dry_run=not o.yes))


def run_data(o: argparse.Namespace) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
