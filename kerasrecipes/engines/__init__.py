"""Exported ONNX files in onnxruntime or OpenVINO, with the verbs and results of the Keras models and without Keras."""

from kerasrecipes.engines.onnx_metadata import read_description
from kerasrecipes.engines.open import load_file, supports_recipe
from kerasrecipes.engines.session import ENGINES, installed, open_session

__all__ = ["ENGINES", "installed", "load_file", "open_session", "read_description", "supports_recipe"]
