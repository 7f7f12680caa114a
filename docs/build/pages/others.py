"""Pages beside the recipes': language models of words, studies, speeds, kinds of convolution, licenses."""

import json

from kerasrecipes.experiments import studies
from kerasrecipes.experiments.study_plot import save_experiment_plot
from kerasrecipes.hub import manifest
from pages.text import DOCS, ROOT, shell, table

RESULTS = ROOT / "benchmarks" / "results"
LEARNED = ("features_", "finetune_", "zfnet_")  # results that are no speeds


def language_models() -> str:
    """The page of word n-grams, from their rows."""
    lines = ["# Language models of words", "", "For [beam search](../guides/decoding.md); read by KenLM.", ""]
    for name, row in manifest.language_models().items():
        config = row.training["config"]
        said = [
            f"{config['order']}-grams, {row.model['words']:,} words, {row.size / 1e6:.1f} MB",
            f"estimated by {config['estimator']}, pruned {config['prune']}, {config['quantised_bits']} bits a number",
            "text: " + ", ".join(f"{d['name']}, {d['words']:,} words" for d in row.data),
            f"license: {row.license}",
        ]
        rows = [
            (m["dataset"], m["metric"], f"{100 * m['value']:.1f} %" if m["metric"] == "out of vocabulary" else f"{m['value']:.0f}")
            for m in row.metrics
        ]  # fmt: skip
        lines += [
            f"## {name}",
            "",
            *(f"- {s}" for s in said),
            "",
            *table(["measured on", "what", "value"], rows, [2]),
            "",
        ]
        lines += [*shell([row.metrics[0]["command"]]), ""]
    return "\n".join(lines)


def study_pages() -> str:
    """The page of what the studies gave."""
    lines = [
        "# Studies",
        "",
        "Each is one command, `kerasrecipes study NAME`; see [the guide](../guides/studies.md).",
        "",
    ]
    paths = sorted((RESULTS / "studies").glob("*.json"))
    for path in paths:
        found = json.loads(path.read_text())
        lines += [f"## {found['title']}", "", found["question"], "", f"{found['source']}. {found['setting']}.", ""]
        lines += [*studies.results_table(found["outcomes"]), "", found["notes"], ""]
        picture = save_experiment_plot(found, DOCS / "recipes" / f"study_{path.stem}.png")
        lines += [f"![{found['title']}: losses while training, and scores]({picture.name})", ""]
    return "\n".join(lines if paths else [*lines, "None has been run yet."])


def benchmarks() -> str:
    """The page of measured speeds, and of what else was measured once, from the files that the scripts wrote."""
    speeds: list[str] = []
    others: list[str] = []
    for path in sorted(RESULTS.glob("*.json")):
        found = json.loads(path.read_text())
        page = others if path.stem.startswith(LEARNED) else speeds
        page += [f"## {found['title']}", "", f"{found['setting']}", "", *table(["", ""], found["figures"].items()), ""]
    head = ["# Measured", "", "Speeds first: ratios count; absolute times are those of one machine."]
    head += ["At the end what networks have learned, measured: probes, invariances, features, few examples.", ""]
    return "\n".join([*head, *speeds, *others])


def convolutions() -> str:
    """The page of what kinds of convolution need, counted on the layers themselves."""
    import keras

    from kerasrecipes import layers
    from kerasrecipes.layers.locally_connected import PADDINGS, output_size

    cases = ((16, 6, 1), (16, 6, 2), (16, 5, 1), (16, 5, 3), (5, 3, 1), (5, 3, 2))
    sizes = table(
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
        "After chapter 9 of *Deep Learning* (Goodfellow, Bengio and Courville); [the chapter here](../guides/chapter.md) draws them.",
        'Keras 3 dropped the locally connected layers and never had tiled ones or the padding "full"; here they are layers,',
        "`kr.layers.LocallyConnected2D`, `TiledConv2D` and their 1-D forms.", "", "## Places of a kernel", "",
        "Without stride: m - k + 1, m and m + k - 1.", "", *sizes, "", "## What has to be learned", "",
        "From 28 x 28 with 8 channels to 16, kernels 5 x 5, without padding:", "", *table(["kind", "parameters"], counts, [1]), "",
        "::: kerasrecipes.layers.locally_connected", "",
    ])  # fmt: skip


def licenses() -> str:
    """The page of licenses: of the code, of each weight file, of each set behind them, of what the pages show."""
    rows = {**manifest.entries(), **manifest.language_models()}
    lines = [
        "# Licenses",
        "",
        "The code is under Apache-2.0. Weights carry the licenses of their data.",
        "",
        "## Weights",
        "",
    ]
    links = {n: f"[`{n}`]({n}.md)" if n in manifest.entries() else f"[`{n}`](language_models.md#{n})" for n in rows}
    lines += [
        *table(
            ["file of", "license", "trained on"],
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
        *table(
            ["set", "license", "behind"], [(a, b, ", ".join(f"`{n}`" for n in v)) for (a, b), v in sorted(sets.items())]
        ),
        "",
    ]
    shown = (ROOT / "tests" / "fixtures" / "ATTRIBUTION.md").read_text("utf-8")
    lines += ["## Sounds and pictures on these pages", "", shown.strip(), ""]
    lines += [
        "- MNIST's digits: Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0 as widely stated.",
        "- Photographs (astronaut, camera, Chelsea the cat, coffee, rocket): CC0 or public domain.",
        "- No picture of CIFAR-10 or CamVid is shown: their licenses cover weights here, not pictures.", "",
    ]  # fmt: skip
    return "\n".join(lines)
