"""A recipe's card for the terminal, the hub and the documentation, from the recipe and its manifest row."""

import functools
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kerasrecipes import registry
from kerasrecipes._lazy import keras
from kerasrecipes.hub import manifest
from kerasrecipes.hub.availability import describe_source
from kerasrecipes.hub.metric_names import format_measurement, metric_noun

# unit of a set's size -> (format of one set, format of the sum)
DATASET_SIZE_FORMATS = {
    "hours": ("{:.2f} h", "{:.1f} h"),
    "characters": ("{:,} characters", "{:,} characters"),
    "images": ("{:,} images", "{:,} images"),
}

FACTS = manifest.PACKAGE / "assets" / "recipe_facts.json"  # written by tools/write_recipe_facts.py


@functools.cache
def recorded_facts() -> dict[str, dict[str, str]]:
    """Return the recorded `compute_model_facts` of each recipe, which need no Keras to be read."""
    return json.loads(FACTS.read_text("utf-8"))


def model_facts(name: str) -> dict[str, str]:
    """Return the rows of the card that describe the network: parameters, receptive field, stride."""
    return recorded_facts().get(name) or compute_model_facts(name)


def compute_model_facts(name: str, model: Any = None) -> dict[str, str]:
    """Compute the facts of `model_facts` from the network, which needs Keras."""
    model = model or build_without_weights(name)
    facts = {"parameters": f"{model.count_params():,}"}
    task = registry.get_recipe(name).task
    if task == "language-model":
        return facts | {"symbols": f"{model.alphabet.vocab_size} with the boundary"}
    if task == "image-classification":
        height, width, channels = model.input_shape[1:]
        return facts | {"input": f"{height} x {width}, {channels} channels", "classes": str(len(model.classes))}
    if task == "segmentation":
        resolution = f"every {model.stride} pixels, margin {model.margin}"
        return facts | {"logits": resolution, "classes": ", ".join(model.classes)}
    rate, field = model.sample_rate, model.receptive_field
    facts["receptive field"] = (
        "the whole utterance" if field is None else f"{field:,} samples ({1000 * field / rate:.0f} ms)"
    )
    if task == "waveform-generation":
        return facts | {"speakers": ", ".join(model.speakers)} if model.speakers else facts
    milliseconds = 1000 * model.stride / rate
    return facts | {
        "logits": f"every {model.stride:,} samples ({milliseconds:.0f} ms), {model.alphabet.vocab_size} symbols"
    }


def build_without_weights(name: str) -> Any:
    """Return the recipe's model with shapes and without weights."""
    from kerasrecipes import loading

    return build_shape_only(lambda: loading.load(name, weights=None, compile=False))


def build_shape_only(make: Callable[[], Any]) -> Any:
    """Return the model that `make` builds without initializing its weights, which would take half a minute for 109 M."""

    def build() -> Any:
        with keras.StatelessScope(initialize_variables=False):
            return make()

    # Keras keeps a list per thread of variables to initialize later: this thread's list ends with it
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(build).result()


def metric_rows(row: manifest.WeightsEntry) -> list[tuple[str, str, str, str]]:
    """Return (data set, metric, value with interval, command) of each measurement."""
    rows = []
    has_crf = registry.get_recipe(row.recipe).config.get("criterion") == "crf"
    for m in row.metrics:
        value = format_measurement(m["metric"], m["value"], m.get("ci_low"), m.get("ci_high"))
        decoder = m["decoder"]
        if has_crf and decoder == "greedy":  # a CRF is meant to be decoded with its transitions
            decoder = "greedy, without its transitions"
        rows.append((m["dataset"], f"{metric_noun(m['metric'])}, {decoder}", value, m["command"]))
    return rows


def metric_lines(row: manifest.WeightsEntry) -> list[str]:
    """Return lines for the terminal: under each data set the metrics of each decoder, and the command that measures them."""
    groups: dict[str, dict[tuple[str, str], list[str]]] = {}
    for dataset, metric, value, command in metric_rows(row):
        name, _, decoder = metric.partition(", ")
        groups.setdefault(dataset, {}).setdefault((decoder, command), []).append(f"{name} {value}")
    lines: list[str] = []
    for dataset, runs in groups.items():
        lines.append(f"  {dataset}")
        for (decoder, command), values in runs.items():
            prefix = f"{decoder}: " if decoder != "none" else ""
            lines += [f"    {prefix}{', '.join(values)}", f"        {command}"]
    return lines


def bootstrap_unit(task: str) -> str:
    """Return the unit that the bootstrap resamples (speakers, clips or images)."""
    return {"image-classification": "images", "segmentation": "images", "waveform-generation": "clips"}.get(
        task, "speakers"
    )


def data_summary(row: manifest.WeightsEntry) -> str:
    """Return one line about the training data."""
    unit = next((u for u in DATASET_SIZE_FORMATS if u in row.data[0]), None)
    if unit is None:
        return ", ".join(d["name"] for d in row.data)
    size, total = DATASET_SIZE_FORMATS[unit]
    sets = [f"{d['name']} {size.format(d[unit])}{' (synthetic)' if d['synthetic'] else ''}" for d in row.data]
    if len(sets) == 1:
        return sets[0]
    return f"{', '.join(sets)}; {total.format(sum(d[unit] for d in row.data))} in all"


def origin_lines(row: manifest.WeightsEntry) -> dict[str, str]:
    """Return the first lines of a card: the teachers of the training, and the synthetic and labeled shares of its data."""
    lines = {}
    if teachers := row.training.get("teachers"):
        lines["teacher"] = ", ".join(f"{t['name']} (sha256 {t['sha256'][:16]})" for t in teachers)
    unit = next((u for u in DATASET_SIZE_FORMATS if u in row.data[0]), None) if row.data else None
    if not unit:
        return lines
    labelers = sorted({name for d in row.data for name in d.get("labelers", ())})
    for key, sets, note in (
        ("synthetic", [d for d in row.data if d["synthetic"]], ""),
        ("labels", [d for d in row.data if d.get("labelers")], f" was transcribed by {', '.join(labelers)}"),
    ):
        if amount := sum(d[unit] for d in sets):
            lines[key] = f"{100 * amount / sum(d[unit] for d in row.data):.0f} % of the training data{note}"
    return lines


def training_summary(row: manifest.WeightsEntry) -> str:
    """Return one line about the training."""
    t: Mapping[str, Any] = row.training
    if "converted_from" in t:
        return f"converted from {t['converted_from']}"
    amounts = [f"{t['steps']:,} steps"]
    if "audio_hours" in t:
        amounts.append(f"{t['audio_hours']:.0f} h of audio")
    if "million_characters" in t:
        amounts.append(f"{t['million_characters']:.0f} million characters")
    if "million_images" in t:
        amounts.append(f"{t['million_images']:.1f} million images")
    if "wall_hours" in t:
        amounts.append(f"{t['wall_hours']:.1f} h of time")
    mean = f"; the mean of the last {t['averaged_runs']} runs' weights" if "averaged_runs" in t else ""
    return f"{', '.join(amounts)} on {t['hardware']}{mean}"


def weights_summary(row: manifest.WeightsEntry) -> str:
    """Return one line about the weight file and its source."""
    return f"{row.file}, {row.size / 1e6:.1f} MB, {describe_source(row)}, tag {row.tag}"


def card(name: str) -> str:
    """Return the card as text: paper, size, data, license, error rates with intervals, commands."""
    recipe = registry.get_recipe(name)
    row = manifest.entries().get(name)
    lines = {
        **(origin_lines(row) if row else {}),
        "paper": f"{recipe.title} ({recipe.paper})",
        "task": recipe.task,
        "summary": recipe.summary,
        **model_facts(name),
    }
    if row:
        lines |= {
            "weights": weights_summary(row),
            "license": row.license,
            "data": data_summary(row),
            "training": training_summary(row),
        }
    else:
        lines["weights"] = "none released"
    text = [name, "", *(f"{key:16} {value}" for key, value in lines.items())]
    if row and row.metrics:
        text += ["", f"measured (95 % intervals over {bootstrap_unit(recipe.task)}):", *metric_lines(row)]
    text += ["", "commands:", *(f"  {c}" for c in example_commands(name, bool(row)))]
    return "\n".join(text)


def example_commands(name: str, pretrained: bool) -> list[str]:
    """Return example commands for a recipe."""
    use, data = {
        "speech-recognition": (f"transcribe talk.flac --recipe {name}", "librispeech:PATH/train-clean-100"),
        "phoneme-recognition": (f"transcribe talk.flac --recipe {name}", "phones:LABELS?audio=PATH/train-clean-100"),
        "language-model": (f'generate {name} "once upon a time" --seed 1', "text:PATH/lines.txt"),
        "waveform-generation": (f"generate {name} --seconds 3 --seed 1 --output x.wav", "manifest:PATH/clips.tsv"),
        "image-classification": (f"classify image.jpg --recipe {name}", "folder:PATH/images"),
        "segmentation": (f"segment image.jpg --recipe {name} --output masks", "masks:PATH"),
    }[registry.get_recipe(name).task]
    train = f"kerasrecipes train {name} --data {data} --resume"
    vocode = (
        [f"kerasrecipes vocode {name} talk.flac --output copy.wav"]
        if registry.get_recipe(name).task == "waveform-generation" and registry.get_recipe(name).config.get("n_mels")
        else []
    )
    return [f"kerasrecipes {use}", *vocode, train] if pretrained else [train]


def card_markdown(name: str) -> str:
    """Return the card as a page for the hub."""
    recipe, row = registry.get_recipe(name), manifest.get_entry(name)
    front = ["---", "library_name: keras", "tags:", *(f"- {tag}" for tag in (recipe.task, *recipe.tags)), "---", ""]
    lines = {
        **origin_lines(row),
        **model_facts(name),
        "weights": f"{row.file}, {row.size / 1e6:.1f} MB, tag {row.tag}, sha256 `{row.sha256}`",
        "license": row.license,
        "data": data_summary(row),
        "training": training_summary(row),
    }
    about = [f"# {name}", "", recipe.summary, "", f"{recipe.title} ({recipe.paper}).", ""]
    about += [f"- {key}: {value}" for key, value in lines.items()]
    measured = []
    if row.metrics:
        measured = ["", "## Measured", "", "| data | metric | value (95 % interval) |", "| --- | --- | --- |"]
        measured += [f"| {dataset} | {metric} | {value} |" for dataset, metric, value, _ in metric_rows(row)]
        measured += ["", "```sh", *sorted({command for *_, command in metric_rows(row)}), "```"]
    use = ["", "## Use", "", "```python", "import kerasrecipes as kr", "", f'model = kr.load("{name}")']
    call = {
        "speech-recognition": 'transcribe("talk.flac")', "phoneme-recognition": 'transcribe("talk.flac")',
        "language-model": 'generate("once upon a time", seed=1)',
        "waveform-generation": 'generate(3.0, seed=1).save("x.wav")', "image-classification": 'classify("image.jpg")',
        "segmentation": 'segment("image.jpg")',
    }  # fmt: skip
    use += [f"print(model.{call[recipe.task]})", "```", "", "```sh", *example_commands(name, True), "```", ""]
    return "\n".join([*front, *about, *measured, *use])
