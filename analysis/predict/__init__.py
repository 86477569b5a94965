"""Prediction of what was not measured, from records alone."""
