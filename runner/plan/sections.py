"""The sections of matrix.yaml, each checked as far as it can be without a framework."""

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Set, Tuple

from runner import backends
from runner.errors import MatrixError
from runner.networks import datasets, preprocessing, sources
from runner.networks.spec import ModelSpec
from runner.plan.protocol import CHOICES, KINDS, LIMITS
from runner.plan.wording import choose, kind, mapping, printable, show

PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "int8")
SCENARIOS = ("latency", "throughput")
AXES = ("backend", "model", "precision", "batch_size", "input_px", "scenario")
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

    when: Dict[str, Tuple[Any, ...]]
    reason: str


def profile(value: Any, where: str) -> Dict[str, Any]:
    """A profile: ``protocol``, ``axes`` (blocks) and ``exclude``. This and the other sections raise MatrixError."""
    value = mapping(value, where, ("protocol", "axes", "exclude"))
    axes = value.get("axes", [])
    blocks = axes if isinstance(axes, list) else [axes]
    return {
        "protocol": protocol(value.get("protocol", {}), where + ".protocol"),
        "axes": [block(one, "%s.axes" % where + ("[%d]" % index if isinstance(axes, list) else "")) for index, one in enumerate(blocks)],
        "exclude": exclusions(value.get("exclude", []), where + ".exclude"),
    }


def protocol(value: Any, where: str) -> Dict[str, Any]:
    """The fields of a Protocol that are given."""
    result: Dict[str, Any] = {}
    for key, given in mapping(value, where, tuple(KINDS)).items():
        wanted = KINDS[key]
        place = "%s.%s" % (where, key)
        if type(given) is not wanted and not (wanted is float and type(given) is int):
            would_do = "choose from " + ", ".join(CHOICES[key]) if key in CHOICES else "give a " + kind(wanted())
            raise MatrixError("%s: found %s, a %s; %s" % (place, show(given), kind(given), would_do))
        if key in LIMITS and not LIMITS[key][0] <= given <= LIMITS[key][1]:
            raise MatrixError("%s: %s is out of range; give %s to %s" % ((place, show(given)) + LIMITS[key]))
        if key in CHOICES and given not in CHOICES[key] and not (key == "weights" and TAGS.match(given)):
            raise MatrixError("%s: %s" % (place, choose("%s is unknown" % show(given), given, CHOICES[key])))
        result[key] = wanted(given)  # after the limits: a number of 400 digits is no float
    return result


def accuracy(value: Any, where: str) -> Dict[str, Any]:
    """What is given of ACCURACY."""
    choices = {"format": datasets.FORMATS, "interpolation": tuple(sorted(preprocessing.INTERPOLATIONS))}
    for key, given in mapping(value, where, tuple(ACCURACY)).items():
        place, (wanted, low, high) = "%s.%s" % (where, key), ACCURACY[key]
        if type(given) is not wanted or given == "":
            raise MatrixError("%s: found %s, a %s; give a %s" % (place, show(given), kind(given), kind(wanted())))
        if wanted is str:
            printable(given, place)
        if key in choices and given not in choices[key]:
            raise MatrixError("%s: %s" % (place, choose("%s is unknown" % show(given), given, choices[key])))
        if wanted is int and not low <= given <= high:
            raise MatrixError("%s: %s is out of range; give %s to %s" % (place, show(given), low, high))
        if wanted is list and (len(given) != 3 or any(type(one) not in (int, float) or not low <= one <= high for one in given)):
            raise MatrixError("%s: found %s; give three numbers from %g to %g, of red, green and blue" % (place, show(given), low, high))
    if value and "data" not in value:
        raise MatrixError("%s.data: missing; give the folder of the labelled images" % where)
    return dict(value or {})


def block(value: Any, where: str) -> Dict[str, List[Any]]:
    """The axes that are given, as lists without repeats."""
    found: Dict[str, List[Any]] = {}
    for axis, given in mapping(value, where, AXES).items():
        place = "%s.%s" % (where, axis)
        values = given if isinstance(given, list) else [given]
        if given is None or not values:
            raise MatrixError("%s: empty; give at least one value" % place)
        if len(values) > 10000:
            raise MatrixError("%s: %d values; give at most 10000" % (place, len(values)))
        found[axis] = [axis_value(axis, item, place) for item in values]
        seen: Set[Any] = set()
        for item in found[axis]:
            key = item.title if axis == "model" else item
            if key in seen:
                raise MatrixError("%s: %s appears twice; keep one" % (place, show(key)))
            seen.add(key)
    return found


def axis_value(axis: str, value: Any, place: str) -> Any:
    """One value of an axis; a ModelSpec of a model."""
    if axis == "model":
        return model(value, place)
    if axis in ("batch_size", "input_px"):
        if axis == "input_px" and value == "native":
            return value
        if type(value) is not int:
            raise MatrixError("%s: found %s, a %s; give a whole number" % (place, show(value), kind(value)))
        high = 65536 if axis == "batch_size" else 8192
        if not 1 <= value <= high:
            raise MatrixError("%s: %s is out of range; give 1 to %d" % (place, show(value), high))
        return value
    if not isinstance(value, str):
        raise MatrixError("%s: found %s, a %s; give a name" % (place, show(value), kind(value)))
    if axis == "backend":
        base, _, variant = value.partition(":")
        if base not in backends.names():
            raise MatrixError("%s: %s" % (place, choose("%s is unknown" % show(value), base, backends.names())))
        variants = backends.declared(base).variants
        if ":" in value and variant not in variants:
            choices = ["%s:%s" % (base, known) for known in variants] or [base]
            raise MatrixError("%s: %s" % (place, choose("%s is unknown" % show(value), value, choices)))
        return value
    known = PRECISIONS if axis == "precision" else SCENARIOS
    if value not in known:
        raise MatrixError("%s: %s" % (place, choose("%s is unknown" % show(value), value, known)))
    return value


def model(value: Any, place: str) -> ModelSpec:
    """A network by its name, or a mapping of what a ModelSpec holds."""
    fields = {"name": value} if isinstance(value, str) else value
    fields = mapping(fields, place, ("name", "weights", "num_classes", "input_px", "label"))
    types: Dict[str, Any] = {"name": str, "weights": str, "num_classes": int, "input_px": int, "label": str}
    for key, given in fields.items():
        if type(given) is not types[key] or given in ("", 0) or (types[key] is int and not 1 <= given <= 10**6):
            raise MatrixError("%s: %s: found %s, a %s; give a %s" % (place, key, show(given), kind(given), kind(types[key]())))
        if isinstance(given, str):
            printable(given, "%s: %s" % (place, key))
    if "name" not in fields:
        raise MatrixError("%s: a model has no name; give name" % place)
    name = fields["name"]
    if not sources.known(name):
        near = sources.suggest(name)
        hint = "did you mean %s?" % near if near else "`dyno models` lists them; timm:NAME, onnx:PATH and module:function are taken too"
        raise MatrixError("%s: %s is unknown; %s" % (place, show(name), hint))
    return ModelSpec(**dict({"weights": None}, **fields))


def exclusions(value: Any, where: str) -> List[Exclusion]:
    """The list of what is left out."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise MatrixError("%s: found %s, a %s; give a list" % (where, show(value), kind(value)))
    result = []
    for index, item in enumerate(value):
        place = "%s[%d]" % (where, index)
        item = mapping(item, place, ("when", "reason"))
        when = mapping(item.get("when"), place + ".when", AXES + ("platform", "device"))
        reason = item.get("reason")
        if not when:
            raise MatrixError("%s.when: empty; name at least one axis" % place)
        if not isinstance(reason, str) or not reason.strip():
            raise MatrixError("%s.reason: missing; every exclusion says why" % place)
        checked: Dict[str, Tuple[Any, ...]] = {}
        for key, given in when.items():
            values = given if isinstance(given, list) else [given]
            if not values:
                raise MatrixError("%s.when.%s: empty; give at least one value" % (place, key))
            if any(isinstance(one, (dict, list)) or one is None for one in values):
                raise MatrixError("%s.when.%s: found %s; give a value or a list of values" % (place, key, show(given)))
            if key in AXES and key != "model":
                values = [axis_value(key, one, "%s.when.%s" % (place, key)) for one in values]
            checked[key] = tuple(values)
        result.append(Exclusion(checked, reason.strip()))
    return result
