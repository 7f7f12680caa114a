"""What the command line's verbs for phones do: labels by forced alignment, pictures of filters."""

import argparse
import os
import sys
from pathlib import Path

from kerasrecipes.errors import KerasRecipesError


def run_filters(o: argparse.Namespace) -> None:
    from kerasrecipes import loading
    from kerasrecipes.visualize.frequency_response import save_filter_responses

    model = loading.load(o.name, **({"weights": o.weights} if o.weights else {}), compile=False)
    print(save_filter_responses(model, o.out or Path(f"{model.name}_filters.png")))


def run_align_phones(o: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from kerasrecipes import data, data_prep
    from kerasrecipes.data.specs import expand_data_root

    if not o.out:
        raise KerasRecipesError("Say where the labels shall lie: --out FILE.tsv.xz")
    utterances = data.load_datasets(o.data)
    out = Path(expand_data_root(o.out, o.out))
    folders = {Path(expand_data_root(spec.partition(":")[2].partition("?")[0], spec)) for spec in o.data}
    roots = {folder if folder.is_dir() else folder.parent for folder in folders}
    root = o.audio or (roots.pop() if len(roots) == 1 else Path(os.path.commonpath([str(r.resolve()) for r in roots])))
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("aligning phones", total=len(utterances))
        show = lambda done, total: bar.update(task, completed=done)  # noqa: E731
        count, left_out = data_prep.align_phones(utterances, root, out, processes=o.processes, progress=show)
    for path, why in left_out.items():
        print(f"left out: {path}: {why}", file=sys.stderr)
    print(f"{count} clips labelled, {len(left_out)} left out; --data 'phones:{out}?audio={root}'")
