"""Helpers without knowledge of models: files, locks, hashing, plotting."""
