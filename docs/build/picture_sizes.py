"""Hook of mkdocs: the size of each picture, so that text stays where it is while pictures load, and a mark for wide ones."""

import posixpath
import re
from pathlib import Path
from typing import Any

from PIL import Image

DOCS = Path(__file__).parents[1]
IMAGE = re.compile(r'<img (?P<attributes>[^>]*?\bsrc="(?P<source>[^":]+\.(?:png|jpg))"[^>]*?)\s*/?>')
WIDE = 700  # pixels: site.css lets wider pictures scroll on a phone, where their text would be too small


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Write sizes and marks into the pictures of a page."""
    return IMAGE.sub(lambda match: describe_picture(match, page.url), html)


def describe_picture(match: re.Match[str], url: str) -> str:
    """Return the element of a picture with its width, its height, and the class "wide" where it is wide."""
    path, attributes = DOCS / posixpath.normpath(posixpath.join(url, match["source"])), match["attributes"]
    if not path.is_file():
        return match.group()
    with Image.open(path) as image:
        width, height = image.size
    if "width=" not in attributes:
        attributes += f' width="{width}" height="{height}"'
    if width > WIDE:
        before, has_class, after = attributes.partition('class="')
        attributes = f'{before}class="wide {after}' if has_class else f'{attributes} class="wide"'
    return f"<img {attributes}>"
