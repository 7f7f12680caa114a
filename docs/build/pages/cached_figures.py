"""Sections "What it has learned" and "What it gets wrong", from the figures in docs/cache/NAME.

`docs/build/plot_figures.py` writes these figures.
"""

import functools
import json
import shutil
from typing import Any

from kerasrecipes.hub import manifest
from pages.text import DOCS, ROOT, escape, make_shell_block, make_table

CLIPS = ROOT / "tests" / "fixtures" / "LibriSpeech" / "dev-mini"
ATTRIBUTION = "Clips of LibriSpeech dev-clean (V. Panayotov, G. Chen, D. Povey, S. Khudanpur; LibriVox readers), MP3 24 kbit/s, CC BY 4.0."


@functools.cache
def read_figures(name: str) -> dict[str, Any]:
    """Return the figures of a recipe, or an empty dictionary if there are none."""
    path = DOCS / "cache" / name / "figures.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def copy_clips() -> None:
    """Copy the clips that ship with the tests to the folder from which pages play them."""
    folder = DOCS / "recipes" / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    for path in CLIPS.glob("*/*/*.mp3"):
        shutil.copyfile(path, folder / path.name)


def make_plot_command(name: str) -> list[str]:
    return make_shell_block([f"KERASRECIPES_DATA=PATH python docs/build/plot_figures.py {name}"])


def make_stale_warning(name: str, row: manifest.WeightsEntry) -> list[str]:
    """Return a warning if the figures belong to other weights than the released ones."""
    if not read_figures(name) or read_figures(name)["weights"] == row.sha256:
        return []
    return [
        "!!! warning",
        "    These figures belong to earlier weights. The command below makes new ones.",
        "",
    ]


def make_learned_section(name: str, row: manifest.WeightsEntry | None) -> list[str]:
    """Return the section with figures of what the network has learned."""
    if row is None:
        return []
    lines = ["## What it has learned", "", *make_stale_warning(name, row)]
    for figure in read_figures(name).get("learned", []):
        lines += [
            f"### {figure['title']}",
            "",
            f"![{figure['title']}](../cache/{name}/{figure['file']}){{ .picture loading=lazy }}",
            "",
            figure["text"],
            "",
        ]
    source = (
        "Plotted by" if read_figures(name) else "There are no figures of these weights yet. This command plots them:"
    )
    return [*lines, source, "", *make_plot_command(name), ""]


def make_errors_section(name: str, row: manifest.WeightsEntry | None) -> list[str]:
    """Return the section with the worst and with typical results."""
    if row is None:
        return []
    errors = read_figures(name).get("wrong", {})
    lines = ["## What it gets wrong", "", *make_stale_warning(name, row)]
    if not errors:
        return [
            *lines,
            "There are no examples from these weights yet. This command finds them:",
            "",
            *make_plot_command(name),
            "",
        ]
    if "confused" in errors:
        lines += format_recognizer_errors(errors)
    elif errors.get("unit") == "bits per character":
        lines += format_language_model_errors(errors)
    elif errors.get("unit") == "bits per sample":
        lines += format_generator_examples(name, errors)
    else:
        lines += format_image_errors(name, errors)
    return [*lines, "The command above finds these examples. The numbers of the whole set stand under *Measured*.", ""]


def make_audio_player(clip: str, label: str) -> str:
    return f'<audio controls preload="none" src="../clips/{clip}.mp3" aria-label="{escape(label)}"></audio>'


def format_recognizer_errors(errors: dict) -> list[str]:
    """Return clips to listen to, examples of the report set, and the most frequent confusions."""
    unit = errors["unit"]
    hint = "Greedy decoding. Words" if unit == "words" else "Phonemes"
    lines = ["### Listen", "", f"{ATTRIBUTION} {hint} that differ are marked.", '<div class="clips">']
    for c in errors["clips"]:
        reference = f"<p class=reference>{escape(c.get('text', c['said']))}</p>"
        lines.append(
            f"<figure>{make_audio_player(c['clip'], c['said'])}<figcaption>{reference}{mark_differences(c['said'], c['heard'], unit)}"
            f"{format_language_model_line(c)}"
            "</figcaption></figure>"
        )
    lines += ["</div>", ""]
    total = errors["total"]
    shares = ", ".join(
        f"{errors[k]:,} {k} ({100 * errors[k] / total:.1f} %)" for k in ("substitutions", "deletions", "insertions")
    )
    lines += [f"Of the {total:,} {unit} of {errors['set']}: {shares}.", ""]
    for kind, title in (
        ("worst", "The worst"),
        ("typical", "Typical: about the error rate of the whole set"),
        ("best", "The best"),
    ):
        lines += [f"### {title}", "", '<div class="examples">']
        for e in errors[kind]:
            lines.append(
                f"<figure><p class=reference>{escape(e['said'])}</p>{mark_differences(e['said'], e['heard'], unit)}"
                f"<figcaption>{escape(e['clip'])}: {100 * e['rate']:.0f} % of its {unit} wrong</figcaption></figure>"
            )
        lines += ["</div>", ""]
    if errors["confused"]:
        rows = [(f"`{a}`", f"`{b}`", n) for a, b, n in errors["confused"]]
        lines += ["### Most often confused", "", *make_table(["reference", "recognized", "count"], rows, [2]), ""]
    return lines


def format_language_model_line(c: dict) -> str:
    return (
        f'<p class="hypothesis lm"><span>with a language model</span> {escape(c["with_lm"])}</p>'
        if c.get("with_lm")
        else ""
    )


def mark_differences(reference: str, hypothesis: str, unit: str) -> str:
    """Return the hypothesis as HTML, with differences from the reference marked."""
    parts = []
    for a, b in align_words(reference.split(), hypothesis.split()):
        if a == b:
            parts.append(escape(b))
        elif b is None:
            parts.append(f'<del title="missing">{escape(a)}</del>')
        else:
            parts.append(f'<mark title="{escape(f"reference: {a}" if a else "inserted")}">{escape(b)}</mark>')
    return f'<p class="hypothesis {unit}">{" ".join(parts)}</p>'


def align_words(a: list[str], b: list[str]) -> list[tuple[str | None, str | None]]:
    """Return the word pairs of an alignment with the fewest edits."""
    cost = [[i + j if not i or not j else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            cost[i][j] = min(cost[i - 1][j - 1] + (x != y), cost[i - 1][j] + 1, cost[i][j - 1] + 1)
    pairs: list[tuple[str | None, str | None]] = []
    i, j = len(a), len(b)
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((a[i], b[j]))
        elif i and cost[i][j] == cost[i - 1][j] + 1:
            i -= 1
            pairs.append((a[i], None))
        else:
            j -= 1
            pairs.append((None, b[j]))
    return pairs[::-1]


def format_language_model_errors(errors: dict) -> list[str]:
    """Return generated texts, and test texts shaded by the bits of each character."""
    lines = ["### What it writes", "", f"After “{errors['prompt']}”:", ""]
    rows = [(s["temperature"], s["text"]) for s in errors["samples"]]
    lines += [*make_table(["temperature", "text"], rows), "", "### What surprises it", ""]
    lines += [
        "The darker a character, the more bits it needs: 0 bits mean that the model was certain, 8 or more that it was wrong.",
        "",
    ]
    for kind, title in (
        ("worst", "Texts with the most bits"),
        ("typical", "Typical texts"),
        ("best", "Texts with the fewest bits"),
    ):
        lines += [f"**{title}** of the {errors['set']}", "", '<div class="examples">']
        for e in errors[kind]:
            letters = "".join(
                f'<i style="--bits:{min(b / 8, 1):.2f}" title="{b} bits">{escape(c)}</i>'
                for c, b in zip(e["text"], e["bits"], strict=True)
            )
            lines.append(
                f'<figure><p class="bits">{letters}</p><figcaption>{escape(e["clip"])}: {e["rate"]:.2f} bits per character'
                "</figcaption></figure>"
            )
        lines += ["</div>", ""]
    return lines


def format_generator_examples(name: str, errors: dict) -> list[str]:
    """Return audio to play, and the bits per sample of clips."""
    lines = ["### Listen", "", ATTRIBUTION, '<div class="clips">']
    for s in errors["sounds"]:
        tag = f'<audio controls preload="none" src="../../cache/{name}/{s["file"]}" aria-label="{escape(s["title"])}"></audio>'
        lines.append(f"<figure>{tag}<figcaption>{escape(s['title'])}</figcaption></figure>")
    caption = f"The clip of LibriSpeech (CC BY 4.0): “{escape(errors['text'])}”"
    lines.append(f"<figure>{make_audio_player(errors['clip'], errors['text'])}<figcaption>{caption}</figcaption></figure>")
    rows = sorted(((c["rate"], c["text"]) for c in errors["clips"]), reverse=True)
    return [*lines, "</div>", "", *make_table(["bits per sample", "clip, most bits first"], rows, [0]), ""]


def format_image_errors(name: str, errors: dict) -> list[str]:
    """Return misclassified images, results on free images, and the confusion matrix."""
    lines = []
    if "picture" in errors:
        lines += [
            f"![{errors['caption']}](../cache/{name}/{errors['picture']}){{ .picture loading=lazy }}",
            "",
            errors["caption"],
            "",
        ]
    if "free" in errors:
        lines += ["Free images (CC0 or public domain) with the three most probable classes:", "", '<div class="free">']
        for f in errors["free"]:
            answers = "".join(f"<li>{escape(a)} <b>{100 * p:.0f} %</b></li>" for a, p in f["answers"])
            lines.append(
                f'<figure><img src="../../cache/{name}/{f["file"]}" alt="{escape(f["name"])}" loading="lazy"><ol>{answers}</ol></figure>'
            )
        lines += ["</div>", ""]
    if "confusion" in errors:
        lines += [f"### Confusions on {errors['set']}", "", make_confusion_table(errors), ""]
    if "iou" in errors:
        rows = [
            (c, "-" if v is None else f"{100 * v:.1f} %") for c, v in zip(errors["classes"], errors["iou"], strict=True)
        ]
        lines += [
            "### Class by class",
            "",
            *make_table(["class", "intersection over union"], sorted(rows, key=lambda r: r[1]), [1]),
            "",
        ]
    return lines


def make_confusion_table(errors: dict) -> str:
    """Return a confusion matrix as HTML, shaded by the share in the label's row."""
    names = errors["classes"]
    head = "<tr><th></th>" + "".join(f"<th scope=col>{escape(n)}</th>" for n in names) + "</tr>"
    rows = []
    for name, counts in zip(names, errors["confusion"], strict=True):
        total = sum(counts) or 1
        cells = "".join(
            f'<td class="{"right" if n == name else ""}" style="--share:{c / total:.3f}">'
            f"{c if errors['unit'] == 'images' else f'{100 * c / total:.0f}'}</td>"
            for n, c in zip(names, counts, strict=True)
        )
        rows.append(f"<tr><th scope=row>{escape(name)}</th>{cells}</tr>")
    values = "images" if errors["unit"] == "images" else "percent of the pixels of each class"
    label = f"rows: true class, columns: predicted class; {values}"
    return (
        f'<div class="confusion" tabindex="0" role="region" aria-label="confusions: {label}"><table><caption>{label}</caption>'
        f"{head}{''.join(rows)}</table></div>"
    )
