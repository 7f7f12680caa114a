"""What a loaded model can do: one verb per task on raw input."""
