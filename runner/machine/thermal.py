"""Temperatures of the thermal zones."""

from typing import Dict, Optional

from runner.machine import sysfs


def zones(root: str = "/") -> Dict[str, str]:
    """{type: folder} of the zones that read plausibly; those switched off give errors or -256 C, Tegra's PMIC-Die a constant 100 C."""
    found = {}
    for path in sysfs.find(root, "sys/class/thermal/thermal_zone*"):
        name = sysfs.text(root, path + "/type")
        if name and name != "PMIC-Die" and celsius(root, path) is not None:
            found[name if name not in found else "%s (%s)" % (name, path.rpartition("/")[2])] = path
    return found


def celsius(root: str, path: str) -> Optional[float]:
    """Degrees Celsius of a zone's folder; None where it can't be read or is not plausible (-40 to 150)."""
    milli = sysfs.number(root, path + "/temp")
    return milli / 1000.0 if milli is not None and -40000 < milli < 150000 else None


def hottest(root: str = "/") -> Optional[float]:
    """Degrees Celsius of the hottest zone, None where there is none."""
    readings = [celsius(root, path) for path in zones(root).values()]
    return max((value for value in readings if value is not None), default=None)
