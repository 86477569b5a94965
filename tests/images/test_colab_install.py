"""The notebook's install cell on a clean Python 3.13, with what Colab brings in versions that must stay."""

import json
import os
import subprocess
import sys
from pathlib import Path

import bases

ROOT = Path(__file__).resolve().parents[2]
BROUGHT = ("numpy==2.2.6", "pandas==2.2.3", "matplotlib==3.10.3")  # older than the analysis's own pins


def test_the_install_cell_works_on_a_clean_python_and_leaves_what_is_there(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("dyno_bench-*.whl")
    subprocess.run([bases.interpreter("3.13") / "bin/python3", "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env/bin/python3"
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([python, "-m", "pip", "install", "--quiet", *BROUGHT], check=True, env=env)
    book = json.loads((ROOT / "notebooks/colab.ipynb").read_text())
    (cell,) = ["".join(cell["source"]) for cell in book["cells"] if "SOURCE = " in "".join(cell["source"]) and cell["cell_type"] == "code"]
    # torch, which timm asks for, is Colab's: a folder that says so stands for its 3 GB
    site = Path(subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True).strip())
    for name, version in (("torch", "2.9.0"), ("torchvision", "0.24.0")):
        folder = site / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (folder / "INSTALLER").write_text("pip\n")
        (folder / "RECORD").write_text("")
    done = subprocess.run([python, "-c", cell], cwd=tmp_path, env=dict(env, DYNO_SOURCE=str(wheel)), text=True, capture_output=True)
    assert done.returncode == 0 and done.stdout.startswith("dyno "), done.stderr
    frozen = subprocess.check_output([python, "-m", "pip", "freeze"], env=env, text=True)
    assert all(requirement in frozen for requirement in (*BROUGHT, "torch==2.9.0"))
    usage = subprocess.run([python, "-m", "runner", "report", "--help"], cwd=tmp_path, env=env, text=True, capture_output=True)
    assert usage.returncode == 0, usage.stderr
