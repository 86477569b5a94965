"""Checks before anything is measured."""
