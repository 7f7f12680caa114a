"""Page of one recipe."""

from kerasrecipes import registry
from kerasrecipes.hub import manifest
from pages import architecture, cached_figures, networks, papers, unit_sheets, usage, weights
from pages.text import DOCS, format_value, link_paper, make_table

LIVE = {"deepspeech2_streaming_small": "speak", "deepspeech2_small": "speak", "wav2letter_small": "speak", "convnetjs_mnist": "digit",
        "convnetjs_cifar10": "digit", "squeezenet": "look", "dilated_camvid_small": "segment", "wavenet_small": "wavenet"}  # fmt: skip


def make_page(name: str) -> str:
    """Return the page as Markdown."""
    recipe, row = registry.get_recipe(name), manifest.entries().get(name)
    model = networks.build_skeleton(name)
    lines = [
        "---",
        f"description: {recipe.summary!r}",
        "---",
        "",
        f"# {name}",
        "",
        f"<p class=summary>{recipe.summary}</p>",
        "",
    ]
    lines += [f"*{recipe.title}* ({link_paper(recipe.paper)})", "", *make_badges(recipe, row), ""]
    lines += link_live_page(name)
    texts = papers.read_parts(papers.find_module(recipe))
    for title in ("The idea", "How it is built"):
        if title in texts:
            lines += [f"## {title}", "", texts[title], ""]
    lines += architecture.make_section(recipe, model)
    lines += papers.make_comparison(recipe)
    lines += usage.make_section(recipe, row is not None)
    lines += weights.make_section(name, row)
    lines += cached_figures.make_learned_section(name, row)
    lines += unit_sheets.make_section(name, row)
    lines += cached_figures.make_errors_section(name, row)
    lines += ["## Configuration", "", f"`{recipe.builder}` with", ""]
    lines += make_table(["keyword", "value"], [(f"`{k}`", format_value(v)) for k, v in recipe.config.items()])
    lines += ["", "## API", "", f"::: {recipe.builder.replace(':', '.')}", ""]
    return "\n".join(lines)


def make_badges(recipe: registry.Recipe, row: manifest.WeightsEntry | None) -> list[str]:
    """Return the facts at the top of the page."""
    rows = [("task", recipe.task), *networks.collect_facts(recipe.name).items()]
    rows.append(("weights", f"{row.size / 1e6:.1f} MB" if row else "none released"))
    cells = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in rows)
    return [f'<dl class="facts">{cells}</dl>']


def link_live_page(name: str) -> list[str]:
    """Return a link to the live page that runs the recipe."""
    if not (demo := LIVE.get(name)):
        return []
    if not (DOCS / "live" / f"{demo}.md").is_file():
        raise FileNotFoundError(f"{name} runs in the live page {demo}, but docs/live/{demo}.md does not exist")
    return [f"[Try it here, in your browser](../live/{demo}.md){{ .md-button .md-button--primary }}", ""]
