"""Pages beside the recipes: word language models, studies, benchmarks, kinds of convolution, licenses."""

import json

from kerasrecipes.experiments.study_plot import results_table, save_experiment_plot
from kerasrecipes.hub import manifest
from pages.text import DOCS, ROOT, make_table

RESULTS = ROOT / "benchmarks" / "results"


EVALUATION_TEXT = """**Evaluation text.** A book that shares more than three runs of seven words with dev-mini, with the development
clips of common-voice or with the held-out Arctic prompts is left out. So is each sentence with such a run. LibriSpeech's other
sets were not at hand, and some of the books may be read in them. Before you publish a word error rate on one of them, build the
model without their books. The first command cleans a folder of Project Gutenberg's texts, and each `--exclude` names one more set.
The texts here are those of the repository rcdm-uga/Gutenberg_Text (commit a0b16d3).

```sh
python tools/clean_books.py FOLDER --output BOOKS --exclude librispeech:PATH/LibriSpeech/dev-mini \\
    --exclude "manifest:PATH/common-voice/manifest.tsv?split=dev" \\
    --exclude "manifest:PATH/arctic-kathleen/manifest.tsv?only=arctic_heldout"
python tools/build_language_model.py --kenlm PROGRAMS --data PATH --books BOOKS
```"""


def make_language_model_page() -> str:
    """Return the page of n-gram models of words and of phonemes."""
    lines = [
        "# Language models", "", "Beam search needs them: for [words](../guides/decoding.md), for [phonemes](../guides/phones.md).", "",
    ]  # fmt: skip
    for name, row in manifest.language_models().items():
        facts = [
            *(list_word_model_facts if "words" in row.model else list_phoneme_model_facts)(row),
            "text: " + ", ".join(f"{d['name']}, {d['words']:,} words" for d in row.data),
            f"license: {row.license}",
        ]
        rows = [
            (m["dataset"], m["metric"], f"{100 * m['value']:.1f} %" if m["metric"] == "out of vocabulary" else f"{m['value']:.3g}")
            for m in row.metrics
        ]  # fmt: skip
        lines += [
            f"## {name}",
            "",
            *(f"- {s}" for s in facts),
            "",
            *make_table(["data", "metric", "value"], rows, [2]),
            "",
        ]
    return "\n".join([*lines, EVALUATION_TEXT, ""])


def list_word_model_facts(row: manifest.WeightsEntry) -> list[str]:
    """Return sentences about a language model of words."""
    config = row.training["config"]
    return [
        f"{config['order']}-grams, {row.model['words']:,} words, {config['ngrams']:,} n-grams, {row.size / 1e6:.1f} MB; KenLM reads it",
        f"estimated by {config['estimator']} from words that occur {config['min_word_count']} times or more, without n-grams"
        f" that occur {config['prune']} times or fewer (lengths 1 to {config['order']})",
        f"pruned by relative entropy below {config['entropy_threshold']:g} nats a word (Stolcke, arXiv cs/0006025)",
        "{} bits a probability and {} a backoff weight".format(*config["quantized_bits"]),
    ]


def list_phoneme_model_facts(row: manifest.WeightsEntry) -> list[str]:
    """Return sentences about a language model of phonemes."""
    config = row.training["config"]
    return [
        f"{config['order']}-grams, {row.model['phonemes']} phonemes, {config['ngrams']:,} n-grams, {row.size / 1e6:.1f} MB",
        f"estimated by {config['estimator']}, without n-grams that occur {config['prune']} times or fewer (lengths 1 to "
        f"{config['order']})",
        "each word in its first pronunciation of CMUdict; sentences with a word that it lacks are left out",
        "log probabilities in sixteenths of a nat",
        "rebuilt by `python tools/build_phoneme_model.py --kenlm PROGRAMS --data PATH`",
    ]


def make_study_page() -> str:
    """Return the page of study results."""
    lines = [
        "# Studies",
        "",
        "`kerasrecipes study NAME` repeats a study. [The guide](../guides/studies.md) explains how.",
        "",
    ]
    paths = sorted((RESULTS / "studies").glob("*.json"))
    for path in paths:
        study = json.loads(path.read_text())
        lines += [f"## {study['title']}", "", study["question"], "", f"{study['source']}. {study['setting']}.", ""]
        lines += [*results_table(study["results"]), "", study["notes"], ""]
        picture = save_experiment_plot(study, DOCS / "recipes" / f"study_{path.stem}.png")
        lines += [f"![{study['title']}: losses and metrics during training]({picture.name})", ""]
    return "\n".join(lines if paths else [*lines, "No study has been run yet."])


def make_benchmark_page() -> str:
    """Return the page of benchmarks, from the files that the benchmark scripts wrote."""
    lines = [
        "# Measured", "",
        "Speeds of single scripts come first, each from the machine that its section names. [Speed](speed.md) is one table of ratios.",
        "Measurements of what networks have learned follow: probes, invariances, features, training on few examples.", "",
    ]  # fmt: skip
    for path in [*sorted((RESULTS / "speed" / "scripts").glob("*.json")), *sorted(RESULTS.glob("*.json"))]:
        results = json.loads(path.read_text())
        lines += [f"## {results['title']}", "", f"{results['setting']}", "", *make_table(["", ""], results["figures"].items()), ""]
    return "\n".join(lines)


def make_convolution_page() -> str:
    """Return the page that compares kinds of convolution, with parameters counted on the layers."""
    import keras

    from kerasrecipes import layers
    from kerasrecipes.layers.locally_connected import PADDINGS, output_size

    cases = ((16, 6, 1), (16, 6, 2), (16, 5, 1), (16, 5, 3), (5, 3, 1), (5, 3, 2))
    sizes = make_table(
        ["input", "kernel", "stride", *PADDINGS],
        [(m, k, s, *(output_size(m, k, s, p) for p in PADDINGS)) for m, k, s in cases],
    )
    kinds = {
        "convolution": keras.layers.Conv2D(16, 5),
        "in 2 groups": keras.layers.Conv2D(16, 5, groups=2),
        "tiled, 2 x 2 kernels": layers.TiledConv2D(16, 5, 2),
        "locally connected": layers.LocallyConnected2D(16, 5),
        "depthwise separable": keras.layers.SeparableConv2D(16, 5),
    }
    counts = []
    for name, layer in kinds.items():
        layer.build((None, 28, 28, 8))
        counts.append((name, f"{layer.count_params():,}"))
    counts.append(("fully connected", f"{(28 * 28 * 8 + 1) * 24 * 24 * 16:,}"))
    return "\n".join([
        "# Kinds of convolution", "",
        "After chapter 9 of *Deep Learning* (Goodfellow, Bengio and Courville); [this chapter](../guides/chapter.md) plots them.",
        'Keras 3 has no locally connected or tiled layers and no padding "full". This package has them as layers:',
        "`kr.layers.LocallyConnected2D`, `TiledConv2D` and their 1-D forms.", "", "## Output size", "",
        "With stride 1 the output sizes are m - k + 1, m and m + k - 1.", "", *sizes, "", "## Parameters", "",
        "From 28 x 28 with 8 channels to 16, kernels 5 x 5, without padding:", "", *make_table(["kind", "parameters"], counts, [1]), "",
        "::: kerasrecipes.layers.locally_connected", "",
    ])  # fmt: skip


def make_license_page() -> str:
    """Return the page of licenses: code, weight files, data sets, and the audio and images on the pages."""
    rows = {**manifest.entries(), **manifest.language_models()}
    lines = [
        "# Licenses",
        "",
        "The license of the code is Apache-2.0. Weights carry the licenses of their data.",
        "",
        "## Weights",
        "",
    ]
    links = {n: f"[`{n}`]({n}.md)" if n in manifest.entries() else f"[`{n}`](language_models.md#{n})" for n in rows}
    lines += [
        *make_table(
            ["weights", "license", "training data"],
            [(links[n], r.license, ", ".join(d["name"] for d in r.data)) for n, r in rows.items()],
        ),
        "",
    ]
    notice = ROOT / "kerasrecipes" / "assets" / "SQUEEZENET_LICENSE.txt"
    lines += ["### The weights of SqueezeNet", "", "```text", notice.read_text("utf-8").strip(), "```", ""]
    sets: dict[tuple[str, str], list[str]] = {}
    for name, row in rows.items():
        for d in row.data:
            sets.setdefault((d["name"], d["license"]), []).append(name)
    lines += [
        "## Data",
        "",
        *make_table(
            ["data set", "license", "used for"],
            [(a, b, ", ".join(f"`{n}`" for n in v)) for (a, b), v in sorted(sets.items())],
        ),
        "",
    ]
    attribution = (ROOT / "tests" / "fixtures" / "ATTRIBUTION.md").read_text("utf-8")
    lines += ["## Audio and images on these pages", "", attribution.strip(), ""]
    lines += [
        "- MNIST's digits: Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0 as widely stated.",
        "- Photographs (astronaut, camera, Chelsea the cat, coffee, rocket): CC0 or public domain.",
        "- No images of CIFAR-10 or CamVid are shown: their licenses allow releasing weights, not images.", "",
    ]  # fmt: skip
    return "\n".join(lines)
