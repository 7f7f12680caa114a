"""Commands for phonemes: data align-phones and filters."""

import os
from pathlib import Path

from kerasrecipes.cli import options
from kerasrecipes.cli.data import data_argument
from kerasrecipes.cli.progress import ProgressBar, print_line, print_status
from kerasrecipes.cli.sections import argument, command, option


@command("align-phones")
@data_argument
@options.output("Label file to write, for instance labels.tsv.xz.", metavar="FILE", required=True)
@option("--audio", type=Path, metavar="FOLDER", help="Folder that the paths in the label file are relative to (default: the data set's).")
@option(
    "--processes",
    type=int,
    default=os.cpu_count() or 1,
    metavar="N",
    help="Number of processes.",
)
def run_align_phones(data, output, audio, processes) -> None:
    """Write the phonemes of every clip with their times, by forced alignment with PocketSphinx."""
    from kerasrecipes.data import load_datasets
    from kerasrecipes.data.specs import expand_data_root
    from kerasrecipes.data_prep import align_phones

    utterances = load_datasets(data)
    path = Path(expand_data_root(output, output))
    folders = {Path(expand_data_root(spec.partition(":")[2].partition("?")[0], spec)) for spec in data}
    roots = {folder if folder.is_dir() else folder.parent for folder in folders}
    root = audio or (roots.pop() if len(roots) == 1 else Path(os.path.commonpath([str(r.resolve()) for r in roots])))
    with ProgressBar("aligning", "clips") as bar:
        count, skipped = align_phones(utterances, root, path, processes=processes, progress=bar)
    for clip, reason in skipped.items():
        print_status(f"skipped: {clip}: {reason}")
    print_line(f"{count} clips labeled, {len(skipped)} skipped; --data 'phones:{path}?audio={root}'")


@command("filters", model="argument")
@argument("name", help=options.KERAS_MODEL_HELP)
@options.weights
@options.output("Image to write (default: NAME_filters.png).", metavar="FILE", type=Path)
def run_filters(name, weights, output) -> None:
    """Plot the frequency responses of a recognizer's first filters, which read the waveform."""
    options.check_task(name, ("speech-recognition", "phoneme-recognition"), "has no filters of the waveform")
    model = options.load_model(name, weights=weights)
    from kerasrecipes.visualize.frequency_response import save_filter_responses

    print_line(save_filter_responses(model, output or Path(f"{model.name}_filters.png")))
