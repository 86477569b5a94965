"""Run inside the NCS2 image with OpenVINO 2021.4.2: what the MYRIAD plugin says of networks, with no stick.

python3 myriad.py NETWORK.onnx...     JSON: {file: {"operators": N, "unsupported": [...], "load": message}}
"""

import json
import sys

import ngraph
from ngraph.impl import Function
from ngraph.impl.passes import Manager
from openvino.inference_engine import IECore, IENetwork

core = IECore()
answers = {}
for number, path in enumerate(sys.argv[1:]):
    try:
        network = core.read_network(path)
    except RuntimeError as error:
        answers[path] = {"read": str(error).strip().splitlines()[-1]}
        continue
    # a grouped convolution's weights are reshaped by arithmetic that compiling folds; so does this, or it would count as missing
    folding = Manager()
    folding.register_pass("ConstantFolding")
    function = ngraph.function_from_cnn(network)
    folding.run_passes(function)
    network = IENetwork(Function.to_capsule(function))
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
