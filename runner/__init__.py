"""Dyno's runner: measures the cells of a matrix on this machine and appends one record per cell.

Runs on Python 3.6 to 3.13; nothing here imports a framework at module level except the backends.
"""

__version__ = "0.1.0"
