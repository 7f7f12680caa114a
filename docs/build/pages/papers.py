"""Read docs/papers/MODULE.md, the text about the paper of kerasrecipes/recipes/MODULE.py.

Its parts are `## ` headings: "The idea", "How it is built", "Paper against here" (a table of choices that no keyword shows)
and "Reasons". A line of "Reasons" gives the reason why a keyword differs from the paper: `- keyword: reason` or
`- keyword (recipe, recipe): reason`.
"""

import functools
import importlib
import inspect
import re
from typing import Any

from kerasrecipes import registry
from pages.text import DOCS, format_value, make_table


def find_module(recipe: registry.Recipe) -> str:
    """Return the name of the recipe's file."""
    return recipe.builder.split(":")[0].rsplit(".", 1)[1]


@functools.cache
def read_parts(module: str) -> dict[str, str]:
    """Return the parts by title. Without a text, the module's docstring is the idea."""
    path = DOCS / "papers" / f"{module}.md"
    if not path.is_file():
        doc = inspect.getdoc(importlib.import_module(f"kerasrecipes.recipes.{module}")) or ""
        return {"The idea": re.sub(r"(?m)^ {4}\S.*\n?", "", doc)}
    _, *rest = re.split(r"(?m)^## (.+)$", path.read_text("utf-8"))
    return {title.strip(): text.strip() for title, text in zip(rest[::2], rest[1::2], strict=True)}


@functools.cache
def read_reasons(module: str) -> dict[tuple[str, str], str]:
    """Return the reasons for differences from the paper by (keyword, recipe or "")."""
    reasons_by_keyword = {}
    for line in read_parts(module).get("Reasons", "").splitlines():
        if match := re.match(r"- `(\w+)`(?: \(([^)]+)\))?: (.+)", line):
            keyword, names, why = match.groups()
            reasons_by_keyword |= {(keyword, name.strip()): why for name in (names or "").split(",")}
    return reasons_by_keyword


def read_defaults(recipe: registry.Recipe) -> dict[str, Any]:
    """Return the defaults of the builder, which are the paper's."""
    module, name = recipe.builder.split(":")
    signature = inspect.signature(getattr(importlib.import_module(module), name))
    return {k: p.default for k, p in signature.parameters.items()}


def list_differences(recipe: registry.Recipe) -> list[tuple[str, Any, Any, str]]:
    """Return (keyword, paper, here, reason) of each difference. The reason is empty if the text gives none."""
    texts, base = read_reasons(find_module(recipe)), read_defaults(recipe)
    return [
        (k, base[k], v, texts.get((k, recipe.name), texts.get((k, ""), ""))) for k, v in recipe.config.items() if v != base[k]
    ]  # fmt: skip


def make_comparison(recipe: registry.Recipe) -> list[str]:
    """Return the section "Paper against here"."""
    texts = read_parts(find_module(recipe))
    lines = ["## Paper against here", ""]
    rows = list_differences(recipe)
    if rows:
        lines += ["The builder's defaults are those of the paper. This configuration changes:", ""]
        rows = [(f"`{k}`", format_value(a), format_value(b), why or "no reason given") for k, a, b, why in rows]
        lines += [*make_table(["keyword", "paper", "here", "reason"], rows), ""]
    else:
        lines += ["The configuration is the builder's: every size is the paper's.", ""]
    if general := texts.get("Paper against here"):
        lines += ["For all recipes of this paper:", "", general, ""]
    return lines
