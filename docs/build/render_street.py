"""Draw the street of the page Segment a street: nobody's photograph, so that it may be shown. `python docs/build/render_street.py`"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

OUT = Path(__file__).parents[1] / "live" / "samples" / "street.png"
WIDTH, HEIGHT, SCALE = 240, 180, 4  # drawn larger, then made smaller
HORIZON, VANISH = 82, 128  # row and column where the street's lines meet


def street(seed: int = 4) -> Image.Image:
    """Sky, buildings, trees, poles, a sign, pavements, a fence, cars, two people and a cyclist, 240 x 180."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE))
    pen = ImageDraw.Draw(picture)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * SCALE, y * SCALE) for x, y in points]

    def polygon(color: tuple, *points: tuple[float, float]) -> None:
        pen.polygon(at(*points), fill=color)

    def towards(x: float, y: float, share: float) -> tuple[float, float]:
        """A point on the line to the vanishing point."""
        return x + (VANISH - x) * share, y + (HORIZON - y) * share

    def shade(color: tuple, factor: float) -> tuple:
        return tuple(int(min(255, max(0, c * factor))) for c in color)

    for y in range(HORIZON * SCALE):  # sky, brighter towards the horizon
        share = y / (HORIZON * SCALE)
        pen.line(
            [(0, y), (WIDTH * SCALE, y)], fill=(int(150 + 80 * share), int(185 + 50 * share), int(222 + 20 * share))
        )
    polygon((88, 88, 92), (0, HEIGHT), (WIDTH, HEIGHT), (WIDTH, HORIZON), (0, HORIZON))  # road
    left = [((-40, 130), (112, 106, 100)), ((-40, 130), (126, 84, 68)), ((-40, 130), (168, 152, 128))]
    ends = [0.0, 0.45, 0.68, 0.84]
    for (_, color), begin, end in zip(left, ends, ends[1:], strict=False):
        house(
            pen,
            at,
            color,
            towards(-20, 128, begin),
            towards(-20, 128, end),
            towards(-20, -46, begin),
            towards(-20, -46, end),
            rng,
        )
    right = [(150, 120, 96), (92, 96, 106), (176, 168, 158)]
    for color, begin, end in zip(right, ends, ends[1:], strict=False):
        house(
            pen,
            at,
            color,
            towards(268, 124, begin),
            towards(268, 124, end),
            towards(268, -24, begin),
            towards(268, -24, end),
            rng,
        )
    pave = (150, 146, 142)
    polygon(pave, (0, 168), (0, 122), towards(-20, 128, 0.84), towards(30, 180, 0.86))
    polygon(pave, (WIDTH, 164), (WIDTH, 120), towards(268, 124, 0.84), towards(222, 180, 0.86))
    polygon((196, 192, 186), (0, 168), (0, 171), towards(30, 180, 0.86))
    for begin in (0.02, 0.34, 0.55, 0.7, 0.8):  # the dashes of the middle line
        end = begin + 0.16 * (1 - begin)
        polygon(
            (224, 224, 214),
            towards(118, 180, begin),
            towards(123, 180, begin),
            towards(123, 180, end),
            towards(118, 180, end),
        )
    for x, y, size in ((204, 62, 26), (186, 70, 15), (222, 48, 30), (64, 66, 14)):  # trees
        polygon(
            (74, 58, 44),
            (x - size * 0.06, y + size),
            (x + size * 0.06, y + size),
            (x + size * 0.05, y),
            (x - size * 0.05, y),
        )
        for _ in range(60):
            dx, dy = rng.normal(0, size * 0.34, 2)
            r = size * rng.uniform(0.08, 0.2)
            green = shade((62, 92, 48), rng.uniform(0.6, 1.35))
            pen.ellipse([v * SCALE for v in (x + dx - r, y + dy * 0.8 - r, x + dx + r, y + dy * 0.8 + r)], fill=green)
    for x, foot, head in ((52, 138, 30), (176, 112, 52), (88, 108, 56)):  # lamp posts
        polygon((70, 72, 74), (x - 0.9, foot), (x + 0.9, foot), (x + 0.6, head), (x - 0.6, head))
        polygon((70, 72, 74), (x, head), (x + 8, head - 1), (x + 8, head + 0.4), (x, head + 1.6))
    polygon((178, 40, 38), (171, 58), (181, 58), (181, 68), (171, 68))  # a sign on the second post
    polygon((236, 236, 236), (172.4, 61.8), (179.6, 61.8), (179.6, 64.4), (172.4, 64.4))
    for k in range(14):  # a fence along the left pavement
        x, y = towards(14, 134, k / 17)
        tall = 15 * (1 - k / 17)
        pen.line(at((x, y), (x, y - tall)), fill=(96, 90, 84), width=max(1, int(3 * (1 - k / 17))))
    for share in (0.0, 0.5):
        pen.line(
            at((14, 134 - 15 * (1 - share)), towards(14, 134 - 15 * (1 - share), 14 / 17)), fill=(96, 90, 84), width=2
        )
    car(pen, at, (160, 116), 34, (158, 30, 34))
    car(pen, at, (140, 96), 15, (216, 218, 222))
    car(pen, at, (98, 98), 17, (40, 62, 104))
    person(pen, at, (34, 142), 40, (60, 66, 92), rng)
    person(pen, at, (212, 134), 34, (138, 74, 60), rng)
    pen.ellipse([v * SCALE for v in (76, 116, 85, 125)], outline=(30, 30, 32), width=4)  # a bicycle and who rides it
    pen.ellipse([v * SCALE for v in (84, 116, 93, 125)], outline=(30, 30, 32), width=4)
    person(pen, at, (84, 121), 26, (196, 150, 40), rng)
    small = picture.filter(ImageFilter.GaussianBlur(1.2)).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    grain = rng.normal(0, 5, (HEIGHT, WIDTH, 1)) + rng.normal(0, 2, (HEIGHT, WIDTH, 3))
    return Image.fromarray(np.clip(np.asarray(small, "float32") + grain, 0, 255).astype("uint8"))


def house(pen, at, color, near, far, high, high_far, rng) -> None:
    """A front between two points of the ground, with windows in perspective."""
    pen.polygon(at(near, far, high_far, high), fill=color)
    for row in np.arange(0.12, 0.86, 0.17):
        for column in np.arange(0.08, 0.92, 0.21):
            corners = []
            for dr, dc in ((0, 0), (0, 0.12), (0.1, 0.12), (0.1, 0)):
                c, r = column + dc, row + dr
                foot = np.array(near) + (np.array(far) - near) * c
                top = np.array(high) + (np.array(high_far) - high) * c
                corners.append(tuple(top + (foot - top) * r))
            pen.polygon(at(*corners), fill=tuple(int(v) for v in np.array((58, 66, 78)) * rng.uniform(0.7, 1.6)))


def car(pen, at, foot, wide, color) -> None:
    """From behind, standing at `foot` (the middle of its lower edge)."""
    x, y = foot
    tall = wide * 0.68
    dark = tuple(int(c * 0.6) for c in color)
    pen.polygon(
        at(
            (x - wide / 2, y - 2),
            (x + wide / 2, y - 2),
            (x + wide / 2, y - tall * 0.55),
            (x - wide / 2, y - tall * 0.55),
        ),
        fill=color,
    )
    pen.polygon(
        at(
            (x - wide * 0.46, y - tall * 0.55),
            (x + wide * 0.46, y - tall * 0.55),
            (x + wide * 0.34, y - tall),
            (x - wide * 0.34, y - tall),
        ),
        fill=dark,
    )
    pen.polygon(
        at(
            (x - wide * 0.38, y - tall * 0.6),
            (x + wide * 0.38, y - tall * 0.6),
            (x + wide * 0.3, y - tall * 0.93),
            (x - wide * 0.3, y - tall * 0.93),
        ),
        fill=(60, 76, 88),
    )
    for side in (-1, 1):
        pen.polygon(
            at(
                (x + side * wide * 0.46, y),
                (x + side * wide * 0.3, y),
                (x + side * wide * 0.3, y - tall * 0.22),
                (x + side * wide * 0.46, y - tall * 0.22),
            ),
            fill=(24, 24, 26),
        )
        pen.polygon(
            at(
                (x + side * wide * 0.48, y - tall * 0.5),
                (x + side * wide * 0.36, y - tall * 0.5),
                (x + side * wide * 0.36, y - tall * 0.38),
                (x + side * wide * 0.48, y - tall * 0.38),
            ),
            fill=(210, 60, 44),
        )


def person(pen, at, foot, tall, coat, rng) -> None:
    """Standing or walking."""
    x, y = foot
    step = rng.uniform(0.06, 0.12) * tall
    for side in (-1, 1):
        pen.line(at((x + side * step, y), (x, y - tall * 0.48)), fill=(38, 40, 48), width=max(2, int(tall * 0.38)))
    pen.polygon(
        at(
            (x - tall * 0.12, y - tall * 0.42),
            (x + tall * 0.12, y - tall * 0.42),
            (x + tall * 0.1, y - tall * 0.84),
            (x - tall * 0.1, y - tall * 0.84),
        ),
        fill=coat,
    )
    r = tall * 0.08
    pen.ellipse([v for p in at((x - r, y - tall), (x + r, y - tall + 2 * r)) for v in p], fill=(196, 154, 128))


if __name__ == "__main__":
    street().save(OUT, optimize=True)
