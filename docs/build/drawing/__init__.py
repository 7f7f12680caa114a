"""Figures and examples of errors for the recipes' pages, one file for each kind of task."""
