"""Maintainer's tools: manifest rows, ONNX files and model cards from a training run."""
