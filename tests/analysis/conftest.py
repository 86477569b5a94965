"""Tests in the folders below import what they share (`records`, `good_frame`, `cost_laws`, `searches`) from beside this file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
