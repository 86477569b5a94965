#!/bin/sh
# Install groups of this interpreter's lock: sh install.sh runner onnx torch
#
# A lock names every package, so nothing is resolved here. Lines with hashes come first and pip checks them. Lines
# without one (torch's CPU builds, TensorRT's libraries) may come from INDEX, which no other line asks; sha256.txt
# checks those wheels whose checksum is known, the others are named.
# PIP may be another pip than the interpreter's: PIP="python3 /boot/pip-25.3-py3-none-any.whl/pip".
set -eu
pins=$(dirname "$0")
lock=$pins/py$(python3 -c 'import sys; print("%d%d" % sys.version_info[:2])').txt
if [ ! -f "$lock" ]; then
    echo "$lock: no lock for this base's Python; write its .in beside the others and run lock.py" >&2
    exit 1
fi
for group in "$@"; do
    if ! grep -q -E "  # (.* )?$group( |\$)" "$lock"; then
        echo "$lock has no group $group, so this base's Python can't have it; name it in its .in and run lock.py" >&2
        exit 1
    fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -E "  # (.* )?($(echo "$*" | tr ' ' '|'))( |\$)" "$lock" >"$work/all.txt"
grep -e '--hash=' "$work/all.txt" >"$work/hashed.txt"
grep -v -e '--hash=' "$work/all.txt" >"$work/plain.txt" || true
pip=${PIP:-python3 -m pip}
$pip install --no-deps --only-binary=:all: --require-hashes --requirement "$work/hashed.txt"
if [ -s "$work/plain.txt" ]; then
    $pip download --no-deps --only-binary=:all: --dest "$work/wheels" ${INDEX:+--extra-index-url "$INDEX"} --requirement "$work/plain.txt"
    for wheel in "$work"/wheels/*.whl; do
        name=${wheel##*/}
        known=$(awk -v name="$name" '$2 == name {print $1}' "$pins/sha256.txt")
        got=$(sha256sum "$wheel" | cut -d ' ' -f 1)
        if [ -z "$known" ]; then
            echo "note: no checksum is known for $name; this one is $got"
        elif [ "$known" != "$got" ]; then
            echo "$name: its SHA-256 is $got, expected $known" >&2
            exit 1
        fi
    done
    $pip install --no-deps --no-index "$work"/wheels/*.whl
fi
