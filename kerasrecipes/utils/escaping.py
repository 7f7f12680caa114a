"""Text from outside on its way to a terminal, into a table or a page, and the HTML of results in notebooks."""

import base64
import html
import re
from collections.abc import Iterable
from typing import Any

# C0, DEL and C1 controls, and characters that change the direction of text or begin a line
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

# attributes of a player and of its words: the word at the player's time gets a background, and a click on a word goes to its time
HIGHLIGHT = (
    "ontimeupdate=\"for(const w of this.parentNode.querySelectorAll('[data-start]'))"
    "w.style.background=this.currentTime>=w.dataset.start&amp;&amp;this.currentTime&lt;w.dataset.end?'#ffb74d':''\""
)
SEEK = (
    "onclick=\"const w=event.target.dataset,a=this.parentNode.querySelector('audio');"
    'if(w.start&amp;&amp;a){a.currentTime=w.start;a.play()}"'
)


def escape_controls(text: Any, keep: str = "") -> str:
    r"""Return a text in which control characters are escapes such as \u001b, which JSON reads as well.

    File names, labels and answers of a server could otherwise move the cursor, hide text, or split the rows of a table.

    Args:
        text: Text, or an object with `str()`.
        keep: Control characters that stay, for instance a newline.
    """
    return CONTROLS.sub(lambda match: match[0] if match[0] in keep else f"\\u{ord(match[0]):04x}", str(text))


def escape_html(text: Any) -> str:
    """Return a text as it stands in HTML, also in a quoted attribute: a `<script>` in a transcript or a file name stays text."""
    return html.escape(escape_controls(text, keep="\n"), quote=True)


def embed_image(png: bytes, description: str = "") -> str:
    """Return an `<img>` that holds a PNG file."""
    data = base64.b64encode(png).decode()
    return f'<img style="max-width:100%" alt="{escape_html(description)}" src="data:image/png;base64,{data}">'


def embed_audio(content: bytes, kind: str, attributes: str = "") -> str:
    """Return an `<audio>` player that holds a file.

    Args:
        content: The file.
        kind: "wav" or "mpeg".
        attributes: More attributes of the element. They are not escaped.
    """
    return f'<audio controls {attributes} src="data:audio/{kind};base64,{base64.b64encode(content).decode()}"></audio>'


def bar_table(rows: Iterable[tuple[str, float, str]]) -> str:
    """Return a table of names and shares with bars.

    Args:
        rows: (name, share from 0 to 1, CSS color) of each row.
    """
    cells = (
        f'<tr><td style="text-align:left">{escape_html(name)}</td><td style="text-align:right">{100 * share:.1f} %</td>'
        f'<td style="text-align:left;min-width:8em"><div style="height:0.8em;width:{8 * share:.2f}em;background:{color}"></div></td></tr>'
        for name, share, color in rows
    )
    return f"<table>{''.join(cells)}</table>"


def timed_words(player: str, words: Iterable[tuple[str, float, float, float, bool]]) -> str:
    """Return words that light up in the time of a player, which may be empty.

    Args:
        player: HTML of an `<audio>` with the attribute `HIGHLIGHT`.
        words: (text, start in seconds, end, confidence, whether to underline it) of each word.
    """
    spans = (
        f'<span data-start="{start:.3f}" data-end="{end:.3f}" title="{start:.2f} to {end:.2f} s, {100 * confidence:.0f} %"'
        f'{" style=text-decoration:underline" if underlined else ""}>{escape_html(text)}</span>'
        for text, start, end, confidence, underlined in words
    )
    return f'<div>{player}<p style="font-size:110%;cursor:pointer" {SEEK}>{" ".join(spans)}</p></div>'


class InheritedRepr:
    """Gives subclasses the `__repr__` of their parent, where a dataclass would print all fields."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]


class TextResult(InheritedRepr):
    """A result whose `str()` is a table or a list of lines. Notebooks show it, and `repr()` is its first line."""

    def __repr__(self) -> str:
        first, *more = str(self).splitlines() or [""]
        return f"{type(self).__name__}({' '.join(first.split())[:80]}{f', and {len(more)} more lines' if more else ''})"

    def _repr_html_(self) -> str:
        return f'<pre style="max-height:30em;overflow:auto">{escape_html(self)}</pre>'
