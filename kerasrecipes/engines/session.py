"""Inference engines behind one call: `session(inputs) -> logits` on numpy arrays."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.engines.metadata import LOGITS_OUTPUT
from kerasrecipes.errors import BackendUnavailable, KerasRecipesError, WeightsCorrupted
from kerasrecipes.utils.environment import num_threads
from kerasrecipes.utils.files import first_line

ENGINES = ("onnxruntime", "openvino")  # the fastest in float32 first (benchmarks/engines.py)
PIP_NAMES = {"onnxruntime": "onnxruntime", "openvino": '"kerasrecipes[openvino]"'}
PRECISIONS = {"float32": "f32", "bf16": "bf16"}  # our names: OpenVINO's names


def installed() -> list[str]:
    """Return the installed engines, the fastest first."""
    return [name for name in ENGINES if importlib.util.find_spec(name)]


def open_session(path: Path, engine: str, precision: str | None = None) -> Any:
    """Open a file in an engine.

    Args:
        path: Path of a verified ONNX file.
        engine: "onnxruntime", "openvino", or "auto" for the fastest installed one.
        precision: Arithmetic of OpenVINO: "float32" (default), or "bf16" on CPUs that support it. bf16 changes some
            transcripts (benchmarks/engines.py counts them), so measure error rates before you use it.

    Raises:
        KerasRecipesError: There is no such engine or precision.
        BackendUnavailable: The engine is not installed.
        WeightsCorrupted: The engine cannot open the file.
    """
    if engine == "auto":
        engine = (installed() or ["onnxruntime"])[0]
    if engine not in ENGINES:
        raise KerasRecipesError(f"There is no engine {engine!r} for {path.name}; there are auto, {', '.join(ENGINES)}")
    if not importlib.util.find_spec(engine):
        raise BackendUnavailable(f"The engine {engine} is not installed: pip install {PIP_NAMES[engine]}")
    if precision not in (None, *PRECISIONS):
        raise KerasRecipesError(f"There is no engine_precision {precision!r}; there are {', '.join(PRECISIONS)}")
    if engine == "onnxruntime" and precision == "bf16":
        raise KerasRecipesError('engine_precision="bf16" needs engine="openvino"; onnxruntime computes in float32')
    num_threads()  # a bad KERASRECIPES_THREADS must not be reported as a damaged file
    try:
        if engine == "onnxruntime":
            return OnnxRuntimeSession(path)
        from kerasrecipes.engines.openvino import OpenVINO

        return OpenVINO(path, PRECISIONS[precision or "float32"])
    except Exception as error:  # both engines raise their own types
        raise WeightsCorrupted(f"{engine} cannot open {path}: {first_line(error)[:200]}") from error


class OnnxRuntimeSession:
    """An ONNX file in onnxruntime on the CPU.

    Args:
        path: Path of the file.
        content: Bytes that are opened instead, a part of the file. Default: the file.
    """

    name = "onnxruntime"

    def __init__(self, path: Path, content: bytes | None = None):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised
        options.intra_op_num_threads = num_threads()
        options.enable_mem_pattern = False  # it would keep a memory plan for every shape, and utterances have many
        self.path = path
        self.session = onnxruntime.InferenceSession(content or str(path), options, providers=["CPUExecutionProvider"])
        self.input_names = {i.name for i in self.session.get_inputs()}
        self.output_names = [o.name for o in self.session.get_outputs()]

    def open_part(self, content: bytes) -> "OnnxRuntimeSession":
        """Open a part of the file, given as bytes."""
        return OnnxRuntimeSession(self.path, content)

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the logits."""
        return self._run([LOGITS_OUTPUT], inputs)[0]

    def outputs(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return all outputs by name."""
        return dict(zip(self.output_names, self._run(self.output_names, inputs), strict=True))

    def _run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        try:
            return self.session.run(names, {k: v for k, v in inputs.items() if k in self.input_names})
        except Exception as error:  # onnxruntime raises its own types
            raise KerasRecipesError(
                f"onnxruntime cannot run {self.path} on this input ({first_line(error)[:200]}): export it again if the input is valid"
            ) from error
