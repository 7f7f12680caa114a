"""SVG charts of ratios on logarithmic axes: bars beside a reference, and curves over a size."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pages.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, format_svg_path
from pages.text import escape

ROW_HEIGHT, BAR_HEIGHT, MARGIN = 34, 9, 12
MAX_TICKS = 6


def format_ratio(value: float) -> str:
    """Return a ratio with three digits, and large ones without a fraction."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def choose_log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers from `low` to `high`: 1, 2 and 5 times powers of ten, or powers of ten alone where these are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1,)):
        ticks = [f * 10.0**power for power in powers for f in factors if low * 0.999 <= f * 10.0**power <= high * 1.001]
        if len(ticks) <= MAX_TICKS:
            return ticks
    return ticks[:: math.ceil(len(ticks) / MAX_TICKS)]


def wrap_svg(height: float, label: str, elements: Sequence[str]) -> str:
    svg = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(elements)}</svg>'
    return f'<div class="chart">{svg}</div>'


def draw_bar_chart(figures: Sequence[Mapping[str, Any]], label: str) -> str:
    """Return a bar for each figure from the reference at 1, with its name and ratio above and its range as a line.

    Args:
        figures: Figures of a group of the results: name, ratio, low and high.
        label: Description for readers who do not see the chart.
    """
    low = min(0.5, *(figure["low"] for figure in figures))
    high = max(2.0, *(figure["high"] for figure in figures))

    def to_x(value: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * math.log(value / low) / math.log(high / low)

    height = TOP + ROW_HEIGHT * len(figures) + 24
    elements = []
    for tick in choose_log_ticks(low, high):
        elements.append(f'<path class="grid" d="M{to_x(tick):.1f} {TOP}V{height - 22}"/>')
        elements.append(f'<text x="{to_x(tick):.1f}" y="{height - 6}" text-anchor="middle">{tick:g}</text>')
    elements.append(f'<path class="one" d="M{to_x(1):.1f} {TOP}V{height - 22}"/>')
    for number, figure in enumerate(figures):
        y = TOP + ROW_HEIGHT * number
        ratio = figure["ratio"]
        start, end = sorted((to_x(1), to_x(ratio)))
        middle = y + 20 + BAR_HEIGHT / 2
        side = "less" if ratio < 1 else "more"
        elements += [
            f'<text class="name" x="{MARGIN}" y="{y + 14}">{escape(figure["name"])}</text>',
            f'<text class="key" x="{WIDTH - MARGIN}" y="{y + 14}" text-anchor="end">{format_ratio(ratio)}</text>',
            f'<rect class="bar {side}" x="{start - 1:.1f}" y="{y + 20}" width="{end - start + 2:.1f}" height="{BAR_HEIGHT}" rx="2"/>',
            f'<path class="range" d="M{to_x(figure["low"]):.1f} {middle}H{to_x(figure["high"]):.1f}"/>',
        ]
    return wrap_svg(height, label, elements)


def draw_curves(series: Mapping[str, Sequence[tuple[float, float]]], x_title: str, y_title: str) -> str:
    """Return lines on two logarithmic axes.

    Args:
        series: (x, ratio) points by name.
        x_title: Title of the horizontal axis.
        y_title: Title of the vertical axis.
    """
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    low_x, high_x = min(xs), max(xs) if max(xs) > min(xs) else 2 * min(xs)
    low_y, high_y = min(*ys, 1.0) / 1.1, max(*ys, 2.0) * 1.1

    def to_pixels(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (WIDTH - LEFT - RIGHT - 14) * math.log(x / low_x) / math.log(high_x / low_x),
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(y / low_y) / math.log(high_y / low_y),
        )

    elements = []
    for tick in choose_log_ticks(low_y, high_y):
        y = to_pixels(low_x, tick)[1]
        elements.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        elements.append(f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for x in sorted(set(xs)):
        elements.append(f'<text x="{to_pixels(x, low_y)[0]:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{x:,g}</text>')
    for number, (name, points) in enumerate(series.items()):
        pixels = [to_pixels(*point) for point in points]
        elements.append(f'<path class="line s{number}" d="{format_svg_path(pixels)}"/>')
        for (x, y), (_, ratio) in zip(pixels, points, strict=True):
            title = f"<title>{escape(name)}: {format_ratio(ratio)}</title>"
            elements.append(f'<circle class="s{number}" cx="{x:.1f}" cy="{y:.1f}" r="3.2">{title}</circle>')
        key = f'<text class="key s{number}" x="{WIDTH - RIGHT - 6}" y="{TOP + 12 + 17 * number}" text-anchor="end">{escape(name)}</text>'
        elements.append(key)
    elements.append(f'<text class="axis" x="{(WIDTH + LEFT) / 2:.0f}" y="{HEIGHT - 7}" text-anchor="middle">{escape(x_title)}</text>')
    turn = f"translate(13 {(HEIGHT - BOTTOM + TOP) / 2:.0f}) rotate(-90)"
    elements.append(f'<text class="axis" transform="{turn}" text-anchor="middle">{escape(y_title)}</text>')
    return wrap_svg(HEIGHT, f"{y_title} over {x_title}", elements)
