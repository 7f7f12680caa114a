"""Export recipes to other formats: `kerasrecipes export NAME --format onnx --output FOLDER`, or to a web page: `--web FOLDER`."""

from kerasrecipes.export.exporter import FORMATS, Format, export, export_to_cache
from kerasrecipes.export.web_page import export_web_page

__all__ = ["FORMATS", "Format", "export", "export_to_cache", "export_web_page"]
