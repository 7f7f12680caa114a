"""The page Speed: the table of `make bench` as charts, from the files of each kind of processor."""

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pages.speed_charts import draw_bar_chart, draw_curves, format_ratio
from pages.text import ROOT, make_fold, make_table

sys.path.insert(0, str(ROOT / "benchmarks"))
from speed_parts import Part, make_parts

RESULTS = ROOT / "benchmarks" / "results" / "speed"
HEAD = """# Speed

`make bench` measures everything on this page. Each figure is a *ratio*: the cost of a row divided by the cost of the first row of its
group, the *reference*, which has the ratio 1. A row with the ratio 3 needs three times as much, and one with 0.5 needs half. The axes
are logarithmic: equal distances are equal factors.

- Cost is CPU time on one core, not time on a clock, so that other programs on the machine hardly change it. Memory is its largest value
  during a run.
- All rows of a chart are measured in one run and take turns. A figure is the median over the repeats. The thin line in a bar goes from
  the smallest to the largest ratio.
- Processors differ in their instructions, so results are kept for each kind: {kinds}.
"""
KINDS = {
    "amx_bf16": "matrix units for bfloat16 (AMX)",
    "avx512_bf16": "512-bit vectors with bfloat16",
    "avx512f": "512-bit vectors without bfloat16",
    "avx2": "256-bit vectors (AVX2)",
}


def make_series(figures: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Return the curves of a part: one for each group, or one for each name where a group has a single size.

    Costs are divided by that of the group's first figure, or of the first figure of all.
    """
    sizes: dict[str, set[float]] = {}
    for figure in figures:
        sizes.setdefault(figure["group"], set()).add(figure["x"])
    key = "group" if any(len(values) > 1 for values in sizes.values()) else "name"
    series: dict[str, list[tuple[float, float]]] = {}
    starts: dict[str, float] = {}
    for figure in figures:
        start = starts.setdefault(figure["group"] if key == "group" else "all", figure["cost"])
        series.setdefault(figure[key], []).append((figure["x"], figure["cost"] / start))
    return series


def format_figure(figure: Mapping[str, Any]) -> tuple[str, ...]:
    spread = f"{format_ratio(figure['low'])} to {format_ratio(figure['high'])}" if figure["repeats"] > 1 else "one repeat"
    return figure["name"], format_ratio(figure["ratio"]), spread, figure.get("note", "")


def make_figure_lines(entry: Mapping[str, Any], part: Part) -> list[str]:
    """Return the charts and the tables of a part, measured on one machine."""
    lines, tables = [], []
    for group, members in groupby(entry["figures"], key=lambda figure: figure["group"]):
        figures = list(members)
        if not part.x_title:
            lines += [f"**{group}**", "", draw_bar_chart(figures, f"{part.title}, {group}: {part.cost}"), ""]
        tables += [f"**{group}**", "", *make_table(["", "ratio", "range", ""], map(format_figure, figures), [1, 2]), ""]
    if part.x_title and entry["figures"]:
        lines += [draw_curves(make_series(entry["figures"]), part.x_title, part.cost.partition(",")[0]), ""]
        lines += ["The first point of the chart is 1.", ""]
    lines += make_fold("Figures with their range", tables)
    for reason, rows in groupby(entry["left_out"], key=lambda row: row["reason"].splitlines()[-1]):
        lines += [f"Not measured here: {', '.join(dict.fromkeys(row['name'] for row in rows))} ({reason}).", ""]
    measured = {row["group"] for key in ("figures", "left_out") for row in entry[key]}
    if missing := [group for group in dict.fromkeys(row.group for row in part.rows) if group not in measured]:
        lines += [f"Not measured yet: {', '.join(missing)}.", ""]
    return [*lines, f"Measured on {entry['date']} at commit `{(entry['commit'] or 'unknown')[:9]}`.", ""]


def make_speed_page(folder: Path = RESULTS) -> str:
    """Return the page, from the files that `benchmarks/bench.py` wrote into a folder."""
    results = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    kinds = "; ".join(f"{KINDS.get(r['machine']['kind'], r['machine']['kind'])}, {r['machine']['hardware']}" for r in results)
    lines = [HEAD.format(kinds=kinds or "none yet")]
    for name, part in make_parts().items():
        entries = {r["machine"]["kind"]: r["parts"][name] for r in results if name in r["parts"]}
        if not entries:
            continue
        lines += [f"## {part.title}", "", f"Ratio of: {part.cost}.", "", part.limits, ""]
        for kind, entry in entries.items():
            body = make_figure_lines(entry, part)
            if len(results) > 1:
                body = [f'=== "{KINDS.get(kind, kind)}"', "", *(f"    {line}" if line else "" for line in body)]
            lines += body
    if results and (missing := [part.title for name, part in make_parts().items() if not any(name in r["parts"] for r in results)]):
        lines += [f"Parts of `make bench` that have not been measured yet: {', '.join(missing)}.", ""]
    lines += ["More measurements of single scripts are on [another page](benchmarks.md).", ""]
    return "\n".join(lines)
