"""Experiments of arXiv 1311.2901 on image data sets, as methods of `kerasrecipes visualize` (see `visualize.methods`).

Each function takes a model and data set specs and returns results by the suffix of their file names. Common arguments:

    model: Recipe of a classifier.
    data: Data sets: cifar10:FOLDER, mnist:FILE or folder:FOLDER.
    validation: Test data. Default: the test split of `data`.
    limit: Largest number of images.
    layers: Names of layers.
    json_file: File for the measurements.
    progress: Called with (done, total).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.experiments.measurement import Measurement

# numbers of images for training (0: all) and testing without `limit`
DEFAULT_SAMPLE_SIZES = {
    "probes": (5000, 1000),
    "invariance": (0, 200),
    "transfer": (0, 1000),
    "evolution": (10000, 1000),
}
TITLES = {
    "probes": "Error of a linear classifier on each layer of {}",
    "correspondence": "Consistency of {}'s features as the same part is covered in different images",
    "invariance": "Change of {}'s features as images are transformed",
    "transfer": "{}'s features on another data set, against training from scratch",
    "evolution": "Convergence of the kernels of {}",
}
Progress = Callable[[int, int], None] | None


def run_probes(
    model: Any, data: Sequence[str], *, validation: Sequence[str] = (), limit: int | None = None, layers: Sequence[str] = (),
    seed: int = 0, json_file: Path | None = None,
) -> dict[str, Measurement]:  # fmt: skip
    """Train linear classifiers on layers."""
    from kerasrecipes.experiments.linear_probes import probe_layers

    train, test = load_samples(model, "probes", data, validation, limit)
    results = {"probes": probe_layers(model, train, test, layers or None, seed=seed)}
    sizes = f"{len(train[0]):,} training images, {len(test[0]):,} test images"
    return write_measurements(json_file, "probes", model, data, sizes, results)


def run_invariance(
    model: Any, data: Sequence[str], *, validation: Sequence[str] = (), limit: int | None = None, layers: Sequence[str] = (),
    transforms: Sequence[str] = (), json_file: Path | None = None,
) -> dict[str, Measurement]:  # fmt: skip
    """Compare features and the class's probability as images are transformed."""
    from kerasrecipes.experiments.invariance import TRANSFORMS, measure_invariance
    from kerasrecipes.experiments.linear_probes import stage_outputs

    check_classifier(model)
    specs = validation or (data if any("?" in s for s in data) else train_and_test_specs(data, validation)[1])
    images, labels = load_sample(model, specs, sample_sizes("invariance", limit)[1])
    stages = stage_outputs(model)
    layers = layers or [stages[0], stages[-1]]  # of the paper: the first and the seventh
    results = {
        f"invariance_{name}": measure_invariance(model, images, name, layers, labels)
        for name in transforms or TRANSFORMS
    }
    return write_measurements(json_file, "invariance", model, data, f"{len(images):,} images", results)


def run_correspondence(
    model: Any, *, parts: Path | None = None, layers: Sequence[str] = (), seed: int = 0, json_file: Path | None = None,
    progress: Progress = None,
) -> dict[str, Measurement]:  # fmt: skip
    """Compare the changes of features as the same part is covered in different images. `parts` is a file for `read_parts`."""
    from kerasrecipes.experiments.correspondence import measure_part_correspondence, read_parts
    from kerasrecipes.experiments.linear_probes import stage_outputs

    if parts is None:
        raise DataError("--method correspondence needs --parts FILE.yaml with IMAGE: {PART: [left, top, width, height]}")
    boxes = read_parts(parts)
    if not layers:  # of the paper: the last convolution's (5) and the last before the logits (7)
        stages = stage_outputs(model)
        maps = [n for n in stages if len(model.get_layer(n).output.shape) == 4]
        layers = list(dict.fromkeys([*maps[-1:], *stages[-1:]]))
    result = measure_part_correspondence(
        model, list(boxes), list(boxes.values()), layers, seed=seed, progress=progress
    )
    return write_measurements(
        json_file, "correspondence", model, ["parts"], f"{len(boxes)} images", {"correspondence": result}
    )


def run_transfer(
    model: Any, data: Sequence[str], *, validation: Sequence[str] = (), limit: int | None = None, layers: Sequence[str] = (),
    images_per_class: str = "1,5,15,60", num_repeats: int = 3, steps: int = 300, seed: int = 0, json_file: Path | None = None,
    progress: Progress = None,
) -> dict[str, Measurement]:  # fmt: skip
    """Learn another data set's classes from few images, on the model's features and from scratch."""
    from kerasrecipes.experiments.transfer import measure_transfer

    counts = parse_int_list(images_per_class, "--images-per-class")
    train, test = load_samples(model, "transfer", data, validation, limit, own_classes=True)
    result = measure_transfer(
        model, train, test, counts, layer=next(iter(layers), None), num_repeats=num_repeats, steps=steps, seed=seed,
        progress=progress,
    )  # fmt: skip
    sizes = f"{len(test[0]):,} test images, {num_repeats} repeats with their range in brackets"
    return write_measurements(json_file, "transfer", model, data, sizes, {"transfer": result})


def run_evolution(
    model: Any, data: Sequence[str], *, validation: Sequence[str] = (), limit: int | None = None, layers: Sequence[str] = (),
    units: Sequence[str] = (), epochs: str = "1,2,5,10", seed: int = 0, json_file: Path | None = None,
    progress: Progress = None,
) -> dict[str, Measurement]:  # fmt: skip
    """Train the recipe from random weights and record its features."""
    import keras

    from kerasrecipes.data.image_dataset import ImageDataset
    from kerasrecipes.experiments.feature_evolution import FeatureEvolutionCallback
    from kerasrecipes.experiments.linear_probes import stage_outputs

    epoch_list = parse_int_list(epochs, "--epochs")
    (images, labels), test = load_samples(model, "evolution", data, validation, limit)
    keras.utils.set_random_seed(seed)
    model = type(model).from_config(model.get_config())  # new weights of this seed
    model.compile()
    stages = [n for n in stage_outputs(model) if len(model.get_layer(n).output.shape) == 4]
    units = units or [f"{name}:{k}" for name in stages for k in (0, 1)]
    callback = FeatureEvolutionCallback(test[0], units, epoch_list, next(iter(layers), None))
    batches = ImageDataset(images, labels, model.preprocessing, batch_size=128, augment=True, seed=seed)
    callbacks: list[Any] = [callback]
    if progress:
        report = lambda epoch, logs: progress(epoch + 1, max(epoch_list))  # noqa: E731
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=report))
    model.fit(batches, epochs=max(epoch_list), callbacks=callbacks, verbose=0)
    sizes = f"{len(images):,} training images, with new crops in each epoch, {len(test[0]):,} test images"
    return write_measurements(json_file, "evolution", model, data, sizes, {"evolution": callback.result})


def check_classifier(model: Any) -> None:
    """Check that a model is a recipe with classes and preprocessing."""
    if not hasattr(model, "classify"):
        raise KerasRecipesError(
            f"{model.name} is not a classifier of images with its own classes; the functions of kerasrecipes.experiments take "
            "arrays and any functional model"
        )


def sample_sizes(experiment: str, limit: int | None) -> tuple[int | None, int]:
    """Return the numbers of images for training (None: all) and testing."""
    train, test = DEFAULT_SAMPLE_SIZES[experiment]
    if limit is not None and limit < 1:
        raise DataError(f"--limit is {limit}: give a positive number of images")
    return (limit or train or None), min(limit or test, test)


def train_and_test_specs(data: Sequence[str], validation: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the specs of training and test data, which are the splits of `data` without `validation`."""
    if validation:
        return data, validation
    if any("?" in spec for spec in data):
        raise DataError("--data names a part of a set: name the test data, --validation cifar10:FOLDER?split=test")
    return [f"{spec}?split=train" for spec in data], [f"{spec}?split=test" for spec in data]


def load_samples(
    model: Any,
    experiment: str,
    data: Sequence[str],
    validation: Sequence[str],
    limit: int | None,
    own_classes: bool = False,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Load the training and the test sample of an experiment, see `load_sample`."""
    check_classifier(model)
    parts = zip(train_and_test_specs(data, validation), sample_sizes(experiment, limit), strict=True)
    train, test = (load_sample(model, specs, count, own_classes) for specs, count in parts)
    return train, test


def load_sample(model: Any, specs: Sequence[str], limit: int | None, own_classes: bool = False) -> tuple[Any, Any]:
    """Load inputs (images, height, width, channels) uint8 and labels, at most `limit`, sampled with a fixed seed.

    Args:
        model: Recipe of a classifier.
        specs: Data sets.
        limit: Largest number of images.
        own_classes: The classes of an image folder are its folders, not the model's classes.
    """
    import numpy as np

    from kerasrecipes.data.images import load_image_datasets

    preprocessing, classes = model.preprocessing, model.classes
    if own_classes:
        roots = [Path(s.partition(":")[2].partition("?")[0]) for s in specs if s.startswith("folder:")]
        folders = [p for root in roots for p in (root, root / "train", root / "test") if p.is_dir()]
        names = {d.name for p in folders for d in p.iterdir() if d.is_dir()} - {"train", "test"}
        classes = tuple(sorted(names)) or classes
    images, labels = load_image_datasets(specs, classes, preprocessing)
    order = np.random.default_rng(0).permutation(len(images))[:limit]
    return np.stack([preprocessing.center_crop(p) for p in images[order]]), labels[order]


def parse_int_list(text: str, option: str) -> list[int]:
    """Parse integers that are separated by commas."""
    try:
        return [int(n) for n in text.split(",")]
    except ValueError:
        raise KerasRecipesError(f"{option} takes numbers with commas, 1,5,15, not {text!r}") from None


def write_measurements(
    path: Path | None, experiment: str, model: Any, data: Sequence[str], sizes: str, results: Mapping[str, Measurement]
) -> dict[str, Measurement]:
    """Write the summaries of results as JSON if there is a path, and return the results."""
    from kerasrecipes.utils.environment import hardware_summary
    from kerasrecipes.utils.files import write_benchmark_json

    if path:
        setting = f"{', '.join(spec.partition(':')[0] for spec in data)}, {sizes}; {hardware_summary()}"
        figures = {name: value for result in results.values() for name, value in result.summary().items()}
        write_benchmark_json(path, TITLES[experiment].format(model.name), setting, figures)
    return dict(results)
