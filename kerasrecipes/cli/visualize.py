"""`kerasrecipes visualize` and `kerasrecipes report`."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.experiments import image_experiments

SALIENCY_METHODS = ("deconv", "guided", "gradient")
METHODS_NEEDING_INPUT = (*SALIENCY_METHODS, "activations", "occlusion", "letters")
METHODS_NEEDING_UNIT = (*SALIENCY_METHODS, "maximize", "receptive-field")
METHODS = (
    *METHODS_NEEDING_INPUT,
    "maximize",
    "filters",
    "receptive-field",
    "table",
    "graph",
    *image_experiments.DEFAULT_SAMPLE_SIZES,
)
UNIT_RANGE_PATTERN = re.compile(r"^(?P<layer>[^:@]+):(?P<first>\d+)-(?P<last>\d+)(?P<place>@.*)?$")


def expand_units(words: Sequence[str]) -> list[str]:
    """Units from words like "conv3:17", "conv3:0-15", "conv1:0,conv1:3@2,2"; commas separate where a new layer's name follows."""
    found = []
    for word in words:
        for part in re.split(r",(?=[^,@]*:)", word):
            match = UNIT_RANGE_PATTERN.match(part.strip())
            if match:
                numbers = range(int(match["first"]), int(match["last"]) + 1)
                found += [f"{match['layer']}:{n}{match['place'] or ''}" for n in numbers]
            elif part.strip():
                found.append(part.strip())
    return found


def run_visualize(o: argparse.Namespace) -> None:
    """Draw what was asked for into the folder, and print the files' names."""
    if o.method in image_experiments.DEFAULT_SAMPLE_SIZES:
        return image_experiments.run_image_experiment(o)
    from kerasrecipes import loading, visualize
    from kerasrecipes.graph.receptive_field import parse_size
    from kerasrecipes.visualize.frequency_response import has_waveform_filters

    units = expand_units(o.unit)
    if o.method in METHODS_NEEDING_INPUT and o.picture is None:
        what = "recording" if o.method == "letters" else "picture"
        raise KerasRecipesError(f"--method {o.method} looks at a {what}: kerasrecipes visualize {o.name} FILE ...")
    if o.method in METHODS_NEEDING_UNIT and not units:
        raise KerasRecipesError(
            f'--method {o.method} is about units: --unit "LAYER:NUMBER"; --method table names the layers'
        )
    model = loading.load(o.name, compile=False, **({"weights": None} if o.random else {}))
    size = parse_size(model, o.input) if o.input else None
    stem = f"{image_experiments.output_prefix(model, o)}_" + (f"{Path(o.picture).stem}_" if o.picture else "")

    def written(result: Any, name: str) -> None:
        print(result.save(o.out / f"{stem}{name}.{o.format}"))

    if o.method == "letters":
        written(visualize.symbol_posteriors(model, o.picture), "letters")
    elif o.method in SALIENCY_METHODS and hasattr(model, "transcribe"):
        for unit in units:
            result = visualize.compute_audio_saliency(model, o.picture, unit, o.method)
            written(result, f"{result.unit.stem}_{o.method}")
    elif o.method in SALIENCY_METHODS:
        for unit in units:
            result = visualize.compute_saliency(model, o.picture, unit, o.method)
            name = f"{stem}{result.unit.stem}_{o.method}" + ("" if o.filter == "raw" else f"_{o.filter}")
            print(result.save(o.out / f"{name}.{o.format}", filter=o.filter))
    elif o.method == "receptive-field":
        for unit in units:
            result = visualize.receptive_field(model, unit, picture=o.picture, size=size)
            print(result)
            written(result, f"{result.unit.stem}_receptive_field")
    elif o.method == "maximize":
        maximize(model, units, o)
    elif o.method == "activations":
        written(visualize.activation_maps(model, o.picture, o.layer or None), "activations")
    elif o.method == "occlusion":
        written(visualize.compute_occlusion(model, o.picture, o.target, size=o.size, stride=o.stride), "occlusion")
    elif o.method == "filters":
        heard = not o.layer and has_waveform_filters(model)
        sheet = visualize.filter_responses(model) if heard else visualize.show_filters(model, *o.layer[:1])
        written(sheet, "filters")
    elif o.method == "table":
        result = visualize.layer_table(model, size)
        print(result)
        written(result, "table")
    else:
        written(visualize.draw_graph(model, size), "graph")


def maximize(model: Any, units: list[str], o: argparse.Namespace) -> None:
    from kerasrecipes import visualize

    changes = {name: v for name in ("steps", "rate", "max_rate", "gain") if (v := getattr(o, name)) is not None}
    paths = visualize.synthesize_to_folder(
        model, units, o.out, o.preset, starts=o.starts, seed=o.seed, whole=o.whole, suffix=f".{o.format}",
        prefix=f"{image_experiments.output_prefix(model, o)}_", progress=progress_printer(len(units)), **changes
    )  # fmt: skip
    print("\n".join(map(str, paths)))


def progress_printer(total: int) -> Callable[[str], None] | None:
    """Says how far a long command is, on a terminal."""
    return (lambda name: print(f"\r{name}", end="", file=sys.stderr)) if sys.stderr.isatty() and total > 1 else None


def run_report(o: argparse.Namespace) -> None:
    from kerasrecipes import loading
    from kerasrecipes.visualize.html_report import write_report

    model = loading.load(o.name, compile=False)
    print(
        write_report(
            model, expand_units(o.units), o.out, o.images, preset=o.preset, starts=o.starts, steps=o.steps,
            method=o.method, progress=lambda text: print(text, file=sys.stderr),
        )
    )  # fmt: skip


def add_commands(verb: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Put both verbs on the command line."""
    p = verb("visualize", run_visualize, "look into a network: what a unit sees, wants and reacts to")
    p.add_argument("name", help="a recipe, a .keras file or a training's folder")
    p.add_argument(
        "picture", nargs="?", help="a picture, or for recognisers of speech a recording, where the method looks at one"
    )
    p.add_argument(
        "--unit", action="append", default=[], metavar="LAYER:NUMBER",
        help='"fire5:17", at a place "fire5:17@9,7", a class "scores:tabby", many "fire5:0-15"; repeatable',
    )  # fmt: skip
    p.add_argument("--method", choices=METHODS, default="deconv")
    p.add_argument("--layer", action="append", default=[], help="of activations, filters and sets; repeatable")
    p.add_argument("--out", type=Path, default=Path("visualize"), help="folder of the pictures")
    p.add_argument(
        "--filter", choices=("raw", "grey", "norm", "normblur"), default="raw", help="how projections are drawn"
    )
    p.add_argument("--target", help="occlusion: name or number of the class")
    p.add_argument("--format", choices=("png", "jpg"), default="png", help="of the files")
    p.add_argument("--size", type=int, help="occlusion: side of the square, in pixels")
    p.add_argument("--stride", type=int, help="occlusion: steps of the square, in pixels")
    p.add_argument(
        "--input", metavar="WIDTHxHEIGHT",
        help="table, graph, receptive-field: size of the input where the network leaves it open; of sound, samples",
    )  # fmt: skip
    p.add_argument("--random", action="store_true", help="random weights in place of the released ones")
    _add_ascent_options(p)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--whole", action="store_true", help="maximize: on the whole input, not only on what the unit sees")
    p.add_argument(
        "--rate", choices=("constant", "progress", "progress01", "normalized"), help="maximize: policy of the steps"
    )
    p.add_argument("--max-rate", type=float, help="maximize: the largest learning rate")
    p.add_argument("--gain", type=float, help="maximize: what a step shall gain; normalized: grey levels of a step")
    image_experiments.add_options(p)

    p = verb(
        "report", run_report, "pages about units as HTML: synthesised pictures, strongest patches, what they look at"
    )
    p.add_argument("name", help="a recipe, a .keras file or a training's folder")
    p.add_argument("--images", required=True, help="folder of pictures to look for the strongest patches in")
    p.add_argument(
        "--units", action="append", required=True, metavar="LAYER:NUMBER,...", help='"conv1:0,fire5:0-15"; repeatable'
    )
    p.add_argument("--out", type=Path, default=Path("report"), help="its folder; what is there is not made again")
    p.add_argument("--method", choices=SALIENCY_METHODS, default="deconv")
    _add_ascent_options(p)


def _add_ascent_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--preset", type=int, choices=(1, 2, 3, 4), help="row of table 1 of arXiv 1506.06579 (default 3)")
    p.add_argument("--starts", type=int, default=4, help="random starts of each unit")
    p.add_argument("--steps", type=int, help="of the ascent; transfer: of each training (300)")
