"""Run inside the NCS2 image with OpenVINO 2021.4.2: what the MYRIAD plugin says of networks, with no stick.

python3 myriad.py NETWORK.onnx...     JSON: {file: {"operators": N, "unsupported": [...], "load": message}}
"""

import json
import sys

import ngraph
from openvino.inference_engine import IECore

core = IECore()
answers = {}
for number, path in enumerate(sys.argv[1:]):
    network = core.read_network(path)
    supported = core.query_network(network, "MYRIAD")
    operators = [
        node for node in ngraph.function_from_cnn(network).get_ops() if node.get_type_name() not in ("Parameter", "Constant", "Result")
    ]
    unsupported = sorted({node.get_type_name() for node in operators if node.get_friendly_name() not in supported})
    answers[path] = {"operators": len(operators), "unsupported": unsupported}
    if number == 0:  # the same for all: there is no stick
        try:
            core.load_network(network, "MYRIAD")
            answers[path]["load"] = "loaded"
        except RuntimeError as error:
            answers[path]["load"] = str(error)
print(json.dumps(answers))
