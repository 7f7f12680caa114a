"""Task verbs shared by Keras models and engines."""
