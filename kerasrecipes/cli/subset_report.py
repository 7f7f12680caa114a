"""`evaluate --by-subset`: the error rates of a recognizer on each subset of LibriSpeech."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.cli.progress import print_line
from kerasrecipes.errors import DataError
from kerasrecipes.hub.metric_names import metric_noun

TRAINING_PREFIX = "train"
RATE_WIDTH = 34  # of a column of error rates with their intervals


def rates_to_json(rates: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields of metrics, with None for NaN, which JSON does not have."""
    return {name: {key: None if value != value else value for key, value in vars(rate).items()} for name, rate in rates.items()}


def report_subsets(
    model: Any, data: Sequence[str], speakers: Sequence[str], arguments: Mapping[str, Any], title: str, as_json: bool
) -> None:
    """Measure a recognizer on each subset, and print its hours and error rates as soon as they are known.

    Args:
        model: The recognizer.
        data: Specifications of sets of speech (`split_into_subsets`).
        speakers: Keep only these speakers' clips. Empty for all.
        arguments: Arguments of `transcribe`.
        title: Line above the table.
        as_json: Print one JSON object by the names of the subsets instead.
    """
    from kerasrecipes.training import evaluation

    subsets: dict[str, str] = {}
    for source in data:
        for label, spec in split_into_subsets(source).items():
            subsets[spec if label in subsets else label] = spec
    width, results = max(map(len, subsets)), {}
    for label, spec in subsets.items():
        rates = evaluation.evaluate(model, [spec], speakers, **arguments)
        hours = rates.pop("rtf").total / 3600
        if as_json:
            results[label] = {"hours": hours, **rates_to_json(rates)}
            continue
        if spec == next(iter(subsets.values())):
            print_line(f"{title}\n{'':{width}}  hours  {'  '.join(f'{metric_noun(name):{RATE_WIDTH}}' for name in rates)}".rstrip())
        print_line(f"{label:{width}}  {hours:5.2f}  {'  '.join(f'{rate!s:{RATE_WIDTH}}' for rate in rates.values())}".rstrip())
    if as_json:
        print_line(json.dumps(results))


def split_into_subsets(spec: str) -> dict[str, str]:
    """Return the specifications of a data set's subsets by their names.

    A folder of LibriSpeech that holds subsets, such as "librispeech:LibriSpeech", gives each of them except for the training sets.
    Any other specification, for instance one with `split=`, is returned as it is, by its own text.

    Raises:
        DataError: The specification names no set of speech, or the folder holds training sets alone.
    """
    from kerasrecipes.data.specs import parse_spec

    _, path, options, _ = parse_spec(spec, "speech")
    if not spec.startswith("librispeech:") or "split" in options:
        return {spec: spec}
    subsets = list_subsets(Path(path))
    tested = [name for name in subsets if not name.startswith(TRAINING_PREFIX)]
    if subsets and not tested:
        raise DataError(f"{path} holds only training sets ({', '.join(subsets)}): add ?split={subsets[0]} to measure one")
    folder, _, query = spec.partition("?")
    return {name: f"{folder}?split={name}{query and f'&{query}'}" for name in tested} or {spec: spec}


def list_subsets(root: Path) -> list[str]:
    """Return the sorted names of the folders that hold `SPEAKER/CHAPTER`, as "dev-clean" does."""
    folders = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    return [folder.name for folder in folders if any(p.is_dir() and p.parent.name.isdigit() for p in folder.glob("*/*"))]
