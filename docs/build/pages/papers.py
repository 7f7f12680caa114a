"""What docs/papers/MODULE.md says of the paper behind kerasrecipes/recipes/MODULE.py, in named parts.

The parts are `## ` headings: "The idea", "How it is built", "Paper against here" (a table of what no keyword says), "Reasons".
A line of the last, `- keyword: why` or `- keyword (recipe, recipe): why`, says why a keyword differs from the paper's.
"""

import functools
import importlib
import inspect
import re
from typing import Any

from kerasrecipes import registry
from pages.text import DOCS, table, value_of


def module_of(recipe: registry.Recipe) -> str:
    """The name of the recipe's file."""
    return recipe.builder.split(":")[0].rsplit(".", 1)[1]


@functools.cache
def parts(module: str) -> dict[str, str]:
    """Title of each part -> its text; of a paper without a text, its module's docstring as the idea."""
    path = DOCS / "papers" / f"{module}.md"
    if not path.is_file():
        doc = inspect.getdoc(importlib.import_module(f"kerasrecipes.recipes.{module}")) or ""
        return {"The idea": re.sub(r"(?m)^ {4}\S.*\n?", "", doc)}
    _, *rest = re.split(r"(?m)^## (.+)$", path.read_text("utf-8"))
    return {title.strip(): text.strip() for title, text in zip(rest[::2], rest[1::2], strict=True)}


@functools.cache
def reasons(module: str) -> dict[tuple[str, str], str]:
    """(keyword, recipe or "") -> why it differs from the paper."""
    found = {}
    for line in parts(module).get("Reasons", "").splitlines():
        if match := re.match(r"- `(\w+)`(?: \(([^)]+)\))?: (.+)", line):
            keyword, names, why = match.groups()
            found |= {(keyword, name.strip()): why for name in (names or "").split(",")}
    return found


def defaults(recipe: registry.Recipe) -> dict[str, Any]:
    """The builder's own keywords: the paper's net."""
    module, name = recipe.builder.split(":")
    signature = inspect.signature(getattr(importlib.import_module(module), name))
    return {k: p.default for k, p in signature.parameters.items()}


def differences(recipe: registry.Recipe) -> list[tuple[str, Any, Any, str]]:
    """(keyword, in the paper's net, here, why) of all that differ; `why` is empty where nobody wrote it down."""
    known, base = reasons(module_of(recipe)), defaults(recipe)
    return [
        (k, base[k], v, known.get((k, recipe.name), known.get((k, ""), ""))) for k, v in recipe.config.items() if v != base[k]
    ]  # fmt: skip


def against(recipe: registry.Recipe) -> list[str]:
    """The part "paper against here"."""
    found = parts(module_of(recipe))
    lines = ["## Paper against here", ""]
    rows = differences(recipe)
    if rows:
        lines += ["The builder's defaults are the paper's net; this configuration changes:", ""]
        shown = [(f"`{k}`", value_of(a), value_of(b), why or "no reason is written down") for k, a, b, why in rows]
        lines += [*table(["keyword", "paper", "here", "why"], shown), ""]
    else:
        lines += ["The configuration is the builder's own: every size is the paper's.", ""]
    if general := found.get("Paper against here"):
        lines += ["Of all recipes of this paper:", "", general, ""]
    return lines
