"""Lines of kind `imported`: other tools' results, completed by an importer and kept beside the records."""

from collections.abc import Mapping
from typing import Any

KIND = "imported"


def row(record: Mapping[str, Any], stem: str) -> dict[str, Any]:
    """One line of kind `imported` as a row for `frame.finish`; KeyError or TypeError where it is none."""
    facts = dict(record["row"])
    for name in ("platform", "model", "cell_id", "latency_s", "batch_size"):
        facts[name]
    quality = tuple(facts.get("quality") or ())
    return {
        "environment": None,
        "contended": False,
        "replicate_medians_s": (),
        "op_features": None,
        **facts,
        "file": stem,
        "quality": quality,
    }
