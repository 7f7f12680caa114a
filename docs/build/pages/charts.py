"""Charts as SVG that take their colours from the page: the curve of a training."""

import math
from collections.abc import Sequence

from pages.text import escape

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 40


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, few of them."""
    step = 10 ** math.floor(math.log10((high - low) or 1.0))
    step *= next((f for f in (0.1, 0.2, 0.5, 1, 2, 5) if (high - low) / (f * step) < most), 10)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def curve(
    series: Sequence[tuple[str, Sequence[Sequence[tuple[float, float]]]]], x_title: str, y_title: str, from_zero: bool
) -> str:
    """Lines over what was trained on.

    Args:
        series: (name, runs of (x, y) points); a gap between runs is drawn as a dotted line.
        from_zero: let the vertical axis begin at 0.
    """
    points = [p for _, runs in series for run in runs for p in run]
    most_x = max(x for x, _ in points)
    low = 0.0 if from_zero else min(y for _, y in points)
    high = max(y for _, y in points)
    if not from_zero:
        low, high = low - 0.08 * (high - low or 1), high + 0.08 * (high - low or 1)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * x / most_x,
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - low) / ((high - low) or 1),
        )

    drawn = []
    for y in ticks(low, high):
        at = place(0, y)[1]
        drawn.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        drawn.append(f'<text x="{LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in ticks(0, most_x, 8):
        at = place(x, low)[0]
        drawn.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x:g}</text>')
    for number, (name, runs) in enumerate(series):
        for before, run in zip([None, *runs], runs, strict=False):
            if before:
                drawn.append(f'<path class="line s{number} gap" d="{way([place(*before[-1]), place(*run[0])])}"/>')
            drawn.append(f'<path class="line s{number}" d="{way([place(*p) for p in run])}"/>')
            for p in run:
                x, y = place(*p)
                told = f"{name} {p[1]:.4g} after {p[0]:.4g}"
                drawn.append(
                    f'<circle class="s{number}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"><title>{escape(told)}</title></circle>'
                )
        drawn.append(
            f'<text class="key s{number}" x="{WIDTH - RIGHT - 6}" y="{TOP + 12 + 17 * number}" text-anchor="end">{escape(name)}</text>'
        )
    drawn.append(
        f'<text class="axis" x="{(WIDTH + LEFT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_title)}</text>'
    )
    drawn.append(
        f'<text class="axis" transform="translate(13 {(HEIGHT - BOTTOM + TOP) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_title)}</text>"
    )
    label = f"{y_title} over {x_title}"
    return f'<div class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(drawn)}</svg></div>'


def way(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
