"""What mkdocs asks while it builds: the pages that exist in the menu, the table of recipes on the home page."""

import importlib
import re
from pathlib import Path
from typing import Any

from mkdocs.config.config_options import ExtraScriptValue

DOCS = Path(__file__).parents[1]
TABLE, LIVE, SPEAK = "<!-- all recipes -->", "<!-- live -->", "<!-- live: speak -->"
ENTRIES = re.compile(r"<!-- entries: (?P<module>[\w.]+):(?P<name>\w+) -->")  # a table of names and help texts
DEMOS = ("speak", "digit", "train", "look", "segment", "wavenet")  # in the menu's order, as far as they are there


def title_of(path: Path) -> str:
    """A page's first heading."""
    return next((line[2:].strip() for line in path.read_text("utf-8").splitlines() if line.startswith("# ")), path.stem)


def demos() -> list[Path]:
    """The pages of demos that are there."""
    found = {p.stem: p for p in sorted((DOCS / "live").glob("*.md"))}
    return [found.pop(n) for n in DEMOS if n in found] + list(found.values())


def recipes() -> list[Any]:
    """The recipes' pages, under their papers."""
    from kerasrecipes import registry

    papers: dict[str, list] = {}
    for name, recipe in registry.all_recipes().items():
        module = recipe.builder.split(":")[0].rsplit(".", 1)[1]
        text = DOCS / "papers" / f"{module}.md"
        papers.setdefault(title_of(text) if text.is_file() else module, []).append({name: f"recipes/{name}.md"})
    return ["recipes/index.md", *({title: pages} for title, pages in papers.items())]


def on_config(config: Any) -> Any:
    """Fill the menu's sections that depend on what is there."""
    nav = []
    for entry in config["nav"]:
        if "Recipes" in entry:
            entry = {"Recipes": recipes()}
        elif "Live" in entry:
            entry = {"Live": [{title_of(p): f"live/{p.name}"} for p in demos()]}
            if not entry["Live"]:
                continue
        nav.append(entry)
    config["nav"] = nav
    if (DOCS / "live" / "live.css").is_file() and "live/live.css" not in config["extra_css"]:
        config["extra_css"].append("live/live.css")
    if (DOCS / "live" / "start.js").is_file() and "live/start.js" not in map(str, config["extra_javascript"]):
        script = ExtraScriptValue("live/start.js")
        script.type = "module"
        config["extra_javascript"].append(script)
    return config


def entries_table(match: re.Match[str]) -> str:
    """Return the names and help texts of a table in the package as Markdown."""
    entries = getattr(importlib.import_module(match["module"]), match["name"])
    forms = {name: entry.form(name) if hasattr(entry, "form") else name for name, entry in entries.items()}
    rows = [f"| `{forms[name]}` | {entry.help} |" for name, entry in entries.items()]
    return "\n".join(["| name | |", "| --- | --- |", *rows])


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the table and the demos into the home page."""
    if TABLE in markdown:
        markdown = markdown.replace(TABLE, (DOCS / "recipes" / ".table.html").read_text("utf-8"))
    if SPEAK in markdown:  # the recognizer's own starting point, as its page has it
        text = next((p.read_text("utf-8") for p in demos() if p.stem == "speak"), "")
        found = re.search(r'<div class="live" data-demo="speak".*?</div>', text, re.DOTALL)
        markdown = markdown.replace(SPEAK, found.group() if found else "")
    markdown = ENTRIES.sub(entries_table, markdown)
    if LIVE in markdown:
        cards = [f"- [**{title_of(p)}**](live/{p.name})" for p in demos()]
        markdown = markdown.replace(LIVE, "\n".join(cards))
    return markdown
