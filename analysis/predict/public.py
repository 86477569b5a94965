"""Public machines as sources: what the catalogue knows of them, as tables that a transfer starts from.

Their times are per image at the batch size of the public table (large on GPUs, 1 on CPUs); the ratio to a device's own times is what is learnt, so a
source at another batch size is only a less certain one.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from analysis.data import catalogue
from analysis.data.families import family
from analysis.predict import law
from analysis.predict.blend import Source
from analysis.predict.networks import Networks, networks
from analysis.predict.predictor import folds
from analysis.predict.tables import key

UNKNOWN_FOLDS = 8
UNLIKE_BATCH = 8.0
METHOD = law.Method("groups", 0.003)
# A family runs oddly where its median is off the law of the others by so much in logarithms, and by so many robust standard deviations: the usual interval is 0.3 wide.
ODD, ODD_SD = 0.25, 1.35
ODD_FOLDS = 4  # of families, each expected from the others


@dataclass(frozen=True, eq=False)
class Machine:
    """A public machine: networks at the table's batch sizes, log seconds per image, and how well networks that it lacks are guessed (sd of the log)."""

    name: str
    device: str
    kind: str  # cpu, gpu
    nets: Networks
    log: np.ndarray

    def __str__(self) -> str:
        return f"{self.device} ({self.name})"

    def source(self, unlike: bool) -> Source:
        """The machine as a source; `unlike`: it is another kind of processor than the device, or ran at far larger batches."""
        return Source(str(self), self.nets, self.source_log, unlike, names=frozenset(_by_name(self)))

    def source_log(self, n: Networks) -> tuple[np.ndarray, np.ndarray]:
        """Log seconds per image of any networks on this machine, and its standard deviation: 0 where the public table has the network."""
        found = _by_name(self)
        at = [found.get(name) for name in n.model]
        missing = np.array([i is None for i in at])
        log = np.array([np.nan if i is None else self.log[i] for i in at])
        sd = np.zeros(len(n))
        if missing.any():
            log[missing], sd[missing] = _guess(self, n[missing])
        return log, sd


@functools.cache
def machines() -> tuple[Machine, ...]:
    """Every public machine of the catalogue."""
    known = catalogue.load()
    joined = known.times.merge(known.graphs, on=["model", "input_px"])
    out = []
    for about in known.machines.to_dict("records"):
        rows = joined[joined["machine"] == about["machine"]]
        features = [catalogue.complexity(row) for row in rows.to_dict("records")]
        names = [key(model, px) for model, px in zip(rows["model"], rows["input_px"], strict=True)]
        nets = networks(features, rows["batch_size"].to_numpy(float), names, [family(model) for model in rows["model"]])
        out.append(Machine(about["machine"], about["device"], about["kind"], nets, -np.log(rows["images_per_s"].to_numpy(float))))
    return tuple(out)


def unlike(machine: Machine, kind: str, batch_size: float) -> bool:
    """Whether a machine tells little of a device: of another kind (cpu, gpu), or at batch sizes of another regime."""
    return machine.kind != kind or bool(abs(np.log(batch_size / np.median(machine.nets.batch))) > np.log(UNLIKE_BATCH))


def without(device: str, among: Iterable[Machine] | None = None) -> list[Machine]:
    """Public machines that are not the named device, whatever the version of the software, layout or precision."""
    return [machine for machine in (machines() if among is None else among) if not same_device(device, machine)]


def same_device(name: str, machine: Machine) -> bool:
    """Whether a name (of a device, or of a result file in timm's form) speaks of the machine's device: rtx3090, i9_10940x, `NVIDIA GeForce RTX 3090`."""
    squeezed = re.sub(r"[^a-z0-9]", "", name.lower())
    model = re.sub(r"[^a-z0-9]", "", re.sub(r"(?i)nvidia|geforce|intel|core|amd", "", machine.device).lower())
    return model in squeezed


def hiding(machine: Machine, models: Iterable[str]) -> Machine:
    """The machine as if these networks had never been timed on it."""
    keep = ~np.isin(machine.nets.model.astype(str), [str(model) for model in models])
    return replace(machine, nets=machine.nets[keep], log=machine.log[keep])


@functools.cache
def odd_families(kind: str) -> dict[str, float]:
    """Families that run oddly on public machines of a kind: the largest of their median logs of time over what a law that never saw them says there."""
    found: dict[str, float] = {}
    for machine in machines():
        if machine.kind != kind:
            continue
        off = _off(machine)
        least = max(ODD, ODD_SD * 1.48 * float(np.median(np.abs(off))))
        for name in sorted(set(map(str, machine.nets.family))):
            median = float(np.median(off[machine.nets.family == name]))
            if abs(median) > max(least, abs(found.get(name, 0.0))):
                found[name] = median
    return found


def _off(machine: Machine) -> np.ndarray:
    """Logs of each network's time over what is expected of it by a law fitted to other families."""
    nets, y, ones = machine.nets, np.exp(machine.log) * machine.nets.batch, np.ones(len(machine.log))
    seen, fold, off = law.view(nets, nets), folds(nets.family, ODD_FOLDS), np.empty(len(y))
    for k in range(fold.max() + 1):
        out = fold == k
        off[out] = (np.log(y) - law.fit([METHOD], np.ones(1), seen, y, ones, ~out, relatives=False).log(seen))[out]
    return off


@functools.cache
def _by_name(machine: Machine) -> dict[str, int]:
    """Where each network stands, by its name and by the names of networks with the very same graph (resnet50 of torchvision and of timm)."""
    found = {str(name): i for i, name in enumerate(machine.nets.model)}
    for name, same in _twins().items():
        if same in found:
            found.setdefault(name, found[same])
    return found


@functools.cache
def _twins() -> dict[str, str]:
    """Names of torchvision's and HarDNet's graphs -> the name of timm's graph with exactly the same operators."""
    graphs = catalogue.load().graphs
    names = [key(model, px) for model, px in zip(graphs["model"], graphs["input_px"], strict=True)]
    prints = list(map(tuple, graphs.drop(columns="model").to_numpy()))
    theirs = {mark: name for name, mark in zip(names, prints, strict=True) if name.startswith("timm:")}
    return {name: theirs[mark] for name, mark in zip(names, prints, strict=True) if not name.startswith("timm:") and mark in theirs}


@functools.cache
def _law(machine: Machine) -> tuple[law.Law, float, float]:
    """The law of a whole public table, the standard deviation of its errors on a left-out eighth, and the table's usual batch size."""
    nets = machine.nets
    seen, y, ones = law.view(nets, nets), np.exp(machine.log) * nets.batch, np.ones(len(nets))
    out = np.random.default_rng(0).integers(0, UNKNOWN_FOLDS, len(y)) == 0
    part = law.fit([METHOD], np.ones(1), seen, y, ones, ~out)
    errors = np.log(y[out]) - part.log(seen[out])
    sd = float(np.sqrt(np.mean(np.clip(errors, -0.7, 0.7) ** 2)))
    return law.fit([METHOD], np.ones(1), seen, y, ones, np.ones(len(y), bool)), sd, float(np.median(nets.batch))


def _guess(machine: Machine, n: Networks) -> tuple[np.ndarray, np.ndarray]:
    """Log seconds per image of networks that the public table lacks, at the table's usual batch size."""
    whole, sd, batch = _law(machine)
    at = Networks(n.macs, n.bytes, n.out, n.count, n.params, np.full(len(n), batch), n.model, n.family)
    return whole.log(law.view(at, machine.nets)) - np.log(batch), np.full(len(n), sd)
