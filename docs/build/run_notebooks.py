"""Run the notebooks in examples/notebooks, and write them with their outputs as pages of the site.

    python docs/build/run_notebooks.py [NAME ...]

The pages are docs/recipes/notebooks/NAME.md. docs/build/generate.py empties docs/recipes, so run it before.
"""

import argparse
import html
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from notebook_menu import NOTEBOOKS as ORDER

ROOT = Path(__file__).parents[2]
NOTEBOOKS, OUT = ROOT / "examples" / "notebooks", ROOT / "docs" / "recipes" / "notebooks"
SECONDS = 170  # for one notebook; all five are to take three minutes
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def run_notebook(path: Path) -> nbformat.NotebookNode:
    """Return an executed notebook. An error in a cell is raised."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    return notebook


def to_markdown(notebook: nbformat.NotebookNode, name: str) -> str:
    """Return a page: text, code, and what each cell has printed and shown."""
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts += [f"```python\n{cell.source}\n```", *filter(None, map(show_output, cell.outputs))]
    title, *rest = parts
    note = f"This page is `examples/notebooks/{name}.ipynb` with its outputs."
    heading, _, text = title.partition("\n")
    return "\n\n".join([heading, note, text.strip(), *rest]) + "\n"


def show_output(output: nbformat.NotebookNode) -> str:
    """Return an output of a cell as Markdown. What was written to standard error is left out."""
    if output.output_type == "stream":
        return show_text(output.text) if output.name == "stdout" else ""
    data = output.get("data", {})
    if "text/html" in data:  # on one line, because Markdown ends a block of HTML at an empty line
        return f'<div class="output">{" ".join(data["text/html"].split(chr(10)))}</div>'
    if "image/png" in data:
        return f'<div class="output"><img alt="" src="data:image/png;base64,{data["image/png"].strip()}"></div>'
    return show_text(data.get("text/plain", ""))


def show_text(text: str) -> str:
    """Return plain text as a block."""
    text = ANSI.sub("", text).rstrip()
    return f'<pre class="output">{html.escape(text).replace(chr(10) * 2, chr(10) + " " + chr(10))}</pre>' if text else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only these notebooks")
    OUT.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().names or ORDER:
        page = to_markdown(run_notebook(NOTEBOOKS / f"{name}.ipynb"), name)
        (OUT / f"{name}.md").write_text(page, "utf-8")
        print(f"{OUT / name}.md")


if __name__ == "__main__":
    main()
