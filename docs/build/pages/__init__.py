"""Pages that `docs/build/generate.py` writes from the registry, the manifest, the papers' texts and docs/cache."""
