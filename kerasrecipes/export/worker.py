"""The export process, which runs on the TensorFlow backend: `python -m kerasrecipes.export.worker REQUEST.json`."""

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
from kerasrecipes.export.formats import FORMATS
from kerasrecipes.export.metadata import export_metadata
from kerasrecipes.export.sources import SOURCE_ARRAY, hash_weights
from kerasrecipes.export.test_inputs import describe_shapes, make_test_inputs
from kerasrecipes.export.tracing import (
    ExportModel,
    add_activation_outputs,
    make_step_test_inputs,
    streaming_model_or_none,
    trace_model,
    trace_streaming_step,
)
from kerasrecipes.export.wavenet_step import WaveNetStepGraph
from kerasrecipes.tasks import saved_models
from kerasrecipes.tasks.speech_recognizer import recognition_output

# allowed difference of logits, relative to the largest or to 1
TOLERANCES = {"float32": 1e-4, "float16": 1e-3, "int8": 0.1}

# test inputs and Keras's outputs, both by name
Examples = list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]


def main(request: dict[str, Any]) -> None:
    """Write and check what `kerasrecipes.export.export` requests, with the measured differences in report.json."""
    row, model = None, None
    if request["recipe"]:
        row = loading.resolve_recipe_and_weights(request["recipe"], "default")[1]
        model = loading.load(request["recipe"], compile=False)
    else:
        model = saved_models.load_keras_file(Path(request["saved"]))
    storage = next((kind for kind in ("int8", "float16") if request[kind]), "float32")
    weights: set[str] = set()
    if storage != "float32" and request["format"] in ("onnx", "openvino"):
        from kerasrecipes.export.quantization import order_free_hash

        weights = {order_free_hash(v.numpy()) for v in model.trainable_variables}
    streaming = streaming_model_or_none(model) if request["step"] else None
    # the hash tells whether a NAME.step file belongs to a NAME file
    metadata = export_metadata(model, row, streaming) | {"storage": storage, "weights_hash": hash_weights(model)}
    target, folder, parts = FORMATS[request["format"]], Path(request["folder"]), []
    for suffix, graph, examples in export_parts(model, streaming, request):
        stem, part = folder / f"{request['name']}{suffix}", "step" if suffix else "whole"
        target.write(graph, {**metadata, "part": part}, stem, {**request, "weights": weights})
        run = target.run(stem)
        parts.append(compare_outputs(examples, [run(inputs) for inputs, _ in examples], TOLERANCES[storage]))
        save_golden(examples, Path(f"{stem}.npz"), request["source"])
    (folder / "report.json").write_text(json.dumps({"parts": parts}), "utf-8")


def export_parts(model: Any, streaming: Any, request: dict[str, Any]) -> list[tuple[str, ExportModel, Examples]]:
    """Return (suffix of the file's name, graph, examples) of the whole network and of its streaming step, if it has one."""
    network = recognition_output(model)
    reference = keras_reference(network)  # called once before the network is traced for export
    examples = [(inputs, {LOGITS_OUTPUT: reference(inputs)}) for inputs in make_test_inputs(model)]
    network = add_activation_outputs(network, request["activations"]) if request["activations"] else network
    parts = [("", trace_model(network, model), examples)]
    if streaming:
        source = next(iter(model.input))
        examples = make_step_test_inputs(streaming, source, model.alphabet.vocab_size)
        parts.append((STEP_SUFFIX, trace_streaming_step(streaming, source), examples))
    elif request["step"] and model.recipe.task == "waveform-generation":
        step = WaveNetStepGraph(model)
        parts.append((STEP_SUFFIX, ExportModel(model, step.inputs, step.outputs), step.test_inputs()))
    return parts


def save_golden(examples: Examples, path: Path, source: list[int]) -> None:
    """Save inputs and Keras's outputs as arrays NAME_i, for tests in other languages, and the hash of the source."""
    golden: dict[str, Any] = {SOURCE_ARRAY: np.array(source, "uint8")}
    for i, (inputs, outputs) in enumerate(examples):
        golden |= {f"{name}_{i}": value for name, value in {**inputs, **outputs}.items()}
    np.savez_compressed(path, **golden)


def keras_reference(model: Any) -> Any:
    """Return a function from inputs by name to the logits that Keras computes with a network of one output."""
    from kerasrecipes.inference.compiled import compile_forward

    call = compile_forward(model)
    return lambda inputs: np.asarray(call(inputs if isinstance(model.input, dict) else inputs[model.input.name]))


def compare_outputs(examples: Examples, results: list, tolerance: float) -> dict[str, float]:
    """Compare a written file's outputs with Keras's.

    Returns:
        {"error": largest difference, relative to the larger of 1 and the output's largest value, "same": share of
        positions with the same best label}.

    Raises:
        ExportError: The difference is above the tolerance, or shapes differ.
    """
    worst, same = 0.0, []
    for (inputs, outputs), values in zip(examples, results, strict=True):
        for name, expected in outputs.items():
            value = np.asarray(values[name])
            if value.shape != expected.shape:
                raise ExportError(
                    f"The file gives {name} {value.shape} for {describe_shapes(inputs)}, Keras {expected.shape}: it was not "
                    "written; report this"
                )
            scale = max(1.0, np.abs(expected).max(initial=0))
            error = float(np.abs(value.astype("float64") - expected).max(initial=0) / scale)
            if not error <= tolerance:
                raise ExportError(
                    f"The file's {name} differ by {error:.1e} from Keras's for {describe_shapes(inputs)}, more than the "
                    f"allowed {tolerance:.0e}: it was not written"
                    + ("; use --float16" if tolerance == TOLERANCES["int8"] else "; report this")
                )
            worst = max(worst, error)
            if name == LOGITS_OUTPUT:
                same.append((value.argmax(-1) == expected.argmax(-1)).ravel())
    return {"error": worst, "same": float(np.concatenate(same).mean())}


if __name__ == "__main__":
    try:
        main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    except KerasRecipesError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(3)
