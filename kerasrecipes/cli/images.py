"""Commands for images: classify and segment."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.batch import many_files_options, run_many_files
from kerasrecipes.cli.output_paths import output_paths
from kerasrecipes.cli.progress import ProgressBar, print_line, print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import ImageError, KerasRecipesError
from kerasrecipes.utils.escaping import escape_controls

DEFAULT_TOP_K = 5  # classes that a row of many files holds

images_argument = argument("files", nargs=-1, required=True, help="Image files and folders.")


@command("classify", model="option")
@images_argument
@options.recipe(options.DEFAULT_IMAGE_RECIPE)
@options.engine
@option("--top", type=int, default=DEFAULT_TOP_K, help="Number of classes to print.")
@option("--num-crops", type=int, default=1, help="Number of crops whose results are averaged.")
@options.format("text", "json", default="text")
@options.output("Write one row for every file into this folder (default: print).")
@many_files_options
def run_classify(files, recipe, engine, top, num_crops, output_format, output, many_files) -> int:
    """Name the classes of images."""
    arguments = {"num_crops": num_crops} if num_crops != 1 else {}
    if many_files or output:
        if top != DEFAULT_TOP_K:
            raise KerasRecipesError(f"Rows hold the {DEFAULT_TOP_K} most likely classes: leave out --top")
        return run_many_files("classify", recipe, files, output, output_format, engine, many_files, arguments)
    paths = check_images(files, recipe, "image-classification", "classify images")
    model = options.load_model(recipe, engine)
    options.require_task(model, "image-classification", "classify images")
    failed = 0
    for path, result in run_on_each(model.classify, paths, arguments, "classifying"):
        if result is None:
            failed += 1
        elif output_format == "json":
            print_line(json.dumps({"path": path, **result.to_dict(top)}, ensure_ascii=False))
        else:
            classes = ", ".join(f"{escape_controls(c.name)} {100 * c.probability:.1f} %" for c in result.top(top))
            print_line(f"{escape_controls(path)}\t{classes}" if len(paths) > 1 else classes)
    return 1 if failed else 0


@command("segment", model="option")
@images_argument
@options.recipe(options.DEFAULT_SEGMENTATION_RECIPE)
@options.engine
@options.format("text", "json", default="text")
@options.output(
    "Write NAME.png (the class of every pixel) and NAME_overlay.png into this folder (default: print shares). "
    "Files of an input folder keep their subfolders."
)
@many_files_options
def run_segment(files, recipe, engine, output_format, output, many_files) -> int:
    """Assign a class to every pixel of images."""
    from kerasrecipes import image
    from kerasrecipes.utils.plotting import save_image

    if many_files:
        return run_many_files("segment", recipe, files, output, output_format, engine, many_files, {})
    paths = check_images(files, recipe, "segmentation", "segment images")
    model = options.load_model(recipe, engine)
    options.require_task(model, "segmentation", "segment images")
    outputs = output_paths(files, image.list_image_files, Path(output), ".png", "_overlay.png") if output else {}
    failed = 0
    for path, result in run_on_each(model.segment, paths, {}, "segmenting"):
        if result is None:
            failed += 1
            continue
        if outputs:
            mask, overlay = outputs[path]
            save_image(overlay, result.overlay(path))
            result.save(mask)
        if output_format == "json":
            print_line(json.dumps({"path": path, **result.to_dict()}, ensure_ascii=False))
        else:
            text = escape_controls(result)
            print_line(f"{escape_controls(path)}\t{text}" if len(paths) > 1 else text)
    return 1 if failed else 0


def check_images(files: Sequence[str], recipe: str, task: str, action: str) -> list[Any]:
    """Return the image files after checks of the model's name, its task and the files, before a model is loaded."""
    from kerasrecipes import image

    options.check_task(recipe, (task,), f"cannot {action}")
    paths = image.list_image_files(list(files))
    options.check_files(paths, ImageError)
    return paths


def run_on_each(
    method: Callable[..., list[Any]], paths: Sequence[Any], arguments: Mapping[str, Any], action: str
) -> Iterator[tuple[str, Any]]:
    """Yield the path and the result of each image file. The result of an unreadable file is None."""
    with ProgressBar(action, "images") as bar:
        for number, path in enumerate(map(str, paths), 1):
            (result,) = method([path], **arguments)
            if isinstance(result, Exception):
                print_status(f"kerasrecipes: {result}")
                result = None
            bar(number, len(paths))
            yield path, result
