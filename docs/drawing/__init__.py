"""What `docs/draw.py` draws and measures for the recipes' pages, one file for each kind of task."""
