"""Importers: other people's numbers in the frame's columns. Every module here has `read(path, **options) -> DataFrame`, and `LACKS`."""
