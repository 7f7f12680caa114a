"""What `docs/generate.py` writes: pages made of the registry, the manifest, the papers' texts and what `docs/draw.py` kept."""
