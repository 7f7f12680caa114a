"""From a run to a weight file and its manifest row, and from a measurement to that row."""

import csv
import datetime
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras

from kerasrecipes.errors import DataError
from kerasrecipes.hub import manifest
from kerasrecipes.training.config import config_from_dict
from kerasrecipes.training.initialization import load_run_weights, read_run_record
from kerasrecipes.training.task_adapters import build_for_training, training_task_for
from kerasrecipes.utils.files import sha256_file

DATASET_LICENSES = {
    "train-mini": "CC BY 4.0 (LibriSpeech, V. Panayotov et al., LibriVox readers)",
    "common-voice": "CC0 1.0 (Mozilla Common Voice)",
    "arctic-kathleen": "CC0 1.0 (CMU Arctic prompts, Kathleen)",
    "ljspeech": "public domain (LJ Speech)",
    "synthetic-flite": "as its text; voices of flite (CMU, free for any use)",
    "books.txt.xz": "public domain",
    "MNIST": "CC BY-SA 3.0 as widely stated (LeCun, Cortes, Burges)",
    "CIFAR-10": "weights only: its authors give no license (Krizhevsky)",
    "CamVid": "CC BY-NC 4.0 as the SegNet tutorial states (Brostow, Fauqueur, Cipolla): not for commercial use",
    "librispeech_train_clean_100_transcripts.tsv": "CC BY 4.0 (LibriSpeech, V. Panayotov et al., LibriVox readers)",
}


def save_float16_weights(model: keras.Model, path: Path) -> None:
    """Write a `.weights.h5` that stores float32 as float16; plain `model.load_weights` opens it."""
    full, half = path.with_name(f".{path.stem}.full.weights.h5"), path.with_name(f".{path.stem}.partial")
    try:
        model.save_weights(full)
        with h5py.File(full) as source, h5py.File(half, "w") as target:
            target.attrs.update(source.attrs)

            def copy(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    values = item[()]
                    values = values.astype("float16") if values.dtype == "float32" else values
                    new = target.create_dataset(
                        name, data=values, **({"compression": 9, "shuffle": True} if values.ndim else {})
                    )
                else:
                    new = target.require_group(name)
                new.attrs.update(item.attrs)

            source.visititems(copy)
        os.replace(half, path)
    finally:
        full.unlink(missing_ok=True)
        half.unlink(missing_ok=True)


def release(name: str, run: Path, tag: str, after: Sequence[Path] = (), bundled: bool = False) -> Path:
    """Write `weights/NAME.weights.h5` from a run's averaged weights, and its manifest row without metrics yet.

    Args:
        name: of the recipe. run: the run's folder. tag: of the release.
        after: folders of the runs that led to the weights it started from, first to last. Where the first of all began with
            the released weights, what the row tells of their training comes before it.
        bundled: whether the file comes with the package; one that did still does.

    Returns:
        The row's path.

    Raises:
        DataError: a folder holds no run, or one of another recipe. WeightsCorrupt: it trained another architecture than the recipe's.
    """
    runs = (*after, run)
    records = [read_run_record(place) for place in runs]
    record = records[-1]
    config = config_from_dict(record["config"])
    if config.recipe != name:
        raise DataError(f"{run} trained {config.recipe}, not {name}")
    model = build_for_training(replace(config, config={}))  # without the run's dropout and masks
    load_run_weights(model, run)
    amount = training_task_for(name).amount
    stages = [stage_record(place, amount) for place in runs]
    folder = manifest.weights_folder()
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.weights.h5"
    save_float16_weights(model, path)
    before = manifest.entries().get(name)
    start = records[0]["config"]["start"]
    if before and start and Path(start).name == before.file:
        earlier = before.training.get("stages", ())
        stages = [s for s in earlier if not any(is_earlier_part(s, new) for new in stages)] + stages
    totals = {k: round(sum(s[k] for s in stages), 2) for k in ("steps", "passes", amount, "wall_hours")}
    row = manifest.WeightsEntry(
        recipe=name, tag=tag, file=path.name, size=path.stat().st_size, sha256=sha256_file(path),
        bundled=bundled or (before is not None and before.bundled),
        license="; ".join(sorted({DATASET_LICENSES.get(d["name"], "see data") for d in record["data"]})),
        data=tuple({**d, "license": DATASET_LICENSES.get(d["name"], "see source"), "synthetic": "synthetic" in d["name"]} for d in record["data"]),
        training={
            **totals, "seed": config.seed, "hardware": record["hardware"], "commit": record["commit"],
            "backend": record["backend"], "config": stages[-1]["config"], "stages": stages,
        },
        metrics=(), keras=keras.__version__, model=label_metadata(model),
        decoder=before.decoder if before else {},
    )  # fmt: skip
    return manifest.write_entry(row)


def label_metadata(model: Any) -> dict[str, Any]:
    """What a model's numbers stand for: the symbols of its alphabet, its classes, or its speakers."""
    if hasattr(model, "alphabet"):
        return {"alphabet": model.alphabet.get_config()}
    return {name: list(getattr(model, name)) for name in ("classes", "speakers") if hasattr(model, name)}


def stage_record(run: Path, amount: str) -> dict[str, Any]:
    """What a run did: its configuration, how much it saw, and its scores on the way."""
    record = read_run_record(run)
    state, scores = record["state"], []
    if (run / "validation.csv").is_file():
        with open(run / "validation.csv", newline="") as file:
            scores = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    hidden = ("step", "epoch", "batch", "wall_hours")
    return {
        "config": {k: v for k, v in record["config"].items() if k not in ("data", "validation", "start")},
        "steps": state["step"], "passes": state["epoch"], amount: round(state[amount], 2),
        "wall_hours": round(state["wall_hours"], 2),
        "validation": [{k: round(v, 4) for k, v in row.items() if k not in hidden} for row in scores],
    }  # fmt: skip


def is_earlier_part(earlier: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether a stage that was released before is the same run at an earlier step: its scores begin the other's."""
    scores = earlier["validation"]
    return bool(scores) and scores == whole["validation"][: len(scores)]


def record_metrics(name: str, dataset: str, rates: dict[str, Any], command: str, decoder: str = "greedy") -> None:
    """Put measured error rates into the manifest row in place of earlier ones of that data set and decoder."""
    row = manifest.get_entry(name)
    others = [m for m in row.metrics if (m["dataset"], m["decoder"]) != (dataset, decoder) or m["metric"] not in rates]
    date = datetime.date.today().isoformat()
    new = [
        {
            "dataset": dataset, "split": dataset.split(":")[0], "metric": metric, "value": round(rate.rate, 5),
            "ci_low": _number(rate.ci_low), "ci_high": _number(rate.ci_high), "decoder": decoder, "command": command, "date": date,
        }
        for metric, rate in rates.items()
    ]  # fmt: skip
    manifest.write_entry(replace(row, metrics=(*others, *new)))


def _number(value: float) -> float | None:
    return None if value != value else round(value, 4)
