"""Small pieces of Markdown and HTML that every page is made of."""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2]
ROOT = DOCS.parent


def escape(value: Any) -> str:
    """Text as it stands between tags and in attributes."""
    return html.escape(str(value), quote=True)


def cell(value: Any) -> str:
    """Text as it stands in a Markdown table."""
    return str(value).replace("|", "\\|").replace("\n", " ")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[int] = ()) -> list[str]:
    """A Markdown table, the columns `right` set to the right."""
    marks = ["---:" if i in right else "---" for i in range(len(head))]
    return [f"| {' | '.join(map(cell, line))} |" for line in (head, marks, *rows)]


def shell(commands: Iterable[str]) -> list[str]:
    return ["```sh", *commands, "```"]


def fold(title: str, lines: Iterable[str], kind: str = "note") -> list[str]:
    """A part that opens on a click."""
    return [f'??? {kind} "{title}"', "", *(f"    {line}" if line else "" for line in lines), ""]


def paper_link(paper: str) -> str:
    """A paper's identifier as a link."""
    number = re.sub("^arXiv:", "", paper)
    if number != paper:
        return f"[{paper}](https://arxiv.org/abs/{number})"
    return f"[{paper}]({paper})" if paper.startswith("http") else paper


def value_of(value: Any) -> str:
    """A configuration's value as code, without the brackets that only Python needs."""
    return "none" if value is None or value == () else f"`{value}`" if not isinstance(value, str) else f'`"{value}"`'
