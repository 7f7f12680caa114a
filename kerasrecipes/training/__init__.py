"""Training of recipes: settings, the trainer with exact resume, initialization, evaluation and decoder tuning."""
