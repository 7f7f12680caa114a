"""What `kerasrecipes data` does."""

import argparse
import sys
from pathlib import Path

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.verbs import public


def run_data(o: argparse.Namespace) -> None:
    if o.action == "align-phones":
        from kerasrecipes.phone_verbs import run_align_phones

        return run_align_phones(o)
    if o.action == "synthesise":
        from kerasrecipes import data

        if not o.out:
            raise KerasRecipesError("Say where the set shall lie: --out FOLDER")
        show = (lambda done: print(f"\r{done:.2f} h", end="", file=sys.stderr)) if sys.stderr.isatty() else None
        print(data.synthesise(data.load_texts(o.data), Path(o.out), o.hours, seed=o.seed, progress=show))
        return
    from kerasrecipes import data

    if o.action == "shard":
        if not o.out:
            raise KerasRecipesError("Say where the shards shall lie: --out FOLDER")
        tty = sys.stderr.isatty()
        told = (lambda done, total: print(f"\r{done}/{total} shards", end="", file=sys.stderr)) if tty else None
        made = data.write_shards(
            data.load_specs(o.data), o.out, megabytes=o.megabytes, source=" ".join(map(public, o.data)), progress=told
        )
        print(
            f"{made['clips']} clips, {made['hours']:.2f} h, {len(made['shards'])} shards; train with --data shards:{o.out}"
        )
        return
    against = data.load_specs(o.against) if o.against else None
    print(data.describe(data.load_specs(o.data), against, o.pictures))
