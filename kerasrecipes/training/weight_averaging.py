"""One network from several runs of a recipe: the mean of their weights."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import DataError
from kerasrecipes.tasks.saved_models import AVERAGED_MODEL, load_keras_file
from kerasrecipes.training.initialization import read_run_record
from kerasrecipes.training.run_folder import CHECKPOINT
from kerasrecipes.training.run_log import read_numbers
from kerasrecipes.utils.files import atomic_write, write_json

MEMBERS = "averaged_runs"  # of a record: the records of the runs whose mean a folder holds
# runs of wav2letter_small with 187 to 444 hours between them have 0.91 to 0.97, and unrelated runs 0
LEAST_SIMILARITY = 0.5
OUTPUT_SYMBOLS = ("alphabet", "classes", "speakers")


def average_runs(runs: Sequence[str | Path], output: str | Path) -> Path:
    """Write the mean of the weights of several runs of one recipe, as a folder like that of a run.

    The runs started from the same weights, or each from the run before it. They then end at different points of one wide
    minimum of the loss, and their mean, near its center, is better on other data than each of them. Sources: Izmailov et al.
    (arXiv 1803.05407, section 3), Wortsman et al. (arXiv 2203.05482, section 3).

    Args:
        runs: Folders of at least two runs. A folder that this function wrote counts as its runs.
        output: New folder. `load`, `evaluate`, `release` and `init_from` take it as they take a run's.

    Returns:
        The folder.

    Raises:
        DataError: The runs trained different recipes, architectures or symbols, or started from different weights, or the
            output already holds a run.

    Example:
        >>> average_runs(["runs/first", "runs/second"], "runs/mean")  # doctest: +SKIP
    """
    folders, output = [Path(run) for run in runs], Path(output)
    if (output / "run.json").exists() or (output / CHECKPOINT).exists():
        raise DataError(f"{output} already holds a run: choose another output")
    records = [record for folder in folders for record in read_run_records(folder)]
    if len(records) < 2:
        raise DataError("An average needs at least two runs")
    models = [load_keras_file(folder / AVERAGED_MODEL) for folder in folders]
    for folder, record, model in zip(folders[1:], map(read_run_record, folders[1:]), models[1:], strict=True):
        check_member(folders[0], records[0], models[0], folder, record, model)
    counts = [len(read_run_records(folder)) for folder in folders]
    mean = models[0]
    mean.set_weights(average_arrays([model.get_weights() for model in models], counts))
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / AVERAGED_MODEL
        mean.save(file)
        atomic_write(output / AVERAGED_MODEL, file.read_bytes(), durable=True)
    last = {key: value for key, value in records[-1].items() if key != "validation"}
    write_json(output / "run.json", {**last, MEMBERS: records})
    return output


def read_run_records(run: Path) -> list[dict[str, Any]]:
    """Return the record of a run with its validation metrics, or those of the runs whose mean the folder holds."""
    record = read_run_record(run)
    if MEMBERS in record:
        return list(record[MEMBERS])
    path = run / "validation.csv"
    return [{**record, "validation": read_numbers(path) if path.is_file() else []}]


def check_member(
    first_folder: Path, first_record: dict[str, Any], first: Any, folder: Path, record: dict[str, Any], model: Any
) -> None:
    """Raise an error if the mean of two runs would be useless."""
    recipes = [r["config"]["recipe"] for r in (first_record, record)]
    if recipes[0] != recipes[1]:
        raise DataError(f"{first_folder} trained {recipes[0]}, but {folder} {recipes[1]}: average runs of one recipe")
    weights = [m.get_weights() for m in (first, model)]
    shapes = [[w.shape for w in each] for each in weights]
    symbols = [[getattr(m, name, None) for name in OUTPUT_SYMBOLS] for m in (first, model)]
    if shapes[0] != shapes[1] or symbols[0] != symbols[1]:
        raise DataError(f"{folder} has another architecture or other output symbols than {first_folder}: both must be the same")
    similarity = measure_similarity(*weights)
    if similarity < LEAST_SIMILARITY:
        raise DataError(
            f"{folder} and {first_folder} did not start from the same weights: the cosine of the angle between them is "
            f"{similarity:.2f}, and their mean would know nothing. Start one run from the other (--init-from), or both from one file"
        )


def measure_similarity(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    """Return the cosine of the angle between two networks' weights, without biases, scales and statistics."""
    pairs = [(a.ravel(), b.ravel()) for a, b in zip(first, second, strict=True) if a.ndim > 1]
    if not pairs:
        return 1.0
    a, b = (np.concatenate(each).astype("float64") for each in zip(*pairs, strict=True))
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-30))


def average_arrays(networks: Sequence[Sequence[np.ndarray]], counts: Sequence[int]) -> list[np.ndarray]:
    """Return the mean of each weight over networks that count `counts` times. Integers and statistics are averaged, too."""
    return [
        np.average(np.stack(arrays).astype("float64"), axis=0, weights=counts).astype(arrays[0].dtype)
        for arrays in zip(*networks, strict=True)
    ]
