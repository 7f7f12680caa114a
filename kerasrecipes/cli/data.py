"""Commands for data sets: data summary, download, label, synthesize and shard."""

import shlex
from pathlib import Path

import click

from kerasrecipes.cli import options
from kerasrecipes.cli.evaluate import anonymize_data_path
from kerasrecipes.cli.parameter_types import Choices, DataSpec, TableSpec, load_table
from kerasrecipes.cli.progress import ProgressBar, print_line
from kerasrecipes.cli.sections import CONTEXT_SETTINGS, LazyGroup, argument, command, option
from kerasrecipes.errors import KerasRecipesError

SUBCOMMANDS = {
    "Commands": {
        "summary": "data",
        "download": "data",
        "label": "data",
        "synthesize": "data",
        "align-phones": "phonemes",
        "shard": "data",
    }
}


class PublicSetName(Choices):
    """Name of a public data set. The help lists the sets and their subsets."""

    def help_rows(self) -> list[tuple[str, str]]:
        return [row for name, entry in load_table(self.table).items() for row in entry.help_rows(name)]


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
    """Summarize, download, transcribe by a teacher, synthesize, align or shard data sets."""


@command("summary")
@argument("data", nargs=-1, required=True, type=DataSpec("speech", "images", "masks"), metavar="DATA...",
          help="Data sets of one kind. Several sets are mixed.")  # fmt: skip
@option("--compare-with", multiple=True, metavar="DATA",
        help="Count the words that this set of speech does not have. Repeatable. Default: none.")  # fmt: skip
@option("--plots", type=Path, metavar="FOLDER", help="Plot histograms of speech into this folder (default: no plots).")
@options.mask_values()
def run_summary(data, compare_with, plots, mask_values) -> None:
    """Print what a data set holds: of speech hours, speakers, lengths, rates and suspicious clips, of images class shares."""
    from kerasrecipes.data import load_datasets
    from kerasrecipes.data.specs import find_common_kind
    from kerasrecipes.data_prep import summarize, summarize_images, summarize_masks

    kind = find_common_kind(data, "speech", "images", "masks")
    if kind != "speech" and (compare_with or plots):
        raise KerasRecipesError("--compare-with and --plots are for sets of speech")
    if kind != "masks" and mask_values is not None:
        raise KerasRecipesError("--mask-values is for sets of masks")
    options.check_data([*data, *compare_with])
    with ProgressBar("reading", "files"):
        if kind == "images":
            summary = summarize_images(data)
        elif kind == "masks":
            summary = summarize_masks(data, mask_values)
        else:
            summary = summarize(load_datasets(data), load_datasets(compare_with) if compare_with else None, plots)
    print_line(summary)


@command("download")
@argument("name", type=PublicSetName("kerasrecipes.data_prep.public_sets:PUBLIC_SETS", "Data sets"), metavar="SET",
          help="Public data set.")  # fmt: skip
@argument("subsets", nargs=-1, metavar="[SUBSET]...", help="Subsets of a data set that has some, as LibriSpeech has.")
@options.output("Folder that receives the data set. An interrupted download in it is continued.", type=Path, required=True)
def run_download(name, subsets, output) -> None:
    """Download a public data set from its official address, check its hash and unpack it."""
    from kerasrecipes.data_prep import download_set
    from kerasrecipes.data_prep.set_download import find_archive

    for subset in subsets or ("",):
        find_archive(name, subset)
    specs = []
    for subset in subsets or ("",):
        with ProgressBar("downloading", "MB") as bar:
            specs.append(download_set(name, subset, output, progress=bar))
    for spec in specs:
        print_line(f"next: kerasrecipes data summary {shlex.quote(spec)}")


@command("label")
@argument("audio", nargs=-1, required=True, type=DataSpec("speech"), metavar="AUDIO...",
          help="Audio files, folders, patterns and data sets.")  # fmt: skip
@option("--teacher", required=True, metavar="TEACHER", type=TableSpec("kerasrecipes.data_prep.teachers:TEACHERS", "Teachers"),
        help="Recognizer that writes the transcripts.")  # fmt: skip
@options.output("Folder of the new set, or its table NAME.tsv. Clips that are labeled there already are kept.",
                metavar="FOLDER|FILE", required=True)  # fmt: skip
@option("--min-confidence", type=float, metavar="NATS",
        help="Smallest mean log probability of a transcript. Default: the teacher's.")  # fmt: skip
@option("--split", default="train", metavar="NAME", help="Name in the table's column split.")
def run_label(audio, teacher, output, min_confidence, split) -> None:
    """Write transcripts for untranscribed clips with a teacher, for instance Whisper."""
    from kerasrecipes.data_prep import label_corpus

    with ProgressBar("labeling", "clips") as bar:
        report = label_corpus(audio, teacher, output, min_confidence=min_confidence, split=split, progress=bar)
    print_line(report)
    print_line(f"rejected clips and reasons: {report.rejected}")
    if report.clips:
        print_line(f"next: kerasrecipes data summary manifest:{report.manifest}")
        print_line(f"      kerasrecipes train NAME --data manifest:{report.manifest} --resume")
    else:
        print_line("No clip was accepted: read the reasons, and try another --teacher or a lower --min-confidence")


@command("synthesize")
@argument("text", nargs=-1, required=True, type=DataSpec("text"), metavar="TEXT...", help="Texts to speak.")
@options.output("Folder of the new set. An earlier set in it is continued.", type=Path, required=True)
@option("--hours", type=float, default=1.0, help="Hours of speech in total, those of an earlier set included.")
@option("--voices", default="flite", type=Choices("kerasrecipes.data_prep.voices:VOICES", "Voices"), metavar="NAME",
        help="Synthesizer.")  # fmt: skip
@option("--voice-folder", type=Path, metavar="FOLDER", help="Folder with the files of kokoro's voices, which has no default.")
@option("--seed", type=int, default=0, help="Random seed of texts and voices.")
@option("--workers", type=int, metavar="N", help="Number of processes. Default: the number of CPUs.")
def run_synthesize(text, output, hours, voices, voice_folder, seed, workers) -> None:
    """Synthesize speech from text."""
    from kerasrecipes.data import load_text_datasets
    from kerasrecipes.data_prep import synthesize_corpus

    folder = {"voice_folder": voice_folder} if voice_folder else {}
    with ProgressBar("synthesizing", "h", digits=2) as bar:
        texts = load_text_datasets(text)
        table = synthesize_corpus(
            texts, output, hours, voices=voices, seed=seed, workers=workers, progress=bar, **folder
        )
    print_line(table)
    print_line(f"next: kerasrecipes data summary manifest:{table}")


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
    print_line(
        f"{index['clips']} clips, {index['hours']:.2f} h, {len(index['shards'])} shards; train with --data shards:{output}"
    )
