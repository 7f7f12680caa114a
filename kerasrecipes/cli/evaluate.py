"""Commands that measure a recipe on data sets: evaluate and copy-synthesis."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.progress import ProgressBar, print_line, print_next
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.cli.subset_report import rates_to_json, report_subsets
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub.metric_names import AVERAGED, format_measurement, metric_noun

RECORD_HELP = "Record the result in the manifest under the name of this data set (default: not recorded)."
JSON_HELP = "Print the result as JSON."


@command("evaluate", model="argument")
@argument("name", help="Name of a recipe, a .keras file or a training folder.")
@options.data()
@options.speakers
@options.weights
@option("--noise", type=float, metavar="DECIBELS", help="Add pink noise this far below the speech (default: none).")
@option("--num-crops", type=int, help="Number of crops whose results a classifier averages (default: 1).")
@options.mask_values()
@option("--by-subset", is_flag=True,
        help="Print a row for each data set of speech, and for each subset of a folder of LibriSpeech but those for training.")
@option("--json", "as_json", is_flag=True, help=JSON_HELP)
@option("--record-as", metavar="DATASET", help=RECORD_HELP)
@options.decoding
def run_evaluate(name, data, speakers, weights, noise, num_crops, mask_values, by_subset, as_json, record_as, decoding) -> None:
    """Measure a recipe on a data set, with 95 % intervals over speakers, clips or images."""
    recipe = options.check_model_name(name)
    if record_as and by_subset:
        raise KerasRecipesError("--record-as records one result: leave out --by-subset, and give the --data of one subset")
    if record_as:
        check_can_record(name, weights)
    if recipe:
        check_options(name, recipe.task, num_crops, mask_values, by_subset)
    options.check_data(data)
    model = options.load_model(name, weights=weights)
    from kerasrecipes.training import evaluation

    task = model.recipe.task
    check_options(name, task, num_crops, mask_values, by_subset)
    recognizer = task.endswith("recognition")
    values = {**decoding, "noise": noise} if recognizer else {"num_crops": num_crops, "mask_values": mask_values}
    values = {key: value for key, value in values.items() if value is not None}
    if by_subset:
        title = f"{name}, decoder: {decoder_label(values, model)}"
        return report_subsets(model, data, speakers, options.transcribe_arguments(values), title, as_json)
    with ProgressBar(f"evaluating {name}", "clips") as bar:
        progress = {"progress": bar} if recognizer else {}
        rates = evaluation.evaluate(model, data, speakers, **options.transcribe_arguments(values), **progress)
    decoder = "none"
    if recognizer:
        decoder = decoder_label(values, model)
    elif num_crops is not None:
        decoder = f"{num_crops} crops"
    print_rates(rates, as_json, f"{name} on {', '.join(data)}, decoder: {decoder}")
    if record_as:
        from kerasrecipes.release.from_run import record_metrics

        record_metrics(name, record_as, rates, recorded_command("evaluate", name, data, speakers, values), decoder)
    elif not as_json:
        print_next(f"kerasrecipes show {name}" if recipe else f"kerasrecipes predict {shlex.quote(name)} FILE")


def check_options(name: str, task: str, num_crops: int | None, mask_values: Any, by_subset: bool) -> None:
    """Raise an error if an option of `evaluate` is for another task."""
    if num_crops is not None and task != "image-classification":
        raise KerasRecipesError(f"--num-crops is for classifiers: the task of {name} is {task}")
    if mask_values is not None and task != "segmentation":
        raise KerasRecipesError(f"--mask-values is for segmenters: the task of {name} is {task}")
    if by_subset and not task.endswith("recognition"):
        raise KerasRecipesError(f"--by-subset is for recognizers: the task of {name} is {task}")


@command("copy-synthesis", model="argument")
@argument("name", help="Name of a WaveNet recipe with local conditioning, or its .keras file.")
@options.data("speech")
@options.speakers
@options.weights
@options.output("Write the copies, a line for every clip and the rates into this folder.", type=Path, required=True)
@option("--recognizer", metavar="NAME", help="Recipe that recognizes the copies too, with the decoding options (default: none).")
@option("--json", "as_json", is_flag=True, help=JSON_HELP)
@option("--record-as", metavar="DATASET", help=RECORD_HELP)
@options.decoding
def run_copy_synthesis(name, data, speakers, weights, output, recognizer, as_json, record_as, decoding) -> None:
    """Reconstruct clips from their spectrograms and count the word errors that this adds.

    The first clip of every text is reconstructed. PocketSphinx recognizes the original and the copy. An interrupted run
    continues with the same command.
    """
    options.check_task(name, ("waveform-generation",), "is not for copy-synthesis, which is for generators of audio")
    if record_as:
        check_can_record(name, weights)
    options.check_data(data)
    model = options.load_model(name, weights=weights)
    if model.recipe.task != "waveform-generation":
        raise KerasRecipesError(f"copy-synthesis is for generators of audio: the task of {name} is {model.recipe.task}")
    from kerasrecipes.data import load_datasets
    from kerasrecipes.experiments import copy_synthesis

    reference = copy_synthesis.REFERENCE_RECOGNIZER
    listeners: dict[str, Any] = {reference: copy_synthesis.PocketSphinxRecognizer()}
    labels = {"": "none", reference: f"heard by {reference}"}
    values: dict[str, Any] = {"output": "FOLDER"}
    if recognizer:
        listener = options.load_model(recognizer)
        listeners[recognizer] = copy_synthesis.make_listener(listener, **options.transcribe_arguments(decoding))
        labels[recognizer] = f"heard by {recognizer}, {decoder_label(decoding, listener)}"
        values |= {"recognizer": recognizer, **decoding}
    utterances = load_datasets(data, speakers)
    with ProgressBar("vocoding", "s", digits=2) as progress:
        rates = copy_synthesis.run_copy_synthesis(model, utterances, output, listeners=listeners, progress=progress)
    print_rates(rates, as_json, f"{name} on {', '.join(data)}")
    if record_as:
        from kerasrecipes.release.from_run import record_metrics

        text = recorded_command("copy-synthesis", name, data, speakers, values)
        for listener, label in labels.items():
            listener_rates = {n.partition(" by ")[0]: r for n, r in rates.items() if n.partition(" by ")[2] == listener}
            record_metrics(name, record_as, listener_rates, text, label)


def check_can_record(name: str, weights: str | None) -> None:
    """Check that a result would be one of released weights.

    Raises:
        KerasRecipesError: The recipe has no released weights, or others are measured.
    """
    from kerasrecipes.hub import manifest

    manifest.get_entry(name)
    if weights:
        raise KerasRecipesError("--record-as is for the released weights: leave out --weights")


def print_rates(rates: Mapping[str, Any], as_json: bool, title: str) -> None:
    """Print metrics with their nouns, their intervals and what they were counted over."""
    if as_json:
        print_line(json.dumps(rates_to_json(rates)))
        return
    print_line(title)
    for name, rate in rates.items():
        is_count = hasattr(rate, "substitutions")
        value = str(rate) if is_count else format_measurement(name, rate.rate, rate.ci_low, rate.ci_high)
        edits = f"{rate.substitutions} + {rate.deletions} + {rate.insertions} of " if is_count else "over "
        print_line(f"{metric_noun(name)}  {value}   {edits}{rate.total:.0f}")


def decoder_label(decoding: Mapping[str, Any], model: Any) -> str:
    """Return the decoder's name in tables, for instance "beam 500 + librispeech_small" or "crf"."""
    from kerasrecipes.decoding.decoders import choose_decoder
    from kerasrecipes.decoding.options import DecodingOptions

    arguments = options.transcribe_arguments(decoding, load_models=False)
    arguments.pop("noise", None)
    shift, others = arguments.pop("shift_average_seconds", None), arguments.pop("average_with", ())
    label = choose_decoder(model, DecodingOptions(**arguments)).name
    label += f", shift average {shift:g} s" if shift else ""
    return f"{label}{AVERAGED}{' and '.join(others)}" if others else label


def recorded_command(
    command: str, name: str, data: Sequence[str], speakers: Sequence[str], values: Mapping[str, Any]
) -> str:
    """Return the command that measures a record of the manifest again."""
    words = [f"kerasrecipes {command}", name, *(f"--data {anonymize_data_path(spec)}" for spec in data)]
    words += [f"--speakers {','.join(speakers)}"] if speakers else []
    return " ".join([*words, *options.as_command_line(values)])


def anonymize_data_path(spec: str) -> str:
    """Return a data specification with PATH in place of the folder of this machine."""
    folder = os.environ.get("KERASRECIPES_DATA")
    return spec.replace("{data}", "PATH").replace(folder, "PATH") if folder else spec
