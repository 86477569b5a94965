"""Checks of plausibility: every module here has `TITLE` and `find(cells)`, which yields (severity, cell_id, message); see base.py."""
