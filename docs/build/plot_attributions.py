"""Plot the pictures of attributions, presets and an activation grid for the guide: about two minutes of one core.

    python docs/build/plot_attributions.py [image] [speech] [presets] [grid]     # all by default

They show free images and clips of docs/live/samples. The random masks and steps are fewer than the defaults, to be quick.
"""

import sys
from pathlib import Path

import numpy as np

DOCS = Path(__file__).parents[1]
SAMPLES, PICTURES = DOCS / "live" / "samples", DOCS / "guides" / "visualize"
NUM_MASKS, NUM_POINTS = 600, 33


def measure(model, source: Path, unit: str, methods: tuple[str, ...]) -> tuple:
    """Return the target, the importance by method, and the areas under the deletion and insertion curves by method."""
    from kerasrecipes.visualize.attribution import prepare_target
    from kerasrecipes.visualize.faithfulness import Faithfulness, importance, measure_curves

    target = prepare_target(model, str(source), unit)
    maps = {name: importance(target, name, NUM_MASKS, 0) for name in methods}
    curves = {name: measure_curves(target, np.argsort(-v, kind="stable"), NUM_POINTS) for name, v in maps.items()}
    result = Faithfulness(
        target.unit, np.linspace(0, 1, NUM_POINTS), {n: c[0] for n, c in curves.items()}, {n: c[1] for n, c in curves.items()}
    )
    print(f"{source.name} {target.unit}, {NUM_MASKS} masks\n{result}", flush=True)
    return target, maps, result


def plot_image() -> None:
    """Plot seven attributions of a class in a photograph."""
    import kerasrecipes
    from kerasrecipes.utils import plotting
    from kerasrecipes.visualize.attribution import overlay_map

    methods = ("gradient", "guided", "SmoothGrad", "integrated gradients", "Grad-CAM", "RISE", "random")
    target, maps, result = measure(kerasrecipes.load("squeezenet", compile=False), SAMPLES / "coffee.png", "scores:espresso", methods)
    pixels = target.result("RISE", target.inputs[0]).image
    figure, areas = plotting.new_figure(10.5, 5.9), result.areas()
    panels = figure.subplots(2, 4).ravel()
    plotting.imshow(panels[0], pixels, "espresso")
    for axes, name in zip(panels[1:], methods, strict=True):
        overlay = overlay_map(pixels, maps[name].reshape(pixels.shape[:2]))
        plotting.imshow(axes, overlay, f"{name}\ndeletion {areas[name][0]:.2f}, insertion {areas[name][1]:.2f}")
    plotting.save_figure(figure, PICTURES / "attributions.jpg")
    plotting.save_figure(result.plot(), PICTURES / "faithfulness.jpg")


def plot_speech() -> None:
    """Plot five attributions of one letter of a transcript."""
    import kerasrecipes
    from kerasrecipes.utils import plotting
    from kerasrecipes.visualize.rise import dependent_frames

    methods = ("gradient", "SmoothGrad", "integrated gradients", "Grad-CAM", "RISE", "random")
    model = kerasrecipes.load("wav2letter_small", compile=False)
    target, maps, result = measure(model, SAMPLES / "lj.mp3", "transcript:6", methods)
    transcript = model.transcribe(SAMPLES / "lj.mp3", decoder=model.criterion.default_decoder)
    letter, (start, stop), areas = transcript.characters[6], dependent_frames(target), result.areas()
    features = target.inputs[0]
    seconds = target.seconds / len(features)
    figure = plotting.new_figure(10.5, 5.2)
    extent = (start * seconds, stop * seconds, -0.5, features.shape[1] - 0.5)
    panels = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
    values = {f'"{letter.text}" in "{transcript.text}"': features[start:stop]}
    values |= {f"{n}: deletion {areas[n][0]:.2f}, insertion {areas[n][1]:.2f}": maps[n].reshape(stop - start, -1) for n in methods[:-1]}
    for number, (axes, (title, value)) in enumerate(zip(panels, values.items(), strict=True)):
        limit = float(np.quantile(np.abs(value), 0.995))
        colors = {"cmap": "seismic", "vmin": -limit, "vmax": limit} if number and value.min() < 0 else {"cmap": "magma"}
        axes.imshow(value.T, origin="lower", aspect="auto", extent=extent, **colors)
        axes.axvline((letter.start + letter.end) / 2, color="#00c853", linewidth=1)
        axes.set_title(title, fontsize=8)
    for axes in panels[3:]:
        axes.set(xlabel="seconds")
    plotting.save_figure(figure, PICTURES / "speech_attributions.jpg")


def plot_presets() -> None:
    """Plot inputs for one unit by all presets."""
    import kerasrecipes
    from kerasrecipes import visualize
    from kerasrecipes.utils import plotting

    model = kerasrecipes.load("squeezenet", compile=False)
    images = []
    for preset in (1, 2, 3, 4, "fourier"):
        changes = {} if preset == "fourier" else {"step_policy": "normalized", "target_gain": 8.0}
        result = visualize.synthesize(model, "fire5:17", preset, num_restarts=2, steps=128, **changes)
        print(f"preset {preset}: {max(result.activations):.0f}", flush=True)
        images.append((f"preset {preset}: {max(result.activations):.0f}", result.render(1)))
    plotting.save_figure(plotting.side_by_side(images, height=4.4), PICTURES / "presets.jpg")


def plot_grid() -> None:
    """Plot the activation grid of a photograph."""
    import kerasrecipes
    from kerasrecipes import visualize

    model = kerasrecipes.load("squeezenet", compile=False)
    grid = visualize.compute_activation_grid(model, SAMPLES / "coffee.png", "fire6", cells=6, steps=64)
    print(f"mean cosine {grid.start_cosines.mean():.2f} before and {grid.cosines.mean():.2f} after", flush=True)
    grid.save(PICTURES / "activation_grid.jpg")


if __name__ == "__main__":
    plots = {"image": plot_image, "speech": plot_speech, "presets": plot_presets, "grid": plot_grid}
    for name in sys.argv[1:] or plots:
        plots[name]()
