"""matrix.yaml: what to measure. Loading it checks everything that can be checked without a framework.

Every error is one line: file, place, what was found, what would do.
"""

import os
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Optional, Tuple

from runner import files
from runner.errors import MatrixError
from runner.networks.spec import ModelSpec
from runner.plan import sections, yaml_text
from runner.plan.protocol import Protocol
from runner.plan.sections import AXES, Exclusion
from runner.plan.wording import choose, mapping, show

MAX_BYTES = 1 << 20
MAX_CELLS = 200000  # a file of some kilobytes can ask for millions, which nobody lives to see measured
DEFAULTS: Dict[str, Any] = {"precision": ["fp32"], "batch_size": [1], "input_px": [224], "scenario": ["latency"]}


@dataclass(frozen=True)
class Matrix:
    """What to measure: ``blocks`` of axes whose products are united; ``models`` maps label to ModelSpec."""

    protocol: Protocol
    blocks: Tuple[Dict[str, Any], ...]
    exclude: Tuple[Exclusion, ...]
    models: Dict[str, ModelSpec]
    accuracy: Dict[str, Any] = field(default_factory=dict)


def load(path: str, profile: Optional[str] = None) -> Matrix:
    """The Matrix of a file, with one of its profiles applied; raises MatrixError."""
    try:
        text = files.read_text(path, MAX_BYTES)
    except FileNotFoundError:
        raise MatrixError("%s: no such file; name a matrix with --matrix (Dyno's own matrix.yaml is a commented example)" % path)
    except OSError as error:
        raise MatrixError("%s: %s" % (path, error.strerror))
    except UnicodeDecodeError as error:
        raise MatrixError("%s: not UTF-8 text (byte %d)" % (path, error.start))
    return parse(text, os.path.basename(path), profile)


def parse(text: str, name: str = "matrix.yaml", profile: Optional[str] = None) -> Matrix:
    """As load(), from text."""
    tree = yaml_text.tree(text, name)
    where = name
    mapping(tree, where, ("protocol", "axes", "exclude", "profiles", "accuracy"))
    accuracy = sections.accuracy(tree.get("accuracy", {}), where + ": accuracy")
    profiles = mapping(tree.get("profiles", {}), where + ": profiles")
    checked = {key: sections.profile(value, "%s: profiles.%s" % (where, key)) for key, value in profiles.items()}
    protocol = sections.protocol(tree.get("protocol", {}), where + ": protocol")
    base = sections.block(tree.get("axes", {}), where + ": axes")
    blocks = [base]
    exclude = sections.exclusions(tree.get("exclude", []), where + ": exclude")
    if profile is not None:
        if profile not in checked:
            found = "profile %s is unknown" % show(profile)
            raise MatrixError(
                "%s: %s" % (name, choose(found, profile, sorted(checked)) if checked else found + "; the file has no profiles")
            )
        chosen = checked[profile]
        protocol.update(chosen["protocol"])
        exclude += chosen["exclude"]
        if chosen["axes"]:
            blocks = [dict(base, **block) for block in chosen["axes"]]
    full = Protocol(**protocol)
    if full.max_samples < full.min_samples:
        raise MatrixError("%s: protocol.max_samples: %d is below min_samples, %d" % (where, full.max_samples, full.min_samples))
    specs: Dict[str, ModelSpec] = {}
    for index, block in enumerate(blocks):
        for axis in AXES:
            if axis not in block:
                if axis not in DEFAULTS:
                    raise MatrixError("%s: axes.%s: missing; give a list" % (where, axis))
                block[axis] = DEFAULTS[axis]
        for spec in block["model"]:
            if spec.weights is None:
                spec = replace(spec, weights=full.weights)
            if specs.setdefault(spec.title, spec) != spec:
                raise MatrixError("%s: axes.model: two models are called %s; give one a label" % (where, show(spec.title)))
        blocks[index] = dict(block, model=[spec.title for spec in block["model"]])
    cells = 0
    for block in blocks:
        product = 1
        for axis in AXES:
            product *= len(block[axis])
        cells += product
    if cells > MAX_CELLS:
        raise MatrixError("%s: axes: %s cells; give at most %s" % (where, format(cells, ","), format(MAX_CELLS, ",")))
    return Matrix(full, tuple(blocks), tuple(exclude), specs, accuracy)
