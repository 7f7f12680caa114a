"""The part of an export that runs in a process of its own, on the TensorFlow backend: `python -m ... REQUEST.json`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np

from kerasrecipes import loading
from kerasrecipes.errors import ExportError, KerasRecipesError
from kerasrecipes.export.cases import Case, cases_of
from kerasrecipes.export.description import describe

TOLERANCES = {False: 1e-4, True: 1e-3}  # of scores, float32 and float16 storage, where they are below 1 in size


def main(request: dict[str, Any]) -> None:
    """Write and check one file in the folder `request["folder"]`; what is asked for is in `kerasrecipes.export.Request`."""
    from kerasrecipes.export import formats

    row, model = None, None
    if request["recipe"]:
        row = loading.resolve(request["recipe"], "default")[1]
        model = loading.load(request["recipe"], compile=False)
    else:
        model = loading.load_saved(Path(request["saved"]), compile=False)
    folder, name = Path(request["folder"]), request["name"]
    cases = cases_of(model)
    expected = [case.run(reference(model)) for case in cases]  # called once before it is traced for export
    network = with_activations(model) if request["activations"] else model
    write = getattr(formats, f"write_{request['format']}")
    run = write(network, model, describe(model, row), folder, name, request)
    worst = compare(cases, expected, run, TOLERANCES[bool(request["float16"])])
    golden: dict[str, Any] = {}
    for i, (case, scores) in enumerate(zip(cases, expected, strict=True)):
        golden |= {f"{key}_{i}": value for key, value in case.inputs.items()} | {f"scores_{i}": scores}
    np.savez_compressed(folder / f"{name}.npz", **golden)
    (folder / "report.json").write_text(json.dumps({"error": worst}))


def reference(model: Any) -> Any:
    """Keras's own scores of a case's inputs."""
    from kerasrecipes.tasks.forward import compiled

    call = compiled(model)
    return lambda inputs: call(inputs if isinstance(model.input, dict) else next(iter(inputs.values())))


def with_activations(model: Any) -> keras.Model:
    """The network with the output of every layer beside its scores, named after the layers."""
    outputs = {"scores": model.output}
    for layer in model.layers:
        first = layer.output[0] if isinstance(layer.output, list | tuple) else layer.output
        if not isinstance(layer, keras.layers.InputLayer) and first.dtype == "float32" and layer.name != "scores":
            outputs[layer.name] = first
    return keras.Model(model.input, outputs)


def compare(cases: list[Case], expected: list[np.ndarray], run: Any, tolerance: float) -> float:
    """The largest error of the written file's scores, in units of the larger of 1 and the case's largest score.

    Raises:
        ExportError: it is above the tolerance, or shapes differ.
    """
    worst = 0.0
    for case, scores in zip(cases, expected, strict=True):
        found = case.run(run)
        if found.shape != scores.shape:
            raise ExportError(
                f"The file gives scores {found.shape} for {case}, Keras {scores.shape}: it was not written; report this"
            )
        error = float(np.abs(found - scores).max(initial=0) / max(1.0, np.abs(scores).max(initial=0)))
        if not error <= tolerance:
            raise ExportError(
                f"The file's scores differ by {error:.1e} from Keras's for {case}, at most {tolerance:.0e} is right: "
                "it was not written; report this"
            )
        worst = max(worst, error)
    return worst


if __name__ == "__main__":
    try:
        main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    except KerasRecipesError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(3)
