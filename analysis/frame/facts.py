"""What recorded facts of a machine are called, and how they are read: words and units instead of a record's keys."""

import re
from collections.abc import Mapping
from numbers import Number
from typing import Any

from analysis.frame.metrics import significant

# Beginning of a key -> what it is called; the first that fits.
CALLED = (
    ("frameworks_", "version of "),
    ("protocol_", "protocol: "),
    ("sensors_absent_", "sensor that is absent: "),
    ("thread_env_", "variable "),
    ("sensors_at_rest_nvml_", "GPU at rest: "),
    ("sensors_at_rest_", "at rest: "),
    ("cpu_clocks_hz_", "CPU clock: "),
)
# End of a key -> (unit, factor).
UNITS = (("_bytes", "GiB", 2**-30), ("_hz", "MHz", 1e-6), ("_w", "W", 1.0), ("_c", "°C", 1.0), ("_s", "s", 1.0), ("_gb", "GB", 1.0))
REST = ("power_w", "temperature_c_median", "sm_clock_hz_median", "throttled", "other_processes")  # of what sensors read before the run
WORDS = {"cpu": "CPU", "cpus": "CPUs", "cpus_online": "CPUs online", "gpu": "GPU", "gpu_driver": "GPU driver", "os": "operating system", "arch": "architecture",
         "sm": "SM", "rapl": "RAPL", "nvml": "NVML", "l4t": "L4T"}  # fmt: skip


def shown(fact: str) -> bool:
    """Whether a reader is told: of the sensors at rest only what says how the machine was."""
    return not fact.startswith("sensors_at_rest_") or fact.endswith(REST)


def called(fact: str) -> str:
    """A key in words, with its unit."""
    for begins, words in CALLED:
        if fact.startswith(begins):
            rest = fact.removeprefix(begins)
            return words + (rest if begins in ("frameworks_", "thread_env_") else _plain(rest))
    return _plain(fact)


def _plain(key: str) -> str:
    if key in WORDS:
        return WORDS[key]
    stem, unit = _unit(key)
    said = " ".join(WORDS.get(word, word) for word in stem.split("_"))
    return f"{said}, {unit[0]}" if unit else said


def _unit(key: str) -> tuple[str, tuple[str, float] | None]:
    key = re.sub(r"_median$", "", key)
    for ends, unit, factor in UNITS:
        if key.endswith(ends):
            return key.removesuffix(ends), (unit, factor)
    return key, None


def read(fact: str, value: Any) -> Any:
    """A value in the unit that `called` names; text of what is nested."""
    if isinstance(value, Mapping):
        return ", ".join(f"{_plain(str(key))} {read(str(key), one)}" for key, one in value.items() if key != "uuid")
    if isinstance(value, (list, tuple)):
        return ", ".join(str(read("", one)) for one in value)
    _, unit = _unit(fact)
    if isinstance(value, str) and not value:
        return None  # an empty list
    if unit is None or isinstance(value, (bool, str)) or not isinstance(value, Number) or value != value:
        return value
    return significant(unit[1] * float(value), 3)  # type: ignore[arg-type]
