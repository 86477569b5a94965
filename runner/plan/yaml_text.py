"""Reading YAML that may come from anywhere: every error is one line."""

from typing import Any, Dict

import yaml

from runner.errors import MatrixError
from runner.plan.wording import show


def tree(text: str, name: str) -> Any:
    """What a YAML text says; MatrixError with the line of what can't be read, of a key that appears twice, and where there is nothing."""
    try:
        found = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = "line %d, column %d" % (mark.line + 1, mark.column + 1) if mark else "file"
        raise MatrixError("%s: %s: %s" % (name, at, error.problem or error.context))
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError, TypeError, AttributeError) as error:
        first = (str(error).splitlines() or ["?"])[0]
        raise MatrixError("%s: not readable as YAML: %s" % (name, first or type(error).__name__))
    if found is None:
        raise MatrixError("%s: empty; give at least axes.backend and axes.model" % name)
    return found


LONGEST_NUMBER = 400  # characters; Python itself takes no decimal of more than 4300 digits, and a hexadecimal one that it can't print


class _Loader(yaml.SafeLoader):
    """A SafeLoader that refuses duplicate keys and endless numbers."""


def _short_int(loader: Any, node: Any) -> int:
    if len(node.value) > LONGEST_NUMBER:
        raise yaml.constructor.ConstructorError(
            None, None, "a number of %d characters; none is that large" % len(node.value), node.start_mark
        )
    return yaml.SafeLoader.construct_yaml_int(loader, node)


_Loader.add_constructor("tag:yaml.org,2002:int", _short_int)


def _unique_mapping(loader: Any, node: Any) -> Dict[Any, Any]:
    mapping: Dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, (str, int, float, bool)) and key is not None:
            raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
        if key in mapping:
            raise yaml.constructor.ConstructorError(None, None, "%s appears twice; keep one" % show(key), key_node.start_mark)
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)
