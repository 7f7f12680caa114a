"""What `kerasrecipes data` does."""

import argparse
import sys
from pathlib import Path

from kerasrecipes.cli.commands import anonymize_data_path
from kerasrecipes.errors import KerasRecipesError


def run_data(o: argparse.Namespace) -> None:
    if o.action == "align-phones":
        from kerasrecipes.cli.phonemes import run_align_phones

        return run_align_phones(o)
    if o.action == "synthesise":
        from kerasrecipes import data, data_prep

        if not o.out:
            raise KerasRecipesError("Say where the set shall lie: --out FOLDER")
        show = (lambda done: print(f"\r{done:.2f} h", end="", file=sys.stderr)) if sys.stderr.isatty() else None
        print(
            data_prep.synthesize_corpus(
                data.load_text_datasets(o.data), Path(o.out), o.hours, seed=o.seed, progress=show
            )
        )
        return
    from kerasrecipes import data, data_prep

    if o.action == "shard":
        if not o.out:
            raise KerasRecipesError("Say where the shards shall lie: --out FOLDER")
        tty = sys.stderr.isatty()
        told = (lambda done, total: print(f"\r{done}/{total} shards", end="", file=sys.stderr)) if tty else None
        made = data.write_shards(
            data.load_datasets(o.data),
            o.out,
            megabytes=o.megabytes,
            source=" ".join(map(anonymize_data_path, o.data)),
            progress=told,
        )
        print(
            f"{made['clips']} clips, {made['hours']:.2f} h, {len(made['shards'])} shards; train with --data shards:{o.out}"
        )
        return
    against = data.load_datasets(o.against) if o.against else None
    print(data_prep.summarize(data.load_datasets(o.data), against, o.pictures))
