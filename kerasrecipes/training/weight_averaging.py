"""One network from several runs of a recipe: the mean of their weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasrecipes import registry
from kerasrecipes.errors import DataError
from kerasrecipes.hub import manifest
from kerasrecipes.loading import load
from kerasrecipes.tasks.saved_models import AVERAGED_MODEL, load_keras_file, save_averaged_model
from kerasrecipes.training.initialization import read_run_record
from kerasrecipes.training.run_folder import CHECKPOINT, read_numbers
from kerasrecipes.utils.files import write_json

MEMBERS = "averaged_runs"  # of a folder's record: those of the runs whose mean it holds, and of a released row: their number
# runs of wav2letter_small with 187 to 444 hours between them have 0.91 to 0.97, and unrelated runs 0
LEAST_SIMILARITY = 0.5
OUTPUT_SYMBOLS = ("alphabet", "classes", "speakers")


class Member(NamedTuple):
    """One of the networks of an average.

    Args:
        name: The folder or recipe, for messages.
        recipe: Name of the recipe.
        model: The network.
        records: Records of its runs. That of released weights names their file.
        num_runs: Number of runs as which it counts.
    """

    name: str
    recipe: str
    model: Any
    records: list[dict[str, Any]]
    num_runs: int


def average_runs(runs: Sequence[str | Path], output: str | Path) -> Path:
    """Write the mean of the weights of several runs of one recipe, as a folder like that of a run.

    The runs started from the same weights, or each from the run before it. They then end at different points of one wide
    minimum of the loss, and their mean, near its center, is better on other data than each of them. Sources: Izmailov et al.
    (arXiv 1803.05407, section 3), Wortsman et al. (arXiv 2203.05482, section 3).

    Args:
        runs: Folders of runs, at least one, and recipes' names for their released weights, at least two in all. A mean of several
            runs counts as these, and one that is named twice counts twice.
        output: New folder. `load`, `evaluate`, `release` and `init_from` take it as they take a run's.

    Returns:
        The folder.

    Raises:
        DataError: The runs trained different recipes, architectures or symbols, or started from different weights, or the
            output already holds a run.

    Example:
        >>> average_runs(["runs/first", "runs/second"], "runs/mean")  # doctest: +SKIP
    """
    output = Path(output)
    if (output / "run.json").exists() or (output / CHECKPOINT).exists():
        raise DataError(f"{output} already holds a run: choose another output")
    members = [load_member(run) for run in runs]
    if sum(member.num_runs for member in members) < 2 or not any("config" in r for m in members for r in m.records):
        raise DataError("An average needs at least two runs, or one and released weights")
    for member in members[1:]:
        check_pair(members[0], member)
    mean = members[0].model
    mean.set_weights(average_arrays([m.model.get_weights() for m in members], [m.num_runs for m in members]))
    output.mkdir(parents=True, exist_ok=True)
    save_averaged_model(mean, output)
    records = [record for member in members for record in member.records]
    last = [record for record in records if "config" in record][-1]
    write_json(output / "run.json", {**{k: v for k, v in last.items() if k != "validation"}, MEMBERS: records})
    return output


def load_member(source: str | Path) -> Member:
    """Load the network of a run, or of released weights by the recipe's name."""
    name = str(source)
    if name in registry.all_recipes():
        row = manifest.get_entry(name)
        num_runs = row.training.get(MEMBERS, 1)
        record: dict[str, Any] = {"released": {"file": row.file, "tag": row.tag, "sha256": row.sha256}, MEMBERS: num_runs}
        return Member(f"the released {name}", name, load(name, compile=False), [record], num_runs)
    folder = Path(source)
    records = read_run_records(folder)
    recipe = read_run_record(folder)["config"]["recipe"]
    return Member(name, recipe, load_keras_file(folder / AVERAGED_MODEL), records, count_runs(records))


def read_run_records(run: Path) -> list[dict[str, Any]]:
    """Return the record of a run with its validation metrics, or those of the runs whose mean the folder holds."""
    record = read_run_record(run)
    if MEMBERS in record:
        return list(record[MEMBERS])
    path = run / "validation.csv"
    return [{**record, "validation": read_numbers(path) if path.is_file() else []}]


def count_runs(records: Sequence[dict[str, Any]]) -> int:
    """Return the number of runs behind records. Released weights can be the mean of several."""
    return sum(record.get(MEMBERS, 1) for record in records)


def check_pair(first: Member, second: Member) -> None:
    """Raise an error if the mean of two networks would be useless."""
    if first.recipe != second.recipe:
        raise DataError(f"{first.name} trained {first.recipe}, but {second.name} {second.recipe}: average runs of one recipe")
    weights = [member.model.get_weights() for member in (first, second)]
    shapes = [[w.shape for w in each] for each in weights]
    symbols = [[getattr(member.model, name, None) for name in OUTPUT_SYMBOLS] for member in (first, second)]
    if shapes[0] != shapes[1] or symbols[0] != symbols[1]:
        raise DataError(f"{second.name} has another architecture or other output symbols than {first.name}: both must be the same")
    similarity = measure_similarity(*weights)
    if similarity < LEAST_SIMILARITY:
        raise DataError(
            f"{second.name} and {first.name} did not start from the same weights: the cosine of the angle between them is "
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
