"""What `kerasrecipes data` and `kerasrecipes train` do."""

import argparse
import sys
from pathlib import Path

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.verbs import public


def run_train(o: argparse.Namespace) -> None:
    import signal

    from kerasrecipes._lazy import choose_backend
    from kerasrecipes.registry import get_recipe
    from kerasrecipes.training import config

    get_recipe(o.name)  # before all other faults
    choose_backend()
    from kerasrecipes.training.devices import begin
    from kerasrecipes.training.trainer import Run

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` saves a checkpoint as Ctrl-C does

    devices = begin(o.devices) if o.devices is not None else None
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
    run = Run(settings, folder, o.resume, devices)
    state = run.train(o.minutes)
    if not run.devices.first:
        return
    seen = f"{state[run.kind.amount]:.1f} {run.kind.unit}"
    print(f"{state['step']} steps, {seen} in {state['wall_hours']:.2f} h; {folder}")


def run_data(o: argparse.Namespace) -> None:
    if o.action == "align-phones":
        from kerasrecipes.phone_verbs import run_align_phones

        return run_align_phones(o)
    if o.action == "synthesise":
        from kerasrecipes import data

        if not o.out:
            raise KerasRecipesError("Say where the set shall lie: --out FOLDER")
        show = (lambda done: print(f"\r{done:.2f} h", end="", file=sys.stderr)) if sys.stderr.isatty() else None
        print(data.synthesise(data.load_texts(o.data), Path(o.out), o.hours, seed=o.seed, progress=show))
        return
    from kerasrecipes import data

    if o.action == "shard":
        if not o.out:
            raise KerasRecipesError("Say where the shards shall lie: --out FOLDER")
        tty = sys.stderr.isatty()
        told = (lambda done, total: print(f"\r{done}/{total} shards", end="", file=sys.stderr)) if tty else None
        made = data.write_shards(
            data.load_specs(o.data), o.out, megabytes=o.megabytes, source=" ".join(map(public, o.data)), progress=told
        )
        print(
            f"{made['clips']} clips, {made['hours']:.2f} h, {len(made['shards'])} shards; train with --data shards:{o.out}"
        )
        return
    against = data.load_specs(o.against) if o.against else None
    print(data.describe(data.load_specs(o.data), against, o.pictures))
