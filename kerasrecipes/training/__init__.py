"""The trainer behind `kerasrecipes train`: one YAML per pretrained recipe, checkpoints, exact resume, a run's record."""
