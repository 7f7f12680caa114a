"""Training criteria for sequences."""
