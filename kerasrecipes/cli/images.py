"""Commands for images: classify and segment."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.cli.batch import many_files_options, run_many_files
from kerasrecipes.cli.options import (
    DEFAULT_IMAGE_RECIPE,
    engine_options,
    format_option,
    load_model,
    output_option,
    recipe_option,
    require_task,
)
from kerasrecipes.cli.output_paths import output_paths
from kerasrecipes.cli.progress import print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import KerasRecipesError

DEFAULT_TOP_K = 5  # classes that a row of many files holds

images_argument = argument("files", nargs=-1, required=True, help="Image files and folders.")


@command("classify")
@images_argument
@recipe_option(DEFAULT_IMAGE_RECIPE)
@engine_options
@option("--top", type=int, default=DEFAULT_TOP_K, help="Number of classes to print.")
@option("--num-crops", type=int, default=1, help="Number of crops whose results are averaged.")
@format_option("text", "json", default="text")
@output_option("Write one row for every file into this folder and print nothing.")
@many_files_options
def run_classify(
    files: tuple[str, ...], recipe: str, engine: Mapping[str, Any], top: int, num_crops: int, output_format: str,
    output: str | None, many_files: Mapping[str, Any],
) -> int:  # fmt: skip
    """Name the classes of images."""
    from kerasrecipes import image

    options = {"num_crops": num_crops} if num_crops != 1 else {}
    if many_files or output:
        if top != DEFAULT_TOP_K:
            raise KerasRecipesError(f"Rows hold the {DEFAULT_TOP_K} most likely classes: leave out --top")
        return run_many_files("classify", recipe, files, output, output_format, engine, many_files, options)
    model = load_model(recipe, engine)
    require_task(model, "image-classification", "classify images")
    paths = image.list_image_files(list(files))
    failed = 0
    for path, result in run_on_each(model.classify, paths, options):
        if result is None:
            failed += 1
        elif output_format == "json":
            print(json.dumps({"path": path, **result.to_dict(top)}, ensure_ascii=False))
        else:
            classes = ", ".join(f"{c.name} {100 * c.probability:.1f} %" for c in result.top(top))
            print(f"{path}\t{classes}" if len(paths) > 1 else classes)
    return 1 if failed else 0


@command("segment")
@images_argument
@recipe_option()
@engine_options
@format_option("text", "json", default="text")
@output_option(
    "Write NAME.png (the class of every pixel) and NAME_overlay.png into this folder. Files of an input folder keep their "
    "subfolders."
)
@many_files_options
def run_segment(
    files: tuple[str, ...], recipe: str, engine: Mapping[str, Any], output_format: str, output: str | None,
    many_files: Mapping[str, Any],
) -> int:  # fmt: skip
    """Assign a class to every pixel of images."""
    from kerasrecipes import image
    from kerasrecipes.utils.plotting import save_image

    if many_files:
        return run_many_files("segment", recipe, files, output, output_format, engine, many_files, {})
    model = load_model(recipe, engine)
    require_task(model, "segmentation", "segment images")
    paths = image.list_image_files(list(files))
    outputs = output_paths(files, image.list_image_files, Path(output), ".png", "_overlay.png") if output else {}
    failed = 0
    for path, result in run_on_each(model.segment, paths, {}):
        if result is None:
            failed += 1
            continue
        if outputs:
            mask, overlay = outputs[path]
            save_image(overlay, result.overlay(path))
            result.save(mask)
        if output_format == "json":
            print(json.dumps({"path": path, **result.to_dict()}, ensure_ascii=False))
        else:
            print(f"{path}\t{result}" if len(paths) > 1 else result)
    return 1 if failed else 0


def run_on_each(
    method: Callable[..., list[Any]], paths: Sequence[Any], options: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield the path and the result of each image file. The result of an unreadable file is None."""
    for path in map(str, paths):
        (result,) = method([path], **options)
        if isinstance(result, Exception):
            print_status(f"kerasrecipes: {result}")
            result = None
        yield path, result
