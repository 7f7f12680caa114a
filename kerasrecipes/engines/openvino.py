"""OpenVINO on the CPU. In bf16 the front end stays in float32, because a logarithm amplifies its small errors."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.engines.metadata import LOGITS_OUTPUT
from kerasrecipes.utils.environment import num_threads

COMPUTE_OPS = ("Convolution", "GroupConvolution", "MatMul")


class OpenVINO:
    """An ONNX file in OpenVINO.

    Args:
        path: Path of the file.
        precision: Arithmetic, in OpenVINO's names.
        content: Bytes that are opened instead, a part of the file. Default: the file.
    """

    name = "openvino"

    def __init__(self, path: Path, precision: str, content: bytes | None = None):
        import openvino

        self.path, self.precision, core = path, precision, openvino.Core()
        model = core.read_model(content or str(path))
        self.input_names = {name for i in model.inputs for name in i.names}
        # pinned threads wait for other processes
        settings = {"INFERENCE_NUM_THREADS": num_threads(), "ENABLE_CPU_PINNING": False}
        self.front_end: Any = None
        if precision != "f32" and (parts := split_after_log(model)):
            front_end, model = parts
            self.front_end = core.compile_model(front_end, "CPU", {"INFERENCE_PRECISION_HINT": "f32", **settings})
        self.compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision, **settings})

    def open_part(self, content: bytes) -> "OpenVINO":
        """Open a part of the file, given as bytes."""
        return OpenVINO(self.path, self.precision, content)

    def run(self, inputs: dict[str, np.ndarray]) -> Any:
        """Return the outputs by name or port."""
        inputs = {k: v for k, v in inputs.items() if k in self.input_names}
        if self.front_end:
            features = self.front_end(select_inputs(self.front_end, inputs))[0]
            inputs = {**inputs, "features": np.array(features)}
        return self.compiled(select_inputs(self.compiled, inputs))

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the logits."""
        return np.array(self.run(inputs)[LOGITS_OUTPUT])

    def outputs(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return all outputs by name."""
        results = self.run(inputs)
        return {name: np.array(results[output]) for output in self.compiled.outputs for name in output.names}


def select_inputs(compiled: Any, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the inputs that a compiled model has."""
    names = {name for i in compiled.inputs for name in i.names}
    return {k: v for k, v in inputs.items() if k in names}


def split_after_log(model: Any) -> tuple[Any, Any] | None:
    """Split a model at the input of its first compute layer after a logarithm. Return None if it has none."""
    import openvino
    from openvino import opset13

    operations, below = model.get_ordered_ops(), set()
    queue = [o for o in operations if o.get_type_name() == "Log"]
    while queue:
        operation = queue.pop()
        if operation.get_friendly_name() not in below:
            below.add(operation.get_friendly_name())
            queue += [i.get_source_output().get_node() for i in operation.inputs()]
    above = (o for o in operations if o.get_type_name() in COMPUTE_OPS and o.get_friendly_name() not in below)
    first = next(above, None)
    if not below or first is None:
        return None
    cut = first.input(0).get_source_output()
    front_end = openvino.Model([opset13.result(cut)], model.get_parameters(), "front").clone()
    features = opset13.parameter(cut.get_partial_shape(), np.float32, name="features")
    features.output(0).set_names({"features"})
    for target in list(cut.get_target_inputs()):
        if target.get_node().get_type_name() != "Result":
            target.replace_source_output(features.output(0))
    # the upper part's parameters, among them inputs such as lengths
    results = [r for r in model.get_results() if LOGITS_OUTPUT in r.output(0).names]
    parameters, visited, queue = [], set(), list(results)
    while queue:
        operation = queue.pop()
        if operation.get_friendly_name() in visited:
            continue
        visited.add(operation.get_friendly_name())
        queue += [i.get_source_output().get_node() for i in operation.inputs()]
        if operation.get_type_name() == "Parameter":
            parameters.append(operation)
    return front_end, openvino.Model(results, parameters, "upper")
