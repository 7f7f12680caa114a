"""Functional Keras graphs: traversal, gradients, units and receptive fields."""
