"""Hooks of mkdocs: the sections of the menu that depend on existing pages, the tables of the home page, and how to install."""

import importlib
import re
from pathlib import Path
from typing import Any

from install import fill_commands
from mkdocs.config.config_options import ExtraScriptValue
from pages.recipe_tables import make_recipe_tables

DOCS = Path(__file__).parents[1]
TABLE, LIVE, SPEAK = "<!-- all recipes -->", "<!-- live -->", "<!-- live: speak -->"
ENTRIES = re.compile(r"<!-- entries: (?P<module>[\w.]+):(?P<name>\w+) -->")  # a table of names and help texts
DEMOS = (
    "speak",
    "teach",
    "digit",
    "train",
    "points",
    "fit",
    "autoencoder",
    "race",
    "look",
    "segment",
    "wavenet",
    "convolution",
    "receptive",
    "gru",
)  # order in the menu; pages that do not exist are left out


def read_title(path: Path) -> str:
    """Return the first heading of a page."""
    return next((line[2:].strip() for line in path.read_text("utf-8").splitlines() if line.startswith("# ")), path.stem)


def list_demos() -> list[Path]:
    """Return the pages of the existing demos."""
    pages = {p.stem: p for p in sorted((DOCS / "live").glob("*.md")) if p.stem != "index"}
    return [pages.pop(n) for n in DEMOS if n in pages] + list(pages.values())


def list_recipe_pages() -> list[Any]:
    """Return the pages of the recipes, grouped by paper."""
    from kerasrecipes import registry

    papers: dict[str, list] = {}
    for name, recipe in registry.all_recipes().items():
        module = recipe.builder.split(":")[0].rsplit(".", 1)[1]
        text = DOCS / "papers" / f"{module}.md"
        papers.setdefault(read_title(text) if text.is_file() else module, []).append({name: f"recipes/{name}.md"})
    return ["recipes/index.md", *({title: pages} for title, pages in papers.items())]


def on_config(config: Any) -> Any:
    """Fill the sections of the menu that depend on existing pages."""
    nav = []
    for entry in config["nav"]:
        if "Recipes" in entry:
            entry = {"Recipes": list_recipe_pages()}
        elif "Live" in entry:
            entry = {"Live": ["live/index.md", *({read_title(p): f"live/{p.name}"} for p in list_demos())]}
        nav.append(entry)
    config["nav"] = nav
    if (DOCS / "live" / "live.css").is_file() and "live/live.css" not in config["extra_css"]:
        config["extra_css"].append("live/live.css")
    if (DOCS / "live" / "start.js").is_file() and "live/start.js" not in map(str, config["extra_javascript"]):
        script = ExtraScriptValue("live/start.js")
        script.type = "module"
        config["extra_javascript"].append(script)
    return config


def format_entries(match: re.Match[str]) -> str:
    """Return the names and help texts of a table in the package as Markdown."""
    entries = getattr(importlib.import_module(match["module"]), match["name"])
    forms = {name: entry.form(name) if hasattr(entry, "form") else name for name, entry in entries.items()}
    rows = [f"| `{forms[name]}` | {entry.help} |" for name, entry in entries.items()]
    return "\n".join(["| name | |", "| --- | --- |", *rows])


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Insert the tables, the demos and the commands that install the package."""
    markdown = fill_commands(markdown)
    if TABLE in markdown:
        markdown = markdown.replace(TABLE, make_recipe_tables("recipes/"))
    if SPEAK in markdown:  # the same start button as on the page of the demo
        text = next((p.read_text("utf-8") for p in list_demos() if p.stem == "speak"), "")
        match = re.search(r'<div class="live" data-demo="speak".*?</div>', text, re.DOTALL)
        markdown = markdown.replace(SPEAK, match.group() if match else "")
    markdown = ENTRIES.sub(format_entries, markdown)
    if LIVE in markdown:
        cards = [f"- [**{read_title(p)}**](live/{p.name})" for p in list_demos()]
        markdown = markdown.replace(LIVE, "\n".join(cards))
    return markdown
