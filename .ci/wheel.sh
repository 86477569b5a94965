#!/usr/bin/env bash
# The wheel as a user gets it: built, installed into a clean environment, measured with and reported from, outside the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-.venv/bin/python}" -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir "$folder" .
wheel=$(ls "$folder"/dyno_bench-*-py3-none-any.whl)
"${PYTHON:-.venv/bin/python}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet --constraint "$root/requirements/constraints.txt" "$wheel[analysis]"
cd "$folder"
unset PYTHONPATH
printf 'axes: {backend: noop, model: resnet18, input_px: 32}\n' >matrix.yaml
dyno=$folder/venv/bin/dyno
"$dyno" --version
"$dyno" --help >help
grep -q '^  report ' help
"$dyno" run
"$dyno" report --no-gif
test -s results/report/index.html
python_site=$("$folder/venv/bin/python" -c 'import runner, analysis, os; print(os.path.dirname(runner.__file__), os.path.dirname(analysis.__file__))')
for package in $python_site; do test -e "$package/py.typed"; done
echo "wheel: $(basename "$wheel") installs, measures and reports by itself"
