#!/usr/bin/env bash
# The runner's tests on the oldest and the newest Python that it serves, each in a virtual environment of its own.
# An interpreter that pyenv doesn't have is named, and then not tested. Arguments go to pytest; by default it leaves out
# what is alike on every Python (the marker `any_python` in pyproject.toml).
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then set -- -m "not long and not any_python"; fi
tests=("$@")
pyenv_root=${PYENV_ROOT:-$HOME/.pyenv}
ran=0

on() { # VERSION REQUIREMENTS [VARIABLE=VALUE]
  local python=$pyenv_root/versions/$1/bin/python venv=.venv-$1
  if [ ! -x "$python" ]; then
    echo "Python $1: pyenv doesn't have it; its tests were not run"
    return
  fi
  if [ ! -e "$venv/.done" ]; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
    if [ "$1" = 3.6.15 ]; then "$venv/bin/python" -m pip install --quiet pip==21.3.1; fi # the last for 3.6
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$2"
    touch "$venv/.done"
  fi
  echo "Python $1"
  env OMP_NUM_THREADS=1 ${3:-} "$venv/bin/python" -m pytest tests/runner -p no:cacheprovider "${tests[@]}"
  ran=$((ran + 1))
}

on 3.6.15 requirements/py36.txt
on 3.13.0 requirements/py313.txt DYNO_TESTS_WITHOUT_TORCH=1
echo "the runner's tests ran on $ran other Pythons"
