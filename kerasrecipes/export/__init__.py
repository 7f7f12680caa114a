"""Export recipes to other formats: `kerasrecipes export NAME --format onnx --output FOLDER`."""

from kerasrecipes.export.exporter import FORMATS, Format, export, export_to_cache

__all__ = ["FORMATS", "Format", "export", "export_to_cache"]
