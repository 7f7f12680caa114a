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
from kerasrecipes.engines.metadata import LOGITS_OUTPUT
from kerasrecipes.engines.open import STEP_SUFFIX
from kerasrecipes.errors import ExportError, KerasRecipesError
from kerasrecipes.export import formats
from kerasrecipes.export.metadata import export_metadata
from kerasrecipes.export.test_inputs import TestInputs, make_test_inputs
from kerasrecipes.export.tracing import (
    add_activation_outputs,
    make_step_test_inputs,
    make_tf_function,
    streaming_model_or_none,
    trace_model,
    trace_streaming_step,
)
from kerasrecipes.export.wavenet_step import WaveNetStepGraph
from kerasrecipes.tasks.speech_recognizer import recognition_output

TOLERANCES = {"float32": 1e-4, "float16": 1e-3, "int8": 0.1}  # of logits, in units of the largest, or of 1


def main(request: dict[str, Any]) -> None:
    """Write and check what is asked for (`kerasrecipes.export.export`) in the folder `request["folder"]`; measured
    differences lie there as report.json."""
    row, model = None, None
    if request["recipe"]:
        row = loading.resolve_recipe_and_weights(request["recipe"], "default")[1]
        model = loading.load(request["recipe"], compile=False)
    else:
        model = loading.load_keras_file(Path(request["saved"]))
    storage = next((kind for kind in ("int8", "float16") if request[kind]), "float32")
    graph = streaming_model_or_none(model) if request["step"] else None
    source = next(iter(model.input)) if isinstance(model.input, dict) else "picture"
    weights: set[str] = set()
    if storage != "float32" and request["format"] in ("onnx", "openvino"):
        from kerasrecipes.export.quantization import order_free_hash

        weights = {order_free_hash(v.numpy()) for v in model.trainable_variables}
    # the two files of a recipe know each other
    told = export_metadata(model, row, graph) | {"storage": storage, "twin": weights_hash(model)}
    whole = recognition_output(model)
    cases, run = make_test_inputs(model), keras_reference(whole)  # called once before it is traced for export
    parts: list[Any] = [(request["name"], whole, [(case, {LOGITS_OUTPUT: run(case)}) for case in cases])]
    if graph:
        parts.append(
            (request["name"] + STEP_SUFFIX, graph.model, make_step_test_inputs(graph, source, model.alphabet.size))
        )
    elif request["step"] and model.recipe.task == "waveform-generation":
        waves = WaveNetStepGraph(model)
        parts.append((request["name"] + STEP_SUFFIX, model, waves.cases()))
    report: dict[str, Any] = {"parts": []}
    for name, network, expected in parts:
        step = name != request["name"]
        if not step:
            function = trace_model(
                add_activation_outputs(whole, request["activations"]) if request["activations"] else whole, model
            )
        else:
            function = trace_streaming_step(graph, source) if graph else make_tf_function(waves.inputs, waves.outputs)
        write = getattr(formats, f"write_{request['format']}")
        wanted = {**request, "network": network, "weights": weights}
        said = {**told, "part": "step" if step else "whole"}
        written = write(function, said, Path(request["folder"]), name, wanted)
        found = [case.run(written) for case, _ in expected]
        report["parts"].append(compare_outputs(expected, found, TOLERANCES[storage]))
        save_golden(expected, Path(request["folder"]) / f"{name}.npz")
    (Path(request["folder"]) / "report.json").write_text(json.dumps(report))


def weights_hash(model: Any) -> str:
    """A hash of all weights."""
    found = hashlib.sha256()
    for value in model.variables:
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()[:16]


def save_golden(expected: list, path: Path) -> None:
    """Inputs and Keras's outputs, for tests in other languages: NAME_i."""
    golden: dict[str, Any] = {}
    for i, (case, outputs) in enumerate(expected):
        golden |= {f"{name}_{i}": value for name, value in {**case.inputs, **outputs}.items()}
    np.savez_compressed(path, **golden)


def keras_reference(model: Any) -> Any:
    """Keras's own logits of a case; `model`: a network with one output."""
    from kerasrecipes.inference.compiled import compile_forward

    call = compile_forward(model)

    def run(case: TestInputs) -> np.ndarray:
        found = call(case.inputs if isinstance(model.input, dict) else next(iter(case.inputs.values())))
        return np.asarray(found)

    return run


def compare_outputs(expected: list, found: list, tolerance: float) -> dict[str, float]:
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
            if name == LOGITS_OUTPUT:
                same.append((value.argmax(-1) == right.argmax(-1)).ravel())
    return {"error": worst, "same": float(np.concatenate(same).mean())}


if __name__ == "__main__":
    try:
        main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    except KerasRecipesError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(3)
