"""The parts "what it has learned" and "what it gets wrong", of what `docs/build/plot_figures.py` kept in docs/cache/NAME."""

import functools
import json
import shutil
from typing import Any

from kerasrecipes.hub import manifest
from pages.text import DOCS, ROOT, escape, shell, table

CLIPS = ROOT / "tests" / "fixtures" / "LibriSpeech" / "dev-mini"
ATTRIBUTION = "Clips of LibriSpeech dev-clean (V. Panayotov, G. Chen, D. Povey, S. Khudanpur; LibriVox readers), MP3 24 kbit/s, CC BY 4.0."


@functools.cache
def kept(name: str) -> dict[str, Any]:
    """What was kept for a recipe; empty where nothing was."""
    path = DOCS / "cache" / name / "figures.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def copy_clips() -> None:
    """The clips that ship with the tests, where the pages play them from."""
    place = DOCS / "recipes" / "clips"
    place.mkdir(parents=True, exist_ok=True)
    for path in CLIPS.glob("*/*/*.mp3"):
        shutil.copyfile(path, place / path.name)


def command(name: str) -> list[str]:
    return shell([f"KERASRECIPES_DATA=PATH python docs/build/plot_figures.py {name}"])


def stale(name: str, row: manifest.WeightsEntry) -> list[str]:
    """A note where what is shown belongs to other weights than are released."""
    if not kept(name) or kept(name)["weights"] == row.sha256:
        return []
    return [
        "!!! warning",
        "    This was drawn with earlier weights than the released ones. Draw it again with the command below.",
        "",
    ]


def learned(name: str, row: manifest.WeightsEntry | None) -> list[str]:
    """Pictures of what it has learned."""
    if row is None:
        return []
    lines = ["## What it has learned", "", *stale(name, row)]
    for shown in kept(name).get("learned", []):
        lines += [
            f"### {shown['title']}",
            "",
            f"![{shown['title']}](../cache/{name}/{shown['file']}){{ .picture loading=lazy }}",
            "",
            shown["text"],
            "",
        ]
    told = "Drawn by" if kept(name) else "Nothing has been drawn with these weights yet; this command does it:"
    return [*lines, told, "", *command(name), ""]


def wrong(name: str, row: manifest.WeightsEntry | None) -> list[str]:
    """Its worst and typical answers."""
    if row is None:
        return []
    found = kept(name).get("wrong", {})
    lines = ["## What it gets wrong", "", *stale(name, row)]
    if not found:
        return [
            *lines,
            "Nothing has been looked for with these weights yet; this command does it:",
            "",
            *command(name),
            "",
        ]
    if "confused" in found:
        lines += recogniser(found)
    elif found.get("unit") == "bits per character":
        lines += language_model(found)
    elif found.get("unit") == "bits per sample":
        lines += generator(name, found)
    else:
        lines += pictures(name, found)
    return [*lines, "Found by the command above; the whole set's numbers are under *Measured*.", ""]


def player(clip: str, label: str) -> str:
    return f'<audio controls preload="none" src="../clips/{clip}.mp3" aria-label="{escape(label)}"></audio>'


def recogniser(found: dict) -> list[str]:
    """Clips to listen to, then examples of the report set, then what is confused."""
    unit = found["unit"]
    what = "Greedy; words" if unit == "words" else "Phones"
    lines = ["### Listen", "", f"{ATTRIBUTION} {what} that differ are marked.", '<div class="clips">']
    for c in found["clips"]:
        told = f"<p class=said>{escape(c.get('text', c['said']))}</p>"
        lines.append(
            f"<figure>{player(c['clip'], c['said'])}<figcaption>{told}{marked(c['said'], c['heard'], unit)}{with_lm(c)}"
            "</figcaption></figure>"
        )
    lines += ["</div>", ""]
    total = found["total"]
    shares = ", ".join(
        f"{found[k]:,} {k} ({100 * found[k] / total:.1f} %)" for k in ("substitutions", "deletions", "insertions")
    )
    lines += [f"Of the {total:,} {unit} of {found['set']}: {shares}.", ""]
    for kind, title in (
        ("worst", "The worst"),
        ("typical", "Typical: as wrong as the whole set"),
        ("best", "The best"),
    ):
        lines += [f"### {title}", "", '<div class="examples">']
        for e in found[kind]:
            lines.append(
                f"<figure><p class=said>{escape(e['said'])}</p>{marked(e['said'], e['heard'], unit)}"
                f"<figcaption>{escape(e['clip'])}: {100 * e['rate']:.0f} % of its {unit} wrong</figcaption></figure>"
            )
        lines += ["</div>", ""]
    if found["confused"]:
        rows = [(f"`{a}`", f"`{b}`", n) for a, b, n in found["confused"]]
        lines += ["### Most often confused", "", *table(["said", "heard", "times"], rows, [2]), ""]
    return lines


def with_lm(c: dict) -> str:
    return (
        f'<p class="heard lm"><span>with a language model</span> {escape(c["with_lm"])}</p>' if c.get("with_lm") else ""
    )


def marked(said: str, heard: str, unit: str) -> str:
    """What was heard; what differs from what was said is marked."""
    parts = []
    for a, b in aligned(said.split(), heard.split()):
        if a == b:
            parts.append(escape(b))
        elif b is None:
            parts.append(f'<del title="left out">{escape(a)}</del>')
        else:
            parts.append(f'<mark title="{escape(f"said: {a}" if a else "nobody said this")}">{escape(b)}</mark>')
    return f'<p class="heard {unit}">{" ".join(parts)}</p>'


def aligned(a: list[str], b: list[str]) -> list[tuple[str | None, str | None]]:
    """Pairs of a cheapest way from `a` to `b`."""
    cost = [[i + j if not i or not j else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            cost[i][j] = min(cost[i - 1][j - 1] + (x != y), cost[i - 1][j] + 1, cost[i][j - 1] + 1)
    found: list[tuple[str | None, str | None]] = []
    i, j = len(a), len(b)
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]):
            i, j = i - 1, j - 1
            found.append((a[i], b[j]))
        elif i and cost[i][j] == cost[i - 1][j] + 1:
            i -= 1
            found.append((a[i], None))
        else:
            j -= 1
            found.append((None, b[j]))
    return found[::-1]


def language_model(found: dict) -> list[str]:
    """What it writes, and texts coloured by how much each character surprised it."""
    lines = ["### What it writes", "", f"After “{found['prompt']}”:", ""]
    rows = [(s["temperature"], s["text"]) for s in found["samples"]]
    lines += [*table(["temperature", "text"], rows), "", "### What surprises it", ""]
    lines += ["The darker a character, the more bits it cost: 0 is certain, 8 and more is a surprise.", ""]
    for kind, title in (("worst", "The costliest texts"), ("typical", "Typical texts"), ("best", "The cheapest texts")):
        lines += [f"**{title}** of the {found['set']}", "", '<div class="examples">']
        for e in found[kind]:
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


def generator(name: str, found: dict) -> list[str]:
    """Sounds to play, and what clips cost."""
    lines = ["### Listen", "", ATTRIBUTION, '<div class="clips">']
    for s in found["sounds"]:
        tag = f'<audio controls preload="none" src="../../cache/{name}/{s["file"]}" aria-label="{escape(s["title"])}"></audio>'
        lines.append(f"<figure>{tag}<figcaption>{escape(s['title'])}</figcaption></figure>")
    said = f"The clip of LibriSpeech (CC BY 4.0): “{escape(found['text'])}”"
    lines.append(f"<figure>{player(found['clip'], found['text'])}<figcaption>{said}</figcaption></figure>")
    rows = sorted(((c["rate"], c["text"]) for c in found["clips"]), reverse=True)
    return [*lines, "</div>", "", *table(["bits per sample", "clip, the costliest first"], rows, [0]), ""]


def pictures(name: str, found: dict) -> list[str]:
    """Wrong digits, what it says of free pictures, and the table of confusions."""
    lines = []
    if "picture" in found:
        lines += [
            f"![{found['caption']}](../cache/{name}/{found['picture']}){{ .picture loading=lazy }}",
            "",
            found["caption"],
            "",
        ]
    if "free" in found:
        lines += ["Free pictures (CC0 or public domain), and its first three answers:", "", '<div class="free">']
        for f in found["free"]:
            answers = "".join(f"<li>{escape(a)} <b>{100 * p:.0f} %</b></li>" for a, p in f["answers"])
            lines.append(
                f'<figure><img src="../../cache/{name}/{f["file"]}" alt="{escape(f["name"])}" loading="lazy"><ol>{answers}</ol></figure>'
            )
        lines += ["</div>", ""]
    if "confusion" in found:
        lines += [f"### Confusions on {found['set']}", "", confusion(found), ""]
    if "iou" in found:
        rows = [
            (c, "-" if v is None else f"{100 * v:.1f} %") for c, v in zip(found["classes"], found["iou"], strict=True)
        ]
        lines += [
            "### Class by class",
            "",
            *table(["class", "intersection over union"], sorted(rows, key=lambda r: r[1]), [1]),
            "",
        ]
    return lines


def confusion(found: dict) -> str:
    """A table of labels by answers, shaded by the share of the label's row."""
    names = found["classes"]
    head = "<tr><th></th>" + "".join(f"<th scope=col>{escape(n)}</th>" for n in names) + "</tr>"
    rows = []
    for name, counts in zip(names, found["confusion"], strict=True):
        total = sum(counts) or 1
        cells = "".join(
            f'<td class="{"right" if n == name else ""}" style="--share:{c / total:.3f}">'
            f"{c if found['unit'] == 'pictures' else f'{100 * c / total:.0f}'}</td>"
            for n, c in zip(names, counts, strict=True)
        )
        rows.append(f"<tr><th scope=row>{escape(name)}</th>{cells}</tr>")
    what = "pictures" if found["unit"] == "pictures" else "per cent of each class's pixels"
    label = f"rows are what it is, columns what it was taken for; {what}"
    return (
        f'<div class="confusion" tabindex="0" role="region" aria-label="confusions: {label}"><table><caption>{label}</caption>'
        f"{head}{''.join(rows)}</table></div>"
    )
