"""Keras models, one class per task, with a verb for raw input."""
