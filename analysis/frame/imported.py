"""Lines of kind `imported`: other tools' results, completed by an importer and kept beside the records."""

from collections.abc import Mapping
from typing import Any

from runner.records.check import misfit_imported

KIND = "imported"


def row(record: Mapping[str, Any], stem: str) -> dict[str, Any]:
    """One line of kind `imported` as a row for `frame.finish`; ValueError where it is none."""
    wrong = misfit_imported(record)
    if wrong:
        raise ValueError(wrong)
    facts = dict(record["row"])
    quality = tuple(facts.get("quality") or ())
    return {
        "environment": None,
        "contended": False,
        "replicate_medians_s": (),
        "replicate_rounds": (),
        "op_features": None,
        **facts,
        "source": KIND if facts.get("source") in (None, "", "records") else facts["source"],  # never measured here
        "file": stem,
        "quality": quality,
    }
