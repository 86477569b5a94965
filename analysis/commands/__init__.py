"""Commands of `python -m analysis`: every module here has `register(app)`. One file each."""
