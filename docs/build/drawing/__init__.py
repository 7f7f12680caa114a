"""What `docs/build/plot_figures.py` draws and measures for the recipes' pages, one file for each kind of task."""
