"""Render the street of the page Segment a street and of `kerasrecipes demo`, which needs no license.

    python docs/build/render_street.py

Its light is that of CamVid, on which `dilated_camvid_small` was trained: an overcast sky, dark trees, no visible grain.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

OUT = Path(__file__).parents[1] / "live" / "samples" / "street.png"
ASSET = Path(__file__).parents[2] / "kerasrecipes" / "assets" / "street.jpg"
CLASSES = Path(__file__).parents[1] / "live" / "street_classes.jpg"
WIDTH, HEIGHT, SCALE = 240, 180, 4  # rendered at SCALE times the size, then reduced
HORIZON, VANISH = 82, 128  # row and column of the vanishing point


def render_street(seed: int = 4) -> Image.Image:
    """Render sky, buildings, trees, poles, a sign, sidewalks, a fence, cars, two people and a cyclist, 240 x 180."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE))
    pen = ImageDraw.Draw(image)

    def scale(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * SCALE, y * SCALE) for x, y in points]

    def draw_polygon(color: tuple, *points: tuple[float, float]) -> None:
        pen.polygon(scale(*points), fill=color)

    def approach(x: float, y: float, share: float) -> tuple[float, float]:
        """Return a point on the line to the vanishing point."""
        return x + (VANISH - x) * share, y + (HORIZON - y) * share

    def scale_color(color: tuple, factor: float) -> tuple:
        return tuple(int(min(255, max(0, c * factor))) for c in color)

    for y in range(HORIZON * SCALE):  # sky, brighter towards the horizon
        share = y / (HORIZON * SCALE)
        pen.line(
            [(0, y), (WIDTH * SCALE, y)], fill=(int(225 + 20 * share), int(232 + 15 * share), int(240 + 8 * share))
        )
    draw_polygon((88, 88, 92), (0, HEIGHT), (WIDTH, HEIGHT), (WIDTH, HORIZON), (0, HORIZON))  # road
    left = [((-40, 130), (112, 106, 100)), ((-40, 130), (126, 84, 68)), ((-40, 130), (168, 152, 128))]
    ends = [0.0, 0.45, 0.68, 0.84]
    for (_, color), begin, end in zip(left, ends, ends[1:], strict=False):
        draw_house(
            pen,
            scale,
            color,
            approach(-20, 128, begin),
            approach(-20, 128, end),
            approach(-20, -46, begin),
            approach(-20, -46, end),
            rng,
        )
    right = [(150, 120, 96), (92, 96, 106), (176, 168, 158)]
    for color, begin, end in zip(right, ends, ends[1:], strict=False):
        draw_house(
            pen,
            scale,
            color,
            approach(268, 124, begin),
            approach(268, 124, end),
            approach(268, -24, begin),
            approach(268, -24, end),
            rng,
        )
    sidewalk = (136, 120, 112)
    draw_polygon(sidewalk, (0, 168), (0, 122), approach(-20, 128, 0.84), approach(30, 180, 0.86))
    draw_polygon(sidewalk, (WIDTH, 164), (WIDTH, 120), approach(268, 124, 0.84), approach(222, 180, 0.86))
    draw_polygon((196, 192, 186), (0, 168), (0, 171), approach(30, 180, 0.86))
    for begin in (0.02, 0.34, 0.55, 0.7, 0.8):  # the dashes of the middle line
        end = begin + 0.16 * (1 - begin)
        draw_polygon(
            (224, 224, 214),
            approach(118, 180, begin),
            approach(123, 180, begin),
            approach(123, 180, end),
            approach(118, 180, end),
        )
    for x, y, size in ((204, 62, 26), (186, 70, 15), (222, 48, 30), (64, 66, 14)):  # trees
        draw_polygon(
            (74, 58, 44),
            (x - size * 0.06, y + size),
            (x + size * 0.06, y + size),
            (x + size * 0.05, y),
            (x - size * 0.05, y),
        )
        for _ in range(60):
            dx, dy = rng.normal(0, size * 0.34, 2)
            r = size * rng.uniform(0.08, 0.2)
            green = scale_color((36, 54, 28), rng.uniform(0.6, 1.35))
            pen.ellipse([v * SCALE for v in (x + dx - r, y + dy * 0.8 - r, x + dx + r, y + dy * 0.8 + r)], fill=green)
    for x, foot, head in ((52, 138, 30), (176, 112, 52), (88, 108, 56)):  # lamp posts
        draw_polygon((70, 72, 74), (x - 0.9, foot), (x + 0.9, foot), (x + 0.6, head), (x - 0.6, head))
        draw_polygon((70, 72, 74), (x, head), (x + 8, head - 1), (x + 8, head + 0.4), (x, head + 1.6))
    draw_polygon((178, 40, 38), (171, 58), (181, 58), (181, 68), (171, 68))  # a sign on the second post
    draw_polygon((236, 236, 236), (172.4, 61.8), (179.6, 61.8), (179.6, 64.4), (172.4, 64.4))
    for k in range(14):  # a fence along the left sidewalk
        x, y = approach(14, 134, k / 17)
        height = 15 * (1 - k / 17)
        pen.line(scale((x, y), (x, y - height)), fill=(96, 90, 84), width=max(1, int(3 * (1 - k / 17))))
    for share in (0.0, 0.5):
        pen.line(
            scale((14, 134 - 15 * (1 - share)), approach(14, 134 - 15 * (1 - share), 14 / 17)), fill=(96, 90, 84), width=2
        )
    draw_car(pen, scale, (160, 116), 34, (158, 30, 34))
    draw_car(pen, scale, (140, 96), 15, (216, 218, 222))
    draw_car(pen, scale, (98, 98), 17, (40, 62, 104))
    draw_person(pen, scale, (34, 142), 40, (60, 66, 92), rng)
    draw_person(pen, scale, (212, 134), 34, (138, 74, 60), rng)
    pen.ellipse([v * SCALE for v in (76, 116, 85, 125)], outline=(30, 30, 32), width=4)  # a bicycle and its rider
    pen.ellipse([v * SCALE for v in (84, 116, 93, 125)], outline=(30, 30, 32), width=4)
    draw_person(pen, scale, (84, 121), 26, (196, 150, 40), rng)
    small = image.filter(ImageFilter.GaussianBlur(1.2)).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    grain = rng.normal(0, 1, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(np.asarray(small, "float32") + grain, 0, 255).astype("uint8"))


def show_classes(street: Image.Image) -> Image.Image:
    """Return the image at twice its size, with the classes of `dilated_camvid_small` over its right half."""
    import kerasrecipes as kr

    size = (2 * WIDTH, 2 * HEIGHT)
    result = kr.load("dilated_camvid_small", engine="auto").segment(np.asarray(street))
    halves = street.resize(size, Image.Resampling.LANCZOS)
    colored = Image.fromarray(np.asarray(result.overlay(np.asarray(street)))).resize(size, Image.Resampling.LANCZOS)
    halves.paste(colored.crop((WIDTH, 0, *size)), (WIDTH, 0))
    return halves


def draw_house(pen, scale, color, near, far, high, high_far, rng) -> None:
    """Draw a front between two points on the ground, with windows in perspective."""
    pen.polygon(scale(near, far, high_far, high), fill=color)
    for row in np.arange(0.12, 0.86, 0.17):
        for column in np.arange(0.08, 0.92, 0.21):
            corners = []
            for dr, dc in ((0, 0), (0, 0.12), (0.1, 0.12), (0.1, 0)):
                c, r = column + dc, row + dr
                foot = np.array(near) + (np.array(far) - near) * c
                top = np.array(high) + (np.array(high_far) - high) * c
                corners.append(tuple(top + (foot - top) * r))
            pen.polygon(scale(*corners), fill=tuple(int(v) for v in np.array((58, 66, 78)) * rng.uniform(0.7, 1.6)))


def draw_car(pen, scale, foot, width, color) -> None:
    """Draw a car from behind. `foot` is the center of its lower edge."""
    x, y = foot
    height = width * 0.68
    dark = tuple(int(c * 0.6) for c in color)
    pen.polygon(
        scale(
            (x - width / 2, y - 2),
            (x + width / 2, y - 2),
            (x + width / 2, y - height * 0.55),
            (x - width / 2, y - height * 0.55),
        ),
        fill=color,
    )
    pen.polygon(
        scale(
            (x - width * 0.46, y - height * 0.55),
            (x + width * 0.46, y - height * 0.55),
            (x + width * 0.34, y - height),
            (x - width * 0.34, y - height),
        ),
        fill=dark,
    )
    pen.polygon(
        scale(
            (x - width * 0.38, y - height * 0.6),
            (x + width * 0.38, y - height * 0.6),
            (x + width * 0.3, y - height * 0.93),
            (x - width * 0.3, y - height * 0.93),
        ),
        fill=(60, 76, 88),
    )
    for side in (-1, 1):
        pen.polygon(
            scale(
                (x + side * width * 0.46, y),
                (x + side * width * 0.3, y),
                (x + side * width * 0.3, y - height * 0.22),
                (x + side * width * 0.46, y - height * 0.22),
            ),
            fill=(24, 24, 26),
        )
        pen.polygon(
            scale(
                (x + side * width * 0.48, y - height * 0.5),
                (x + side * width * 0.36, y - height * 0.5),
                (x + side * width * 0.36, y - height * 0.38),
                (x + side * width * 0.48, y - height * 0.38),
            ),
            fill=(210, 60, 44),
        )


def draw_person(pen, scale, foot, height, coat, rng) -> None:
    """Draw a person who stands or walks."""
    x, y = foot
    step = rng.uniform(0.06, 0.12) * height
    for side in (-1, 1):
        pen.line(scale((x + side * step, y), (x, y - height * 0.48)), fill=(38, 40, 48), width=max(2, int(height * 0.38)))
    pen.polygon(
        scale(
            (x - height * 0.12, y - height * 0.42),
            (x + height * 0.12, y - height * 0.42),
            (x + height * 0.1, y - height * 0.84),
            (x - height * 0.1, y - height * 0.84),
        ),
        fill=coat,
    )
    r = height * 0.08
    pen.ellipse([v for p in scale((x - r, y - height), (x + r, y - height + 2 * r)) for v in p], fill=(196, 154, 128))


if __name__ == "__main__":
    street = render_street()
    street.save(OUT, optimize=True)
    street.save(ASSET, quality=90)
    show_classes(street).save(CLASSES, quality=80)
