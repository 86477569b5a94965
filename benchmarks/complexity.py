"""Parameters and multiply-adds of every reference network, counted on its exported ONNX file: `python benchmarks/complexity.py`.

Compares with tests/data/complexity.csv and ends with 1 on any difference. Takes a few minutes.
"""

import csv
import os
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from runner.errors import ModelUnavailable
from runner.networks import complexity, export, sources, weights


def main():
    wrong = 0
    with open(os.path.join(ROOT, "tests", "data", "complexity.csv")) as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    for row in rows:
        source, bare = sources.source_of(row["name"])
        assert source, row["name"]
        try:
            with weights.no_initialisation():
                network = sources.modules()[source].build(bare, 1000, False).eval()
        except ModelUnavailable as reason:
            print("%-20s %s" % (row["name"], reason))
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "net.onnx")
            export.export_onnx(network, path, 1, int(row["px"]))
            found = complexity.of_onnx(path)
        same = (found["params"], found["macs"]) == (int(row["params"]), int(row["macs"]))
        wrong += not same
        print(
            "%-20s %s px  %11d parameters %12d MACs  %s"
            % (row["name"], row["px"], found["params"], found["macs"], "equal" if same else "DIFFERENT")
        )
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
