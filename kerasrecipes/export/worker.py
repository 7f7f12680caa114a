"""The part of an export that runs in a process of its own, on the TensorFlow backend: `python -m ... REQUEST.json`."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np

from kerasrecipes import loading
from kerasrecipes.engines import STEP
from kerasrecipes.engines.description import LOGITS
from kerasrecipes.errors import ExportError, KerasRecipesError
from kerasrecipes.export import formats
from kerasrecipes.export.cases import Case, cases_of
from kerasrecipes.export.description import describe
from kerasrecipes.export.graphs import function_of, pieces_of, step_cases, traced, traced_step, with_activations
from kerasrecipes.export.wave_steps import WaveSteps
from kerasrecipes.tasks.speech import recognising

TOLERANCES = {"float32": 1e-4, "float16": 1e-3, "int8": 0.1}  # of logits, in units of the largest, or of 1


def main(request: dict[str, Any]) -> None:
    """Write and check what is asked for (`kerasrecipes.export.export`) in the folder `request["folder"]`; measured
    differences lie there as report.json."""
    row, model = None, None
    if request["recipe"]:
        row = loading.resolve(request["recipe"], "default")[1]
        model = loading.load(request["recipe"], compile=False)
    else:
        model = loading.load_saved(Path(request["saved"]))
    storage = next((kind for kind in ("int8", "float16") if request[kind]), "float32")
    graph = pieces_of(model) if request["step"] else None
    source = next(iter(model.input)) if isinstance(model.input, dict) else "picture"
    weights: set[str] = set()
    if storage != "float32" and request["format"] in ("onnx", "openvino"):
        from kerasrecipes.export.storage import fingerprint

        weights = {fingerprint(v.numpy()) for v in model.trainable_variables}
    # the two files of a recipe know each other
    told = describe(model, row, graph) | {"storage": storage, "twin": twin(model)}
    whole = recognising(model)
    cases, run = cases_of(model), reference(whole)  # called once before it is traced for export
    parts: list[Any] = [(request["name"], whole, [(case, {LOGITS: run(case)}) for case in cases])]
    if graph:
        parts.append((request["name"] + STEP, graph.model, step_cases(graph, source, model.alphabet.size)))
    elif request["step"] and model.recipe.task == "waveform-generation":
        waves = WaveSteps(model)
        parts.append((request["name"] + STEP, model, waves.cases()))
    report: dict[str, Any] = {"parts": []}
    for name, network, expected in parts:
        step = name != request["name"]
        if not step:
            function = traced(with_activations(whole, request["activations"]) if request["activations"] else whole, model)
        else:
            function = traced_step(graph, source) if graph else function_of(waves.inputs, waves.outputs)
        write = getattr(formats, f"write_{request['format']}")
        wanted = {**request, "network": network, "weights": weights}
        said = {**told, "part": "step" if step else "whole"}
        written = write(function, said, Path(request["folder"]), name, wanted)
        found = [case.run(written) for case, _ in expected]
        report["parts"].append(compare(expected, found, TOLERANCES[storage]))
        keep(expected, Path(request["folder"]) / f"{name}.npz")
    (Path(request["folder"]) / "report.json").write_text(json.dumps(report))


def twin(model: Any) -> str:
    """A hash of all weights."""
    found = hashlib.sha256()
    for value in model.variables:
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()[:16]


def keep(expected: list, path: Path) -> None:
    """Inputs and Keras's outputs, for tests in other languages: NAME_i."""
    golden: dict[str, Any] = {}
    for i, (case, outputs) in enumerate(expected):
        golden |= {f"{name}_{i}": value for name, value in {**case.inputs, **outputs}.items()}
    np.savez_compressed(path, **golden)


def reference(model: Any) -> Any:
    """Keras's own logits of a case; `model`: a network with one output."""
    from kerasrecipes.tasks.forward import compiled

    call = compiled(model)

    def run(case: Case) -> np.ndarray:
        found = call(case.inputs if isinstance(model.input, dict) else next(iter(case.inputs.values())))
        return np.asarray(found)

    return run


def compare(expected: list, found: list, tolerance: float) -> dict[str, float]:
    """The largest difference of a written file's outputs from Keras's, in units of the larger of 1 and an output's largest
    value ("error"), and the share of steps whose best symbol is the same ("same").

    Args:
        expected: (case, outputs by name) of Keras. found: outputs by name of the file.

    Raises:
        ExportError: it is above the tolerance, or shapes differ.
    """
    worst, same = 0.0, []
    for (case, outputs), values in zip(expected, found, strict=True):
        for name, right in outputs.items():
            value = np.asarray(values[name])
            if value.shape != right.shape:
                raise ExportError(
                    f"The file gives {name} {value.shape} for {case}, Keras {right.shape}: it was not written; report this"
                )
            scale = max(1.0, np.abs(right).max(initial=0))
            error = float(np.abs(value.astype("float64") - right).max(initial=0) / scale)
            if not error <= tolerance:
                raise ExportError(
                    f"The file's {name} differ by {error:.1e} from Keras's for {case}, at most {tolerance:.0e} is right: "
                    "it was not written" + ("; take --float16" if tolerance == TOLERANCES["int8"] else "; report this")
                )
            worst = max(worst, error)
            if name == LOGITS:
                same.append((value.argmax(-1) == right.argmax(-1)).ravel())
    return {"error": worst, "same": float(np.concatenate(same).mean())}


if __name__ == "__main__":
    try:
        main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    except KerasRecipesError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(3)
