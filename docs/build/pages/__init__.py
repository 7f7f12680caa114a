"""What `docs/build/generate.py` writes: pages made of the registry, the manifest, the papers' texts and what `docs/build/plot_figures.py` kept."""
