"""matrix.yaml: what to measure. Loading it checks everything that can be checked without a framework.

Every error is one line: file, place, what was found, what would do.
"""

import difflib
import os
import re
import reprlib
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Tuple

import yaml

from runner import backends
from runner.errors import MatrixError
from runner.networks import datasets, preprocessing, sources
from runner.networks.spec import ModelSpec
from runner.plan.protocol import CHOICES, KINDS, LIMITS, Protocol

PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "int8")
SCENARIOS = ("latency", "throughput")
AXES = ("backend", "model", "precision", "batch_size", "input_px", "scenario")
MAX_BYTES = 1 << 20
MAX_CELLS = 200000  # a file of some kilobytes can ask for millions, which nobody lives to see measured
TAGS = re.compile(r"^IMAGENET1K_\w+$")  # of published weights, as torchvision names them; of a single model any tag is taken

# name: (type, smallest, largest) of the section `accuracy` (see runner.measure.accuracy); what is not given is known or found out
ACCURACY: Dict[str, Tuple[Any, Any, Any]] = {
    "data": (str, None, None),  # folder of class folders, or CIFAR's
    "format": (str, None, None),
    "classes": (str, None, None),  # file with one folder's name a line, where their sorted order isn't the network's
    "limit": (int, 1, 10**9),  # images; the first ones of an order that no class follows
    "batch_size": (int, 1, 65536),
    "resize_px": (int, 1, 16384),  # shorter side, before the crop; this and the rest stand for all networks
    "interpolation": (str, None, None),
    "mean": (list, -10, 10),
    "std": (list, 1e-6, 10),
}


@dataclass(frozen=True)
class Exclusion:
    """Cells that match every field of ``when`` are left out, for ``reason``."""

    when: Dict
    reason: str


@dataclass(frozen=True)
class Matrix:
    """What to measure: ``blocks`` of axes whose products are united; ``models`` maps label to ModelSpec."""

    protocol: Protocol
    blocks: Tuple
    exclude: Tuple
    models: Dict
    accuracy: Dict = field(default_factory=dict)


def load(path, profile=None):
    """The Matrix of a file, with one of its profiles applied; raises MatrixError."""
    try:
        if os.path.getsize(path) > MAX_BYTES:
            raise MatrixError("%s: larger than 1 MiB; a matrix is a short file" % path)
        with open(path, "rb") as file:
            text = file.read().decode("utf-8")
    except OSError as error:
        raise MatrixError("%s: %s" % (path, error.strerror))
    except UnicodeDecodeError as error:
        raise MatrixError("%s: not UTF-8 text (byte %d)" % (path, error.start))
    return parse(text, os.path.basename(path), profile)


def parse(text, name="matrix.yaml", profile=None):
    """As load(), from text."""
    tree = _yaml(text, name)
    where = name
    _mapping(tree, where, ("protocol", "axes", "exclude", "profiles", "accuracy"))
    accuracy = _accuracy(tree.get("accuracy", {}), where + ": accuracy")
    profiles = _mapping(tree.get("profiles", {}), where + ": profiles")
    checked = {key: _profile(value, "%s: profiles.%s" % (where, key)) for key, value in profiles.items()}
    protocol = _protocol(tree.get("protocol", {}), where + ": protocol")
    base = _block(tree.get("axes", {}), where + ": axes")
    blocks = [base]
    exclude = _exclusions(tree.get("exclude", []), where + ": exclude")
    if profile is not None:
        if profile not in checked:
            found = "profile %s is unknown" % _show(profile)
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
                defaults = {"precision": ["fp32"], "batch_size": [1], "input_px": [224], "scenario": ["latency"]}
                if axis not in defaults:
                    raise MatrixError("%s: axes.%s: missing; give a list" % (where, axis))
                block[axis] = defaults[axis]
        for spec in block["model"]:
            if spec.weights is None:
                spec = replace(spec, weights=full.weights)
            if specs.setdefault(spec.title, spec) != spec:
                raise MatrixError("%s: axes.model: two models are called %s; give one a label" % (where, _show(spec.title)))
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


def _yaml(text, name):
    try:
        tree = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = "line %d, column %d" % (mark.line + 1, mark.column + 1) if mark else "file"
        raise MatrixError("%s: %s: %s" % (name, at, error.problem or error.context))
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError, TypeError, AttributeError) as error:
        first = (str(error).splitlines() or ["?"])[0]
        raise MatrixError("%s: not readable as YAML: %s" % (name, first or type(error).__name__))
    if tree is None:
        raise MatrixError("%s: empty; give at least axes.backend and axes.model" % name)
    return tree


class _Loader(yaml.SafeLoader):
    """A SafeLoader that refuses duplicate keys."""


def _unique_mapping(loader, node):
    mapping = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, (str, int, float, bool)) and key is not None:
            raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
        if key in mapping:
            raise yaml.constructor.ConstructorError(None, None, "%s appears twice; keep one" % _show(key), key_node.start_mark)
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def _show(value):
    """A value as an error shows it: one short line."""
    plain = isinstance(value, str) and value and value.isprintable() and value.strip() == value
    text = value if plain else reprlib.repr(value)  # repr() of nested aliases can be endless
    return text if len(text) <= 60 else text[:57] + "..."


def choose(found, word, choices):
    near = difflib.get_close_matches(str(word), [str(choice) for choice in choices], 1, 0.6)
    if near:
        return "%s; did you mean %s?" % (found, near[0])
    if len(choices) > 12:
        return found
    return "%s; choose from %s" % (found, ", ".join(str(choice) for choice in choices))


def _mapping(value, where, keys=None):
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise MatrixError("%s: found %s, a %s; give a mapping" % (where, _show(value), _kind(value)))
    for key in value:
        if not isinstance(key, str):
            raise MatrixError("%s: the key %s is no word; give names" % (where, _show(key)))
        if keys and key not in keys:
            raise MatrixError("%s: %s" % (where, choose("key %s is unknown" % _show(key), key, keys)))
    return value


def _kind(value):
    names = {dict: "mapping", list: "list", str: "text", bool: "true/false", int: "whole number", float: "number", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def _profile(value, where):
    value = _mapping(value, where, ("protocol", "axes", "exclude"))
    axes = value.get("axes", [])
    blocks = axes if isinstance(axes, list) else [axes]
    return {
        "protocol": _protocol(value.get("protocol", {}), where + ".protocol"),
        "axes": [
            _block(block, "%s.axes" % where + ("[%d]" % index if isinstance(axes, list) else "")) for index, block in enumerate(blocks)
        ],
        "exclude": _exclusions(value.get("exclude", []), where + ".exclude"),
    }


def _protocol(value, where):
    result = {}
    for key, given in _mapping(value, where, tuple(KINDS)).items():
        kind = KINDS[key]
        place = "%s.%s" % (where, key)
        if kind is float and type(given) is int:
            given = float(given)
        if type(given) is not kind:
            raise MatrixError("%s: found %s, a %s; give a %s" % (place, _show(given), _kind(given), _kind(kind())))
        if key in LIMITS and not LIMITS[key][0] <= given <= LIMITS[key][1]:
            raise MatrixError("%s: %s is out of range; give %s to %s" % ((place, _show(given)) + LIMITS[key]))
        if key in CHOICES and given not in CHOICES[key] and not (key == "weights" and TAGS.match(given)):
            raise MatrixError("%s: %s" % (place, choose("%s is unknown" % _show(given), given, CHOICES[key])))
        result[key] = given
    return result


def _accuracy(value, where):
    choices = {"format": datasets.FORMATS, "interpolation": tuple(sorted(preprocessing.INTERPOLATIONS))}
    for key, given in _mapping(value, where, tuple(ACCURACY)).items():
        place, (kind, low, high) = "%s.%s" % (where, key), ACCURACY[key]
        if type(given) is not kind or given == "":
            raise MatrixError("%s: found %s, a %s; give a %s" % (place, _show(given), _kind(given), _kind(kind())))
        if kind is str:
            _printable(given, place)
        if key in choices and given not in choices[key]:
            raise MatrixError("%s: %s" % (place, choose("%s is unknown" % _show(given), given, choices[key])))
        if kind is int and not low <= given <= high:
            raise MatrixError("%s: %s is out of range; give %s to %s" % (place, _show(given), low, high))
        if kind is list and (len(given) != 3 or any(type(one) not in (int, float) or not low <= one <= high for one in given)):
            raise MatrixError("%s: found %s; give three numbers from %g to %g, of red, green and blue" % (place, _show(given), low, high))
    if value and "data" not in value:
        raise MatrixError("%s.data: missing; give the folder of the labelled images" % where)
    return dict(value or {})


def _block(value, where):
    block = {}
    for axis, given in _mapping(value, where, AXES).items():
        place = "%s.%s" % (where, axis)
        values = given if isinstance(given, list) else [given]
        if given is None or not values:
            raise MatrixError("%s: empty; give at least one value" % place)
        if len(values) > 10000:
            raise MatrixError("%s: %d values; give at most 10000" % (place, len(values)))
        block[axis] = [_axis_value(axis, item, place) for item in values]
        seen = set()
        for item in block[axis]:
            key = item.title if axis == "model" else item
            if key in seen:
                raise MatrixError("%s: %s appears twice; keep one" % (place, _show(key)))
            seen.add(key)
    return block


def _axis_value(axis, value, place):
    if axis == "model":
        return _model(value, place)
    if axis in ("batch_size", "input_px"):
        if axis == "input_px" and value == "native":
            return value
        if type(value) is not int:
            raise MatrixError("%s: found %s, a %s; give a whole number" % (place, _show(value), _kind(value)))
        high = 65536 if axis == "batch_size" else 8192
        if not 1 <= value <= high:
            raise MatrixError("%s: %s is out of range; give 1 to %d" % (place, value, high))
        return value
    if not isinstance(value, str):
        raise MatrixError("%s: found %s, a %s; give a name" % (place, _show(value), _kind(value)))
    if axis == "backend":
        base, _, variant = value.partition(":")
        if base not in backends.names():
            raise MatrixError("%s: %s" % (place, choose("%s is unknown" % _show(value), base, backends.names())))
        variants = backends.declared(base).variants
        if ":" in value and variant not in variants:
            choices = ["%s:%s" % (base, known) for known in variants] or [base]
            raise MatrixError("%s: %s" % (place, choose("%s is unknown" % _show(value), value, choices)))
        return value
    known = PRECISIONS if axis == "precision" else SCENARIOS
    if value not in known:
        raise MatrixError("%s: %s" % (place, choose("%s is unknown" % _show(value), value, known)))
    return value


def _model(value, place):
    fields = {"name": value} if isinstance(value, str) else value
    fields = _mapping(fields, place, ("name", "weights", "num_classes", "input_px", "label"))
    types: Dict[str, Any] = {"name": str, "weights": str, "num_classes": int, "input_px": int, "label": str}
    for key, given in fields.items():
        if type(given) is not types[key] or given in ("", 0) or (types[key] is int and not 1 <= given <= 10**6):
            raise MatrixError("%s: %s: found %s, a %s; give a %s" % (place, key, _show(given), _kind(given), _kind(types[key]())))
        if isinstance(given, str):
            _printable(given, "%s: %s" % (place, key))
    if "name" not in fields:
        raise MatrixError("%s: a model has no name; give name" % place)
    name = fields["name"]
    if not sources.known(name):
        near = sources.suggest(name)
        hint = "did you mean %s?" % near if near else "`dyno models` lists them; timm:NAME, onnx:PATH and module:function are taken too"
        raise MatrixError("%s: %s is unknown; %s" % (place, _show(name), hint))
    return ModelSpec(**dict({"weights": None}, **fields))


def _printable(text, where):
    """MatrixError for a text with characters that no name of a file or network has."""
    strange = [char for char in text if ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) < 0xE000]
    if strange:
        raise MatrixError("%s: %s has the control character U+%04X; leave it out" % (where, _show(text), ord(strange[0])))


def _exclusions(value, where):
    if value is None:
        return []
    if not isinstance(value, list):
        raise MatrixError("%s: found %s, a %s; give a list" % (where, _show(value), _kind(value)))
    result = []
    for index, item in enumerate(value):
        place = "%s[%d]" % (where, index)
        item = _mapping(item, place, ("when", "reason"))
        when = _mapping(item.get("when"), place + ".when", AXES + ("platform", "device"))
        reason = item.get("reason")
        if not when:
            raise MatrixError("%s.when: empty; name at least one axis" % place)
        if not isinstance(reason, str) or not reason.strip():
            raise MatrixError("%s.reason: missing; every exclusion says why" % place)
        checked = {}
        for key, given in when.items():
            values = given if isinstance(given, list) else [given]
            if not values:
                raise MatrixError("%s.when.%s: empty; give at least one value" % (place, key))
            if any(isinstance(one, (dict, list)) or one is None for one in values):
                raise MatrixError("%s.when.%s: found %s; give a value or a list of values" % (place, key, _show(given)))
            if key in AXES and key != "model":
                values = [_axis_value(key, one, "%s.when.%s" % (place, key)) for one in values]
            checked[key] = tuple(values)
        result.append(Exclusion(checked, reason.strip()))
    return result
