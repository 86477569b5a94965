#!/bin/sh
# Install groups of this interpreter's lock: sh install.sh runner onnx torch
#
# A lock names every package, so nothing is resolved here. Lines with hashes come first and pip checks
# them; lines without one (torch's CPU builds) may come from TORCH_INDEX, which no other line asks.
# PIP may be another pip than the interpreter's: PIP="python3 /boot/pip-25.3-py3-none-any.whl/pip".
set -eu
pins=$(dirname "$0")
lock=$pins/py$(python3 -c 'import sys; print("%d%d" % sys.version_info[:2])').txt
if [ ! -f "$lock" ]; then
    echo "$lock: no lock for this base's Python; write its .in beside the others and run lock.py" >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -E "  # (.* )?($(echo "$*" | tr ' ' '|'))( |\$)" "$lock" >"$work/all.txt"
grep -e '--hash=' "$work/all.txt" >"$work/hashed.txt"
grep -v -e '--hash=' "$work/all.txt" >"$work/plain.txt" || true
pip=${PIP:-python3 -m pip}
$pip install --no-deps --only-binary=:all: --require-hashes --requirement "$work/hashed.txt"
if [ -s "$work/plain.txt" ]; then
    $pip install --no-deps --only-binary=:all: ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --requirement "$work/plain.txt"
fi
