"""Draw three pictures of every unit of whole layers for the page Look inside, as the Deep Visualization Toolbox keeps them.

    python docs/build/draw_units.py zfnet_small                       # all its layers, 10 minutes of one core
    python docs/build/draw_units.py squeezenet --layers conv1 fire2   # about 2 hours for all layers, 3 more for the scores of all classes

Each layer has one JPEG for each kind, with a tile for each unit: an input that activates it most by gradient ascent, its four strongest
patches in crops of the five free images, and its saliency in these patches by a deconvnet. An interrupted run goes on: units lie in
build/units until their layer is complete. Layers drawn from the released weights are not drawn again.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "docs" / "live" / "samples"
SHEETS_FOLDER = ROOT / "docs" / "live" / "layers"
WORK_FOLDER = ROOT / "build" / "units"
LAYERS = {
    "squeezenet": ("conv1", *(f"fire{i}" for i in range(2, 10)), "scores"),
    "zfnet_small": (*(f"relu{i}" for i in range(1, 6)), "logits"),
}
KINDS = ("synthesized", "patches", "saliency")
SETTINGS = {"steps": 150, "step_policy": "normalized", "target_gain": 8.0}  # changes of the paper's third preset
NAMES = ("astronaut", "camera", "chelsea", "coffee", "rocket")
NUM_CROPS = 40  # of each image
SCALES = {"squeezenet": (0.5, 1.0), "zfnet_small": (0.2, 1.0)}  # sides of crops, as fractions of the image
TILE_SIZE, COLUMNS = 80, 16  # pixels; tiles in a row
NUM_PATCHES = 4
CHUNK_SIZE = 36  # units that are synthesized before they are saved
LIMIT_BYTES = 25_000_000  # of all sheets


def make_crops(scales: tuple[float, float], size: tuple[int, int]) -> np.ndarray:
    """Return random crops (images, height, width, 3) of the free images, the same in every run."""
    rng, crops = np.random.default_rng(0), []
    for name in NAMES:
        image = Image.open(SAMPLES / f"{name}.png").convert("RGB")
        for _ in range(NUM_CROPS):
            side = rng.uniform(*scales) * min(image.size)
            left, top = (rng.uniform(0, n - side) for n in image.size)
            box = (left, top, left + side, top + side)
            crops.append(np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC, box=box), "float32"))
    return np.stack(crops)


def draw_synthesized(model: Any, layer: str, channels: list[int], folder: Path) -> None:
    """Synthesize inputs for the units that have none yet."""
    from kerasrecipes import visualize

    missing = [c for c in channels if not (folder / f"{c}.png").exists()]
    for first in range(0, len(missing), CHUNK_SIZE):
        chunk = missing[first : first + CHUNK_SIZE]
        results = visualize.synthesize_units(model, [f"{layer}:{c}" for c in chunk], 3, num_restarts=1, **SETTINGS)
        for channel, result in zip(chunk, results, strict=True):
            save_tile(result.images[0], folder / f"{channel}.png")
        print(f"{layer}: {len(channels) - len(missing) + first + len(chunk)} of {len(channels)} units synthesized", flush=True)


def draw_patches(model: Any, layer: str, channels: list[int], crops: np.ndarray, folders: dict[str, Path]) -> None:
    """Draw the strongest patches, and the saliency in them, of the units that have none yet."""
    from kerasrecipes import visualize
    from kerasrecipes.utils.plotting import image_grid
    from kerasrecipes.visualize.saliency import SaliencyMethod

    missing = [c for c in channels if not (folders["saliency"] / f"{c}.png").exists()]
    if not missing:
        return
    top = visualize.find_top_activations(model, crops, [layer], NUM_PATCHES)[layer]
    method = SaliencyMethod(model, layer, "deconv")
    for number, channel in enumerate(missing, 1):
        result = visualize.top_image_patches(model, top, f"{layer}:{channel}", saliency_method=method)
        is_active = np.array(result.activations)[:, None, None, None] > 0
        save_tile(image_grid(np.where(is_active, result.patches, 128).astype("uint8"), 2, gap=0), folders["patches"] / f"{channel}.png")
        save_tile(image_grid(np.where(is_active, result.saliency, 128).astype("uint8"), 2, gap=0), folders["saliency"] / f"{channel}.png")
        if number % CHUNK_SIZE == 0:
            print(f"{layer}: patches of {len(channels) - len(missing) + number} of {len(channels)} units", flush=True)


def save_tile(pixels: np.ndarray, path: Path) -> None:
    """Write an image in the size of a tile. Small images keep their pixels."""
    from kerasrecipes.utils.plotting import save_image

    method = Image.Resampling.NEAREST if max(pixels.shape[:2]) <= TILE_SIZE // 2 else Image.Resampling.LANCZOS
    save_image(path, np.asarray(Image.fromarray(pixels).resize((TILE_SIZE, TILE_SIZE), method)))


def write_sheet(folder: Path, count: int, path: Path) -> None:
    """Write the tiles of a layer as one JPEG."""
    from kerasrecipes.utils.plotting import image_grid, save_image

    tiles = np.stack([np.asarray(Image.open(folder / f"{channel}.png").convert("RGB")) for channel in range(count)])
    save_image(path, image_grid(tiles, COLUMNS, gap=0), optimize=True)


def draw_layer(model: Any, layer: str, crops: np.ndarray, weights: str) -> dict[str, Any]:
    """Draw the sheets of a layer, and return what a page needs to know of them. `weights` is the hash of the weights file."""
    from kerasrecipes.graph.units import find_layer_call, num_channels

    count = num_channels(find_layer_call(model, layer))
    assert count
    work = WORK_FOLDER / f"{model.name}-{weights[:8]}" / layer
    folders = {kind: work / kind for kind in KINDS}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    draw_synthesized(model, layer, list(range(count)), folders["synthesized"])
    draw_patches(model, layer, list(range(count)), crops, folders)
    for kind, folder in folders.items():
        write_sheet(folder, count, SHEETS_FOLDER / model.name / f"{layer}.{kind}.jpg")
    shutil.rmtree(work)
    return {"units": count, "columns": COLUMNS, "tile": TILE_SIZE, "weights": weights}


def main() -> None:
    import kerasrecipes
    from kerasrecipes.hub import manifest
    from kerasrecipes.utils.files import write_json

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=list(LAYERS))
    parser.add_argument("--layers", nargs="+", help="names of layers (default: all)")
    arguments = parser.parse_args()
    model = kerasrecipes.load(arguments.recipe, compile=False)
    crops = make_crops(SCALES[model.name], tuple(model.inputs[0].shape[1:3]))
    index = SHEETS_FOLDER / model.name / "layers.json"
    entries = json.loads(index.read_text("utf-8")) if index.exists() else {}
    weights = manifest.entries()[model.name].sha256
    for layer in arguments.layers or LAYERS[model.name]:
        if entries.get(layer, {}).get("weights") != weights:
            entries[layer] = draw_layer(model, layer, crops, weights)
            write_json(index, {name: entries[name] for name in LAYERS[model.name] if name in entries})
        total = sum(path.stat().st_size for path in SHEETS_FOLDER.rglob("*.jpg"))
        print(f"{layer}: complete; all sheets have {total / 1e6:.1f} MB", flush=True)
        assert total <= LIMIT_BYTES, "the sheets are too large for the site: make TILE_SIZE smaller"


if __name__ == "__main__":
    main()
