"""SVG line charts whose colors come from the page's style sheet, sized so that a phone shows their text at 10 pixels or more."""

import math
from collections.abc import Sequence

from pages.text import escape

WIDTH, HEIGHT = 400, 250  # a phone of 390 pixels shows 358 of them: text of 12 units in site.css becomes 10.7 pixels high
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 14, 44


def choose_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return at most `most` round numbers from `low` to `high`."""
    step = 10 ** math.floor(math.log10((high - low) or 1.0))
    step *= next((f for f in (0.1, 0.2, 0.5, 1, 2, 5) if (high - low) / (f * step) < most), 10)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def draw_line_chart(
    series: Sequence[tuple[str, Sequence[Sequence[tuple[float, float]]]]], x_title: str, y_title: str, from_zero: bool
) -> str:
    """Return a line chart as SVG.

    Args:
        series: (name, runs of (x, y) points). A dotted line joins two runs.
        x_title: Title of the horizontal axis.
        y_title: Title of the vertical axis.
        from_zero: Start the vertical axis at 0.
    """
    points = [p for _, runs in series for run in runs for p in run]
    most_x = max(x for x, _ in points)
    low = 0.0 if from_zero else min(y for _, y in points)
    high = max(y for _, y in points)
    if not from_zero:
        low, high = low - 0.08 * (high - low or 1), high + 0.08 * (high - low or 1)

    def to_pixels(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * x / most_x,
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - low) / ((high - low) or 1),
        )

    elements = []
    for y in choose_ticks(low, high):
        position = to_pixels(0, y)[1]
        elements.append(f'<path class="grid" d="M{LEFT} {position:.1f}H{WIDTH - RIGHT}"/>')
        elements.append(f'<text x="{LEFT - 7}" y="{position + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in choose_ticks(0, most_x):
        position = to_pixels(x, low)[0]
        elements.append(f'<text x="{position:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{x:g}</text>')
    for number, (name, runs) in enumerate(series):
        for before, run in zip([None, *runs], runs, strict=False):
            if before:
                elements.append(
                    f'<path class="line s{number} gap" d="{format_svg_path([to_pixels(*before[-1]), to_pixels(*run[0])])}"/>'
                )
            elements.append(f'<path class="line s{number}" d="{format_svg_path([to_pixels(*p) for p in run])}"/>')
            for p in run:
                x, y = to_pixels(*p)
                label_text = f"{name} {p[1]:.4g} after {p[0]:.4g}"
                elements.append(
                    f'<circle class="s{number}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"><title>{escape(label_text)}</title></circle>'
                )
        elements.append(
            f'<text class="key s{number}" x="{WIDTH - RIGHT - 6}" y="{TOP + 12 + 17 * number}" text-anchor="end">{escape(name)}</text>'
        )
    elements.append(
        f'<text class="axis" x="{(WIDTH + LEFT) / 2:.0f}" y="{HEIGHT - 7}" text-anchor="middle">{escape(x_title)}</text>'
    )
    elements.append(
        f'<text class="axis" transform="translate(13 {(HEIGHT - BOTTOM + TOP) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_title)}</text>"
    )
    label = f"{y_title} over {x_title}"
    return f'<div class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(elements)}</svg></div>'


def format_svg_path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
