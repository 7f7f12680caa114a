"""Training criteria for sequences, and losses that Keras lacks."""
