"""Elements of Markdown and HTML for all pages."""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2]
ROOT = DOCS.parent


def escape(value: Any) -> str:
    """Escape text for HTML elements and attributes."""
    return html.escape(str(value), quote=True)


def escape_cell(value: Any) -> str:
    """Escape text for a cell of a Markdown table."""
    return str(value).replace("|", "\\|").replace("\n", " ")


def make_table(head: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[int] = ()) -> list[str]:
    """Return the lines of a Markdown table, where the columns `right` are right-aligned."""
    marks = ["---:" if i in right else "---" for i in range(len(head))]
    return [f"| {' | '.join(map(escape_cell, line))} |" for line in (head, marks, *rows)]


def make_shell_block(commands: Iterable[str]) -> list[str]:
    return ["```sh", *commands, "```"]


def make_fold(title: str, lines: Iterable[str], kind: str = "note") -> list[str]:
    """Return a section that opens on a click."""
    return [f'??? {kind} "{title}"', "", *(f"    {line}" if line else "" for line in lines), ""]


def link_paper(paper: str) -> str:
    """Return a Markdown link to a paper."""
    number = re.sub("^arXiv:", "", paper)
    if number != paper:
        return f"[{paper}](https://arxiv.org/abs/{number})"
    return f"[{paper}]({paper})" if paper.startswith("http") else paper


def format_value(value: Any) -> str:
    """Format a configuration value as code."""
    return "none" if value is None or value == () else f"`{value}`" if not isinstance(value, str) else f'`"{value}"`'
