"""What the command line's verbs of training do: train, study, release, tune-decoder."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from kerasrecipes.errors import KerasRecipesError


def run_tune_decoder(o: argparse.Namespace) -> None:
    from kerasrecipes import data, loading
    from kerasrecipes.training import tune_decoder

    model = loading.load(o.name, compile=False)
    utterances = data.load_datasets(o.data, [s for s in o.speakers.split(",") if s])
    show = lambda tried: print(tried, file=sys.stderr)  # noqa: E731
    best = tune_decoder.tune_decoder(model, utterances, o.language_model, beam_size=o.beam_size, progress=show)
    print(best)
    if o.write:
        print(tune_decoder.save_tuned_weights(o.name, best))


def treat_sigterm_as_ctrl_c() -> None:
    """Let `kill` save a checkpoint as Ctrl-C does."""
    import signal

    signal.signal(signal.SIGTERM, signal.default_int_handler)


def run_train(o: argparse.Namespace) -> None:
    from kerasrecipes._lazy import choose_backend
    from kerasrecipes.registry import get_recipe
    from kerasrecipes.training import config

    get_recipe(o.name)  # before all other faults
    choose_backend()
    from kerasrecipes.training.distributed import setup_devices
    from kerasrecipes.training.trainer import Trainer

    treat_sigterm_as_ctrl_c()
    devices = setup_devices(o.devices) if o.devices is not None else None
    settings = config.config_for(
        o.name, o.config, data=tuple(o.data) if o.data else None, validation=tuple(o.validation) if o.validation else None,
        validation_speakers=() if o.validation else None, steps=o.steps, decay=o.decay, peak=o.peak, precision=o.precision,
        start=o.start, seed=o.seed,
    )  # fmt: skip
    if (
        o.data
        and not o.validation
        and any("{data}" in v for v in settings.validation)
        and "KERASRECIPES_DATA" not in os.environ
    ):
        print(
            "nothing is scored on the way: --validation SET would, or KERASRECIPES_DATA with the recipe's own set",
            file=sys.stderr,
        )
        settings = replace(settings, validation=(), validation_speakers=())
    if not settings.data:
        raise KerasRecipesError(f"Say what to train {o.name} on: --data librispeech:FOLDER or --data manifest:TABLE")
    folder = o.out or Path("runs") / o.name
    run = Trainer(settings, folder, o.resume, devices)
    state = run.train(o.minutes)
    if not run.devices.first:
        return
    seen = f"{state[run.kind.amount]:.1f} {run.kind.unit}"
    print(f"{state['step']} steps, {seen} in {state['wall_hours']:.2f} h; {folder}")


def run_study(o: argparse.Namespace) -> None:
    from kerasrecipes.experiments import studies

    if not o.name:
        for name in studies.experiment_names():
            print(f"{name:14} {studies.read(name).question}")
        return
    study = studies.read(o.name)
    treat_sigterm_as_ctrl_c()
    show = lambda done: print(f"{done.arm}, seed {done.seed}: done", file=sys.stderr)  # noqa: E731
    outcomes = studies.run(study, o.out / study.name, arms=tuple(o.arm), minutes=o.minutes, progress=show)
    if not outcomes:
        raise KerasRecipesError(f"No training of {study.name} is done yet: go on with the same command")
    found = studies.results_record(study, outcomes, o.out / study.name)
    print("\n".join(studies.results_table(found["outcomes"])))
    if o.picture:
        from kerasrecipes.experiments.study_plot import save_experiment_plot

        print(save_experiment_plot(found, o.picture))
    if o.write:
        print(studies.write_results(found, o.write / f"{study.name}.json"))


def run_release(o: argparse.Namespace) -> None:
    from kerasrecipes.release.from_run import release

    print(release(o.name, o.folder, o.tag, o.after, o.bundled))
