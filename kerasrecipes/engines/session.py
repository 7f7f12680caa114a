"""Inference engines behind one call: `session(inputs) -> scores` on numpy arrays."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.engines.metadata import LOGITS_OUTPUT
from kerasrecipes.errors import BackendUnavailable, KerasRecipesError, WeightsCorrupted
from kerasrecipes.utils.environment import num_threads

ENGINES = ("onnxruntime", "openvino")  # that read exported files; the fastest in float32 first (benchmarks/engines.py)
PIP_NAMES = {"onnxruntime": "onnxruntime", "openvino": '"kerasrecipes[openvino]"'}
PRECISIONS = {"float32": "f32", "bf16": "bf16"}  # OpenVINO's names for its arithmetic


def installed() -> list[str]:
    """Engines that are installed, the fastest first."""
    return [name for name in ENGINES if importlib.util.find_spec(name)]


def open_session(path: Path, engine: str, precision: str | None = None) -> Any:
    """The file in an engine.

    Args:
        path: an ONNX file that was verified. engine: "onnxruntime", "openvino", or "auto" for the fastest installed.
        precision: of OpenVINO's arithmetic: "float32" (default), or "bf16", for CPUs that have it: some transcripts
            change, benchmarks/engines.py counts them; measure error rates before you use it.

    Raises:
        KerasRecipesError: no such engine or precision. BackendUnavailable: the engine is not installed.
        WeightsCorrupt: the engine refuses the file.
    """
    if engine == "auto":
        engine = (installed() or ["onnxruntime"])[0]
    if engine not in ENGINES:
        raise KerasRecipesError(f"There is no engine {engine!r} for {path.name}; there are auto, {', '.join(ENGINES)}")
    if not importlib.util.find_spec(engine):
        raise BackendUnavailable(f"The engine {engine} is not installed: pip install {PIP_NAMES[engine]}")
    if precision not in (None, *PRECISIONS):
        raise KerasRecipesError(f"There is no precision {precision!r}; there are {', '.join(PRECISIONS)}")
    if engine == "onnxruntime" and precision == "bf16":
        raise KerasRecipesError('precision="bf16" is for engine="openvino"; onnxruntime computes in float32')
    num_threads()  # before what the engine says is taken for the file's fault
    try:
        if engine == "onnxruntime":
            return OnnxRuntimeSession(path)
        from kerasrecipes.engines.openvino import OpenVINO

        return OpenVINO(path, PRECISIONS[precision or "float32"])
    except Exception as error:  # both engines raise kinds of their own
        raise WeightsCorrupted(f"{engine} cannot open {path}: {str(error).splitlines()[0][:200]}") from error


class OnnxRuntimeSession:
    """onnxruntime on the CPU.

    Args:
        path: of the ONNX file.
    """

    name = "onnxruntime"

    def __init__(self, path: Path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = num_threads()
        # plans of memory are kept for every shape; utterances have many
        options.enable_mem_pattern = False
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name for i in self.session.get_inputs()}
        self.names = [o.name for o in self.session.get_outputs()]

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The logits."""
        return self.session.run([LOGITS_OUTPUT], {k: v for k, v in inputs.items() if k in self.inputs})[0]

    def outputs(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name."""
        found = self.session.run(self.names, {k: v for k, v in inputs.items() if k in self.inputs})
        return dict(zip(self.names, found, strict=True))
