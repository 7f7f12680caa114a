"""The metadata that `kerasrecipes export` stores in an ONNX file."""

import json
from pathlib import Path
from typing import Any

from kerasrecipes.engines.metadata import LOGITS_OUTPUT
from kerasrecipes.errors import WeightsCorrupted
from kerasrecipes.utils.environment import num_threads
from kerasrecipes.utils.files import first_line

METADATA_KEY = "kerasrecipes"


def read_description(path: Path) -> dict[str, Any]:
    """Return the description of the network that an exported file contains, with `logits_size`, the last axis of its logits.

    Raises:
        WeightsCorrupted: The file is damaged, or `kerasrecipes export` did not write it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = num_threads()  # a bad KERASRECIPES_THREADS must not be reported as a damaged file
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY, "null")
        description = json.loads(text)
        sizes = [output.shape[-1] for output in session.get_outputs() if output.name == LOGITS_OUTPUT and output.shape]
    except Exception as error:  # onnxruntime raises its own types
        raise WeightsCorrupted(
            f"{path} is damaged or no ONNX file ({first_line(error)}): export or fetch it again"
        ) from error
    if not isinstance(description, dict):
        raise WeightsCorrupted(f"{path} was not written by `kerasrecipes export`: it names no recipe and no labels")
    return {**description, "logits_size": sizes[0] if sizes and isinstance(sizes[0], int) else None}
