"""Hook of mkdocs: the notebooks in the menu, where run_notebooks.py has written their pages."""

from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
NOTEBOOKS = ("first_transcription", "own_words", "look_inside", "dilation", "build_recipe")  # order in the menu


def on_config(config: Any) -> Any:
    """Fill the section of the menu, or remove it if there are no pages."""
    pages = [f"recipes/notebooks/{name}.md" for name in NOTEBOOKS]
    existing = [page for page in pages if (DOCS / page).is_file()]
    sections = [{"Notebooks": existing} if "Notebooks" in entry else entry for entry in config["nav"]]
    config["nav"] = [entry for entry in sections if entry != {"Notebooks": []}]
    return config
