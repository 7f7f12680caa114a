"""Release a training run: its weight file and manifest row, and measurements in that row."""

import datetime
import io
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras

from kerasrecipes.data_prep.voices import VOICES
from kerasrecipes.errors import DataError
from kerasrecipes.hub import manifest
from kerasrecipes.training.config import config_from_dict
from kerasrecipes.training.initialization import load_run_weights
from kerasrecipes.training.model_building import build_for_training
from kerasrecipes.training.task_adapters import training_task_for
from kerasrecipes.training.weight_averaging import MEMBERS, count_runs, read_run_records
from kerasrecipes.utils.files import atomic_write, sha256_file

UNKNOWN_LICENSE = "see source"
DATASET_LICENSES = {
    "train-mini": "CC BY 4.0 (LibriSpeech, V. Panayotov et al., LibriVox readers)",
    "common-voice": "CC0 1.0 (Mozilla Common Voice)",
    "arctic-kathleen": "CC0 1.0 (CMU Arctic prompts, Kathleen)",
    "ljspeech": "public domain (LJ Speech)",
    "common-voice-unvalidated": "CC0 1.0 (Mozilla Common Voice)",
    "speechocean762": "CC BY 4.0 (speechocean762, J. Zhang et al.)",
    "synthetic-flite": "as its text; voices of flite (CMU, free for any use)",
    "books.txt.xz": "public domain",
    "gutenberg_98_authors.txt.xz": "public domain in the United States (Project Gutenberg)",
    "MNIST": "CC BY-SA 3.0 as widely stated (LeCun, Cortes, Burges)",
    "CIFAR-10": "weights only: its authors give no license (Krizhevsky)",
    "CamVid": "CC BY-NC 4.0 as the SegNet tutorial states (Brostow, Fauqueur, Cipolla): not for commercial use",
    "librispeech_train_clean_100_transcripts.tsv": "CC BY 4.0 (LibriSpeech, V. Panayotov et al., LibriVox readers)",
}


def save_float16_weights(model: keras.Model, path: Path) -> None:
    """Write a `.weights.h5` that stores float32 as float16. Plain `model.load_weights` opens it."""
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(Path(folder) / "full.weights.h5")
        with h5py.File(Path(folder) / "full.weights.h5") as source, h5py.File(buffer, "w") as target:
            target.attrs.update(source.attrs)

            def copy(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    values = item[()]
                    values = values.astype("float16") if values.dtype == "float32" else values
                    options = {"compression": 9, "shuffle": True} if values.ndim else {}
                    new = target.create_dataset(name, data=values, **options)
                else:
                    new = target.require_group(name)
                new.attrs.update(item.attrs)

            source.visititems(copy)
    atomic_write(path, buffer.getvalue())


def release(name: str, run: Path, tag: str, previous_runs: Sequence[Path] = (), bundled: bool = False) -> Path:
    """Write `weights/NAME.weights.h5` from a run's averaged weights, and its manifest row without metrics.

    Args:
        name: Name of the recipe.
        run: Folder of the run, or of the average of several runs, which then are the last stages of the training.
        tag: Name of the release.
        previous_runs: Folders of the runs that led to the run's initial weights, first run first. If the first one started
            from the released weights, the row's record of their training comes before these.
        bundled: True if the file comes with the package. A bundled file stays bundled.

    Returns:
        The row's path.

    Raises:
        DataError: A folder holds no run, or one of another recipe.
        WeightsCorrupted: The run trained another architecture than the recipe's.
    """
    members = list_distinct(read_run_records(run))  # a run that counts twice in a mean was trained once
    previous_records = [record for folder in previous_runs for record in read_run_records(folder)]
    records = [record for record in (*previous_records, *members) if "config" in record]  # released weights have none
    record = records[-1]
    config = config_from_dict(record["config"])
    if config.recipe != name:
        raise DataError(f"{run} trained {config.recipe}, not {name}")
    model = build_for_training(replace(config, config={}))  # without the run's dropout and masks
    load_run_weights(model, run)
    amount_key = training_task_for(name).amount_key
    stages = [stage_record(each, amount_key) for each in records]
    path = manifest.weights_folder() / f"{name}.weights.h5"
    save_float16_weights(model, path)
    previous = manifest.entries().get(name)
    data_rows = [data_row(d) for each in reversed(records) for d in each["data"]]  # of all runs that led to these weights
    init_from = records[0]["config"]["init_from"]
    if previous and init_from and Path(init_from).name == previous.file:
        earlier = previous.training.get("stages", ())
        stages = [s for s in earlier if not any(is_earlier_part(s, new) for new in stages)] + stages
        data_rows += [dict(d) for d in previous.data]
    teachers = list({s["teacher"]["sha256"]: s["teacher"] for s in stages if "teacher" in s}.values())
    data = list({d["name"]: d for d in reversed(data_rows)}.values())[::-1]  # each set once, as in the last run
    totals = {k: round(sum(s[k] for s in stages), 2) for k in ("steps", "epochs", amount_key, "wall_hours")}
    row = manifest.WeightsEntry(
        recipe=name, tag=tag, file=path.name, size=path.stat().st_size, sha256=sha256_file(path),
        bundled=bundled or (previous is not None and previous.bundled),
        license="; ".join(sorted({"see data" if d["license"] == UNKNOWN_LICENSE else d["license"] for d in data})), data=tuple(data),
        training={
            **totals, "seed": config.seed, "hardware": record["hardware"], "commit": record["commit"],
            "backend": record["backend"], "config": stages[-1]["config"], "stages": stages,
            **({MEMBERS: count_runs(members)} if len(members) > 1 else {}),
            **({"teachers": teachers} if teachers else {}),
        },
        metrics=(), keras=keras.__version__, model=label_metadata(model),
        decoder=previous.decoder if previous else {},
        onnx=previous.onnx if previous else {},  # of the earlier weights, as it says, until `export --release` replaces it
    )  # fmt: skip
    return manifest.write_entry(row)


def list_distinct(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each record once, where it comes first."""
    distinct: list[dict[str, Any]] = []
    for record in records:
        if record not in distinct:
            distinct.append(record)
    return distinct


def data_row(record: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest's row of a training set, with its license and whether it is synthetic, from the run's record."""
    synthesizers = record.get("synthesizers", [])
    license = DATASET_LICENSES.get(record["name"], UNKNOWN_LICENSE)
    if synthesizers and license == UNKNOWN_LICENSE:
        license = "; ".join(["as its text", *(VOICES[name].license for name in synthesizers)])
    row = {key: value for key, value in record.items() if key != "synthesizers"}
    return {**row, "license": license, "synthetic": bool(synthesizers) or "synthetic" in record["name"]}


def label_metadata(model: Any) -> dict[str, Any]:
    """Return the meaning of a model's indices: its alphabet, its classes or its speakers."""
    if hasattr(model, "alphabet"):
        return {"alphabet": model.alphabet.get_config()}
    return {name: list(getattr(model, name)) for name in ("classes", "speakers") if hasattr(model, name)}


def stage_record(record: dict[str, Any], amount_key: str) -> dict[str, Any]:
    """Return what the manifest says of one run: configuration, teacher, recipe of its first weights, amount of data, validation."""
    teacher = record.get("teacher")
    if teacher:  # names of recipes, files or runs' folders
        names = (n if n.startswith("hf://") else Path(n).name for n in teacher["name"].split(" + "))
        teacher = teacher | {"name": " + ".join(names)}
    state = record["state"]
    recipe, file = record["config"]["recipe"], Path(record["config"]["init_from"] or "").name
    origin = next((name for name, row in manifest.entries().items() if row.file == file and name != recipe), None)
    omitted = ("step", "epoch", "batch", "wall_hours")
    files = ("data", "validation", "init_from", "teacher", "average_teacher_with")
    return {
        "config": {k: v for k, v in record["config"].items() if k not in files},
        **({"teacher": teacher} if teacher else {}),
        **({"initialized_from": origin} if origin else {}),
        "steps": state["step"], "epochs": state["epoch"], amount_key: round(state[amount_key], 2),
        "wall_hours": round(state["wall_hours"], 2),
        "validation": [{k: round(v, 4) for k, v in row.items() if k not in omitted} for row in record["validation"]],
    }  # fmt: skip


def is_earlier_part(earlier: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Return whether a released stage is the same run at an earlier step: its validation rows begin the other's."""
    rows = earlier["validation"]
    return bool(rows) and rows == whole["validation"][: len(rows)]


def record_metrics(name: str, dataset: str, rates: dict[str, Any], command: str, decoder: str = "greedy") -> None:
    """Write measured metrics into the manifest row, in place of earlier ones on that data set with that decoder."""
    row = manifest.get_entry(name)
    others = [m for m in row.metrics if (m["dataset"], m["decoder"]) != (dataset, decoder) or m["metric"] not in rates]
    date = datetime.date.today().isoformat()
    new = [
        {
            "dataset": dataset, "split": dataset.split(":")[0], "metric": metric, "value": round(rate.rate, 5),
            "ci_low": _round(rate.ci_low), "ci_high": _round(rate.ci_high), "decoder": decoder, "command": command, "date": date,
        }
        for metric, rate in rates.items()
    ]  # fmt: skip
    manifest.write_entry(replace(row, metrics=(*others, *new)))


def _round(value: float) -> float | None:
    return None if value != value else round(value, 4)
