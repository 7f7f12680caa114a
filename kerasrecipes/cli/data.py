"""Commands for data sets: data summary, synthesize, align-phones and shard."""

from pathlib import Path

import click

from kerasrecipes.cli import options
from kerasrecipes.cli.evaluate import anonymize_data_path
from kerasrecipes.cli.progress import ProgressBar
from kerasrecipes.cli.sections import CONTEXT_SETTINGS, DataSpec, LazyGroup, argument, command, option

SUBCOMMANDS = {"Commands": {"summary": "data", "synthesize": "data", "align-phones": "phonemes", "shard": "data"}}

data_argument = argument(
    "data",
    nargs=-1,
    required=True,
    type=DataSpec("speech"),
    metavar="DATA...",
    help="Data sets. Several sets are mixed.",
)


@click.group("data", cls=LazyGroup, sections=SUBCOMMANDS, context_settings=CONTEXT_SETTINGS)
def run_data() -> None:
    """Summarize a data set, synthesize one, align its phonemes, or write it as shards."""


@command("summary")
@data_argument
@option(
    "--compare-with", multiple=True, metavar="DATA", help="Count the words that this set does not have. Repeatable."
)
@option("--plots", type=Path, metavar="FOLDER", help="Plot histograms into this folder.")
def run_summary(data, compare_with, plots) -> None:
    """Print hours, speakers, clip lengths, speaking rates and suspicious clips of a data set."""
    from kerasrecipes.data import load_datasets
    from kerasrecipes.data_prep import summarize

    other = load_datasets(compare_with) if compare_with else None
    print(summarize(load_datasets(data), other, plots))


@command("synthesize")
@argument("text", nargs=-1, required=True, type=DataSpec("text"), metavar="TEXT...", help="Texts to speak.")
@options.output("Folder of the new set. An earlier set in it is continued.", type=Path, required=True)
@option("--hours", type=float, default=1.0, help="Hours of speech in total, those of an earlier set included.")
@option("--seed", type=int, default=0, help="Random seed of texts and voices.")
def run_synthesize(text, output, hours, seed) -> None:
    """Synthesize speech from text with flite."""
    from kerasrecipes.data import load_text_datasets
    from kerasrecipes.data_prep import synthesize_corpus

    with ProgressBar("synthesizing", "h", digits=2) as bar:
        texts = load_text_datasets(text)
        print(synthesize_corpus(texts, output, hours, seed=seed, progress=bar))


@command("shard")
@data_argument
@options.output("Folder of the shards, on this machine or at an address that fsspec knows.", required=True)
@option("--megabytes", type=float, default=200.0, help="Size of the audio in each shard.")
def run_shard(data, output, megabytes) -> None:
    """Write a data set as WebDataset tar shards."""
    from kerasrecipes.data import load_datasets, write_shards

    source = " ".join(map(anonymize_data_path, data))
    with ProgressBar("writing", "shards") as bar:
        index = write_shards(load_datasets(data), output, megabytes=megabytes, source=source, progress=bar)
    print(
        f"{index['clips']} clips, {index['hours']:.2f} h, {len(index['shards'])} shards; train with --data shards:{output}"
    )
