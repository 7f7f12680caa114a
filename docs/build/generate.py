"""Write the site's pages from the registry, the manifest and the papers' texts. Run it before `mkdocs build`.

    python docs/build/generate.py [NAME ...]

Without names it writes docs/recipes/ and the tables of the README. With names it writes only the pages of these recipes.
"""

import argparse
import shutil
from pathlib import Path

from pages import cached_figures, others, overview, recipe, recipe_tables, speed

from kerasrecipes.hub import catalog

OUT = Path(__file__).parents[1] / "recipes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only these recipes' pages")
    selected = parser.parse_args().names
    names = selected or catalog.list_recipes()
    if not selected:
        shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(exist_ok=True)
    for name in names:
        (OUT / f"{name}.md").write_text(recipe.make_page(name), "utf-8")
    if selected:
        return
    cached_figures.copy_clips()
    pages = {
        "index": "\n".join(["---", "hide: [toc]", "---", "", "# Recipes", "", recipe_tables.make_recipe_tables("", True), ""]),
        "convolutions": others.make_convolution_page(), "benchmarks": others.make_benchmark_page(), "studies": others.make_study_page(),
        "speed": speed.make_speed_page(),
        "language_models": others.make_language_model_page(), "licenses": others.make_license_page(),
    }  # fmt: skip
    for name, text in pages.items():
        (OUT / f"{name}.md").write_text(text, "utf-8")
    overview.README.write_text(overview.fill_readme(overview.README.read_text("utf-8")), "utf-8")
    print(f"{len(names)} recipes' pages in {OUT}")


if __name__ == "__main__":
    main()
