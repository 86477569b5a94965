"""Measuring: a run, its workers, and what happens in the measuring process."""
