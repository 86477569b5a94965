"""Clock of a Jetson's GPU through devfreq (nvgpu: 57000000.gpu, 17000000.gv11b, 17000000.ga10b, gpu-gpc-0), and its load.

The governor lowers the clock of an idle GPU; only a maximum below the hardware's own while it is busy would show a cap.
"""

import re
from typing import Any, Dict, List, Optional

from runner.machine import sysfs
from runner.sensors import base

GPU = re.compile(r"(\.gpu|\.g[vabp]\d+[b]?|gpu-gpc-\d+)$")


class Sensor(base.Sensor):
    def available(self) -> Optional[str]:
        self.gpus = {path.rpartition("/")[2]: path for path in sysfs.find(self.root, "sys/class/devfreq/*") if GPU.search(path)}
        return None if self.gpus else "no GPU under devfreq: not a Jetson"

    def take(self, at_s: float) -> None:
        values = {}
        for name, path in self.gpus.items():
            values[name] = sysfs.number(self.root, path + "/cur_freq")
            values[name + " load"] = sysfs.number(self.root, path + "/device/load")  # per mille
            if values[name] is None:
                raise OSError("%s/cur_freq can no longer be read" % path)
        self.samples.add(at_s, values)

    def read(self, begin_s: Optional[float] = None, end_s: Optional[float] = None) -> Dict[str, Any]:
        columns = self.samples.within(begin_s, end_s)
        readings: Dict[str, Any] = {"gpus": {name: self._gpu(name, path, columns) for name, path in self.gpus.items()}}
        reason = self.samples.why_none(begin_s, end_s, bool(columns))
        if reason:
            readings["reason"] = reason
        return readings

    def _gpu(self, name: str, path: str, columns: Dict[str, List[Any]]) -> Dict[str, Any]:
        load = base.summary([per_mille / 1000.0 for per_mille in columns.get(name + " load", [])])
        low, high = (sysfs.number(self.root, path + "/" + kind) for kind in ("min_freq", "max_freq"))
        return {
            "clock_hz": base.summary(columns.get(name, [])),
            "min_clock_hz": low,
            "max_clock_hz": high,
            "locked": low is not None and low == high,  # jetson_clocks sets both alike
            "load_share": load,
        }
