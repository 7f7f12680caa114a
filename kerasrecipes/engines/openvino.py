"""OpenVINO on the CPU. In bf16 the front end stays in float32: a logarithm makes its small errors large."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.engines.metadata import LOGITS_OUTPUT
from kerasrecipes.utils.environment import num_threads

COMPUTE_OPS = ("Convolution", "GroupConvolution", "MatMul")


class OpenVINO:
    """The file in OpenVINO.

    Args:
        path: of the ONNX file. precision: of the arithmetic, in OpenVINO's words.
    """

    name = "openvino"

    def __init__(self, path: Path, precision: str):
        import openvino

        core = openvino.Core()
        model = core.read_model(str(path))
        self.named = {name for i in model.inputs for name in i.names}
        settings = {
            "INFERENCE_NUM_THREADS": num_threads(),
            "ENABLE_CPU_PINNING": False,
        }  # pinned threads wait for others
        self.front: Any = None
        if precision != "f32" and (parts := split_after_log(model)):
            front, model = parts
            self.front = core.compile_model(front, "CPU", {"INFERENCE_PRECISION_HINT": "f32", **settings})
        self.compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision, **settings})

    def run(self, inputs: dict[str, np.ndarray]) -> Any:
        """Outputs by name or port."""
        given = {k: v for k, v in inputs.items() if k in self.named}
        if self.front:
            features = self.front(select_inputs(self.front, given))[0]
            given = {**given, "features": np.array(features)}
        return self.compiled(select_inputs(self.compiled, given))

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The logits."""
        return np.array(self.run(inputs)[LOGITS_OUTPUT])

    def outputs(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name."""
        found = self.run(inputs)
        return {name: np.array(found[output]) for output in self.compiled.outputs for name in output.names}


def select_inputs(compiled: Any, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of the inputs that a part has."""
    known = {name for i in compiled.inputs for name in i.names}
    return {k: v for k, v in given.items() if k in known}


def split_after_log(model: Any) -> tuple[Any, Any] | None:
    """The model up to what enters its first layer behind a logarithm, and all above; None where there is no such place."""
    import openvino
    from openvino import opset13

    operations, below, todo = model.get_ordered_ops(), set(), []
    todo = [o for o in operations if o.get_type_name() == "Log"]
    while todo:
        operation = todo.pop()
        if operation.get_friendly_name() not in below:
            below.add(operation.get_friendly_name())
            todo += [i.get_source_output().get_node() for i in operation.inputs()]
    above = (o for o in operations if o.get_type_name() in COMPUTE_OPS and o.get_friendly_name() not in below)
    first = next(above, None)
    if not below or first is None:
        return None
    cut = first.input(0).get_source_output()
    front = openvino.Model([opset13.result(cut)], model.get_parameters(), "front").clone()
    features = opset13.parameter(cut.get_partial_shape(), np.float32, name="features")
    features.output(0).set_names({"features"})
    for target in list(cut.get_target_inputs()):
        if target.get_node().get_type_name() != "Result":
            target.replace_source_output(features.output(0))
    needed, seen, todo = [], set(), [r for r in model.get_results() if LOGITS_OUTPUT in r.output(0).names]
    results = list(todo)
    while todo:  # inputs that are still needed above, such as lengths
        operation = todo.pop()
        if operation.get_friendly_name() in seen:
            continue
        seen.add(operation.get_friendly_name())
        todo += [i.get_source_output().get_node() for i in operation.inputs()]
        if operation.get_type_name() == "Parameter":
            needed.append(operation)
    return front, openvino.Model(results, needed, "upper")
