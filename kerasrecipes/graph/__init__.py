"""Walk a functional Keras graph: traversal, gradients, units and receptive fields."""
