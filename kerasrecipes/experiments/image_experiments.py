"""The methods of `kerasrecipes visualize` that measure a classifier on a set of pictures: the studies of arXiv 1311.2901."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError, KerasRecipesError

# method -> pictures to learn from and to look at where --limit is not given
DEFAULT_SAMPLE_SIZES = {
    "probes": (5000, 1000),
    "invariance": (0, 200),
    "transfer": (0, 1000),
    "evolution": (10000, 1000),
}
ExperimentOutput = tuple[dict[str, Any], str]  # name of a picture -> what to draw; on what
TITLES = {
    "probes": "What each layer of {} knows: a softmax on its features",
    "invariance": "How far {}'s features move with the picture",
    "transfer": "{}'s features on another set, against training from scratch",
    "evolution": "How the kernels of {} settle",
}


def run_image_experiment(o: argparse.Namespace) -> None:
    """Measure, draw, and print the pictures' names and what was found.

    Raises:
        KerasRecipesError: the model is no classifier with a rule for pictures. DataError: no data.
    """
    from kerasrecipes import loading

    if not o.data:
        raise DataError(f"--method {o.method} looks at a set: --data cifar10:FOLDER, mnist:FILE or folder:FOLDER")
    model = loading.load(o.name, compile=False, **({"weights": None} if o.random or o.method == "evolution" else {}))
    if not hasattr(model, "classify"):
        raise KerasRecipesError(
            f"{model.name} is no classifier of pictures with classes of its own; the functions of kerasrecipes.visualize "
            "take arrays and any functional model"
        )
    results, said = EXPERIMENTS[o.method](model, o, *sample_sizes(o.method, o.limit), progress_printer(o.method))
    figures: dict[str, str] = {}
    for name, result in results.items():
        print(result.save(o.out / f"{output_prefix(model, o)}_{name}.{o.format}"))
        figures |= result.figures()
    for name, value in figures.items():
        print(f"{name}: {value}")
    if o.write:
        print(write_benchmark_json(o.write, TITLES[o.method].format(model.name), run_description(o, said), figures))


def output_prefix(model: Any, o: argparse.Namespace) -> str:
    """What the files' names begin with."""
    return f"{model.name}_random" if o.random else model.name


def sample_sizes(method: str, limit: int | None) -> tuple[int | None, int]:
    """How many pictures are learned from (None: all) and looked at."""
    learn, look = DEFAULT_SAMPLE_SIZES[method]
    if limit is not None and limit < 1:
        raise DataError(f"--limit is {limit}: a positive number of pictures")
    return (limit or learn or None), min(limit or look, look)


def train_and_test_specs(o: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The words of --data and --validation; the second are the test split of the first where they are not given.

    Raises:
        DataError: --data names a part, and nothing says which pictures are for testing.
    """
    if o.validation:
        return o.data, o.validation
    if any("?" in spec for spec in o.data):
        raise DataError("--data names a part of a set: say on which to test, --validation cifar10:FOLDER?split=test")
    return [f"{spec}?split=train" for spec in o.data], [f"{spec}?split=test" for spec in o.data]


def load_sample(model: Any, specs: Sequence[str], limit: int | None, other: bool = False) -> tuple[Any, Any]:
    """Inputs (pictures, height, width, channels) uint8 and labels; of more than `limit`, some drawn at random.

    Args:
        other: the classes need not be the model's: those of a folder are its folders.
    """
    import numpy as np

    from kerasrecipes.data.images import load_image_datasets

    rule, classes = model.preparation, model.classes
    if other:
        roots = [Path(s.partition(":")[2].partition("?")[0]) for s in specs if s.startswith("folder:")]
        inside = [p for root in roots for p in (root, root / "train", root / "test") if p.is_dir()]
        names = {d.name for p in inside for d in p.iterdir() if d.is_dir()} - {"train", "test"}
        classes = tuple(sorted(names)) or classes
    pictures, labels = load_image_datasets(specs, classes, rule)
    order = np.random.default_rng(0).permutation(len(pictures))[:limit]
    return np.stack([rule.one(p) for p in pictures[order]]), labels[order]


def probes(model: Any, o: argparse.Namespace, learn: Any, look: int, progress: Any) -> ExperimentOutput:
    """Linear classifiers on layers: a picture and what it is of, as all of `RUN` give them."""
    from kerasrecipes.experiments.linear_probes import probe_layers

    train, test = (load_sample(model, part, n) for part, n in zip(train_and_test_specs(o), (learn, look), strict=True))
    found = probe_layers(model, train, test, o.layer or None, seed=o.seed)
    return {"probes": found}, f"{len(train[0]):,} pictures to learn from, {len(test[0]):,} to test"


def invariance(model: Any, o: argparse.Namespace, learn: Any, look: int, progress: Any) -> ExperimentOutput:
    """Features and the class's probability as the pictures are shifted, enlarged and turned: a picture for each `--kind`."""
    from kerasrecipes.experiments.invariance import TRANSFORMS, measure_invariance
    from kerasrecipes.experiments.linear_probes import stage_outputs

    pictures, labels = load_sample(
        model, o.validation or (o.data if any("?" in s for s in o.data) else train_and_test_specs(o)[1]), look
    )
    ends = stage_outputs(model)
    layers = o.layer or [ends[0], ends[-1]]  # the paper: the first and the seventh
    found = {
        f"invariance_{kind}": measure_invariance(model, pictures, kind, layers, labels) for kind in o.kind or TRANSFORMS
    }
    return found, f"{len(pictures):,} pictures"


def transfer(model: Any, o: argparse.Namespace, learn: Any, look: int, progress: Any) -> ExperimentOutput:
    """Another set's classes from a few pictures of each, on the network's features and from scratch."""
    from kerasrecipes.experiments.transfer import measure_transfer

    train, test = (
        load_sample(model, part, n, True) for part, n in zip(train_and_test_specs(o), (learn, look), strict=True)
    )
    found = measure_transfer(
        model, train, test, parse_int_list(o.per_class, "--per-class"), layer=o.layer[0] if o.layer else None,
        draws=o.draws, steps=o.steps or 300, seed=o.seed, progress=progress,
    )  # fmt: skip
    return {
        "transfer": found
    }, f"{len(test[0]):,} pictures to test, {o.draws} draws, in brackets the best and the worst"


def evolution(model: Any, o: argparse.Namespace, learn: Any, look: int, progress: Any) -> ExperimentOutput:
    """The network trained from random numbers, looked at after some passes."""
    import keras

    from kerasrecipes.cli.visualize import expand_units
    from kerasrecipes.data.images import ImageDataset
    from kerasrecipes.experiments.feature_evolution import FeatureEvolutionCallback
    from kerasrecipes.experiments.linear_probes import stage_outputs

    keras.utils.set_random_seed(o.seed)
    model = type(model).from_config(model.get_config())  # of this seed
    model.compile()
    places = [n for n in stage_outputs(model) if len(model.get_layer(n).output.shape) == 4]
    units = expand_units(o.unit) or [f"{name}:{k}" for name in places for k in (0, 1)]
    epochs = parse_int_list(o.epochs, "--epochs")
    (pictures, labels), test = (
        load_sample(model, part, n) for part, n in zip(train_and_test_specs(o), (learn, look), strict=True)
    )
    watcher = FeatureEvolutionCallback(test[0], units, epochs, o.layer[0] if o.layer else None)
    batches = ImageDataset(pictures, labels, model.preparation, batch_size=128, augment=True, seed=o.seed)
    told = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: progress(epoch + 1, max(epochs)))
    model.fit(batches, epochs=max(epochs), callbacks=[watcher, told], verbose=0)
    said = f"{len(pictures):,} pictures of training, as other views in every pass, {len(test[0]):,} to look at"
    return {"evolution": watcher.result}, said


EXPERIMENTS: dict[str, Any] = {"probes": probes, "invariance": invariance, "transfer": transfer, "evolution": evolution}


def parse_int_list(text: str, option: str) -> list[int]:
    """Numbers with commas between them."""
    try:
        return [int(n) for n in text.split(",")]
    except ValueError:
        raise KerasRecipesError(f"{option} is numbers with commas, 1,5,15, not {text!r}") from None


def progress_printer(told: str) -> Callable[[int, int], None]:
    """Says how far a long command is and how long it may take, on a terminal."""
    import time

    begin = time.perf_counter()

    def show(done: int, total: int) -> None:
        left = (time.perf_counter() - begin) / done * (total - done)
        print(f"\r{told}: {done} of {total}, {left:.0f} s left ", end="\n" if done == total else "", file=sys.stderr)

    return show if sys.stderr.isatty() else lambda done, total: None


def run_description(o: argparse.Namespace, said: str) -> str:
    """What was measured on what, by what."""
    from kerasrecipes.utils.environment import hardware_summary

    return f"{', '.join(spec.partition(':')[0] for spec in o.data)}, {said}; {hardware_summary()}"


def write_benchmark_json(path: Path, title: str, where: str, figures: dict[str, str]) -> Path:
    """The figures as JSON, as the benchmarks write theirs."""
    from kerasrecipes.utils.files import write_json

    return write_json(path, {"title": title, "setting": where, "figures": figures})


def add_options(p: argparse.ArgumentParser) -> None:
    """Of these methods."""
    p.add_argument(
        "--data", action="append", default=[], metavar="SET",
        help="of probes, invariance, transfer and evolution: cifar10:FOLDER, mnist:FILE or folder:FOLDER; repeatable",
    )  # fmt: skip
    p.add_argument(
        "--validation",
        action="append",
        default=[],
        metavar="SET",
        help="the pictures to test on (default: --data?split=test)",
    )
    p.add_argument("--limit", type=int, help="pictures at most")
    p.add_argument(
        "--kind", action="append", choices=("shift", "scale", "turn"), help="invariance: only this; repeatable"
    )
    p.add_argument("--per-class", default="1,5,15,60", metavar="N,N", help="transfer: pictures of each class")
    p.add_argument("--draws", type=int, default=3, help="transfer: other pictures and random numbers, so often")
    p.add_argument("--epochs", default="1,2,5,10", metavar="N,N", help="evolution: passes after which to look")
    p.add_argument("--write", type=Path, metavar="FILE", help="also write what was measured as JSON")
