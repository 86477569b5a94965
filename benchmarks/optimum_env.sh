#!/usr/bin/env bash
# An environment for optimum-benchmark, whose pins are older than Dyno's: benchmarks/optimum_env.sh FOLDER, then
# python benchmarks/peers.py --optimum FOLDER/bin/python
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
"${PYTHON:-python3}" -m venv "$folder"
pip=("$folder/bin/python" -m pip --disable-pip-version-check install --quiet)
"${pip[@]}" --extra-index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" 'torch==2.13.0+cpu'
"${pip[@]}" --no-deps 'torchvision==0.28.0' 'timm==1.0.31'
"${pip[@]}" 'optimum-benchmark==0.6.0' 'codecarbon==3.3.2' 'transformers<5' 'huggingface_hub<1' 'datasets<5' pillow
# A torchvision built for CUDA beside a torch that isn't wants its operators' schemas before it imports; every process of the
# environment does that by itself, because optimum-benchmark starts its own.
site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cp "$here/peer_scripts/torchvision_schemas.py" "$site/"
echo 'import torchvision_schemas' >"$site/torchvision_schemas.pth"
"$folder/bin/python" -c 'import torchvision, timm, optimum_benchmark; print("ready:", timm.__version__)'
