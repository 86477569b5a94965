"""Networks as arrays: the work of each operator group per image, and the columns that a cost law is fitted on."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runner.networks.informative import ARITHMETIC, GROUPS, described
from runner.networks.informative import work as work_of

ELEMENT_BYTES = 4
LEAST_SHARE, FACTOR = 0.001, 10  # a group with less of the work can't matter; one with so many times what training had is as good as unseen
# Groups that behave alike: what stands in for one that training never saw.
KIN = (("conv1x1", "conv3x3", "convK", "linear", "bmm"), ("convgrp", "convdw"), ("bn", "ln", "pool", "elem", "copy"))


@dataclass(frozen=True)
class Networks:
    """n networks at a batch size each. macs, bytes, out, count: (n, groups) per image; params, batch: (n,); model, family: n names."""

    macs: np.ndarray
    bytes: np.ndarray
    out: np.ndarray
    count: np.ndarray
    params: np.ndarray
    batch: np.ndarray
    model: np.ndarray
    family: np.ndarray

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, rows: Any) -> "Networks":
        return Networks(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @property
    def total_macs(self) -> np.ndarray:
        """Multiply-adds per batch."""
        return self.macs.sum(1) * self.batch

    @property
    def total_bytes(self) -> np.ndarray:
        """Bytes moved per batch."""
        return self.batch_bytes.sum(1)

    @functools.cached_property
    def batch_bytes(self) -> np.ndarray:
        """Bytes moved per batch by each group, (n, groups): weights, which `bytes` holds once per image, once per batch."""
        return np.asarray(self.bytes * self.batch[:, None] - self._weight_bytes() * (self.batch[:, None] - 1))

    def _weight_bytes(self) -> np.ndarray:
        """Bytes of weights of each group: the parameters, shared out by what each arithmetic group reads (its inputs and weights)."""
        width = np.array([group in ARITHMETIC for group in GROUPS], float)
        reads = np.maximum(self.bytes - ELEMENT_BYTES * self.out, 0) * width
        total = np.maximum(reads.sum(1, keepdims=True), 1)
        return np.asarray(reads * np.minimum(1, ELEMENT_BYTES * self.params[:, None] / total))

    @functools.cached_property
    def described(self) -> np.ndarray:
        """runner.networks.informative's descriptors of every network, (n, descriptors)."""
        return np.asarray(described(self.macs, self.bytes, self.count, self.params))

    def features(self) -> list[dict[str, Any]]:
        """The same as a record's `complexity`: what runner.networks.informative works on."""
        fields = {"macs": self.macs, "bytes": self.bytes, "out": self.out, "count": self.count}
        return [
            {"params": self.params[i], "groups": {g: {f: a[i, j] for f, a in fields.items()} for j, g in enumerate(GROUPS)}}
            for i in range(len(self))
        ]


def networks(
    features: Sequence[Mapping[str, Any]], batch: Sequence[float] | np.ndarray, model: Sequence[str], family: Sequence[str]
) -> Networks:
    """From {"params": .., "groups": {group: {"count", "macs", "bytes", "out"}}} per network, as a record's `complexity` has them."""
    macs, moved, out, count = work_of(features)
    params = np.array([float(f.get("params") or 0) for f in features])
    return Networks(macs, moved, out, count, params, np.asarray(batch, float), np.asarray(model, object), np.asarray(family, object))


def by_group(n: Networks) -> np.ndarray:
    """Columns of the full cost law, per batch: multiply-adds, bytes, outputs and operators of each group, their totals, parameters, 1."""
    batch, moved = n.batch[:, None], n.batch_bytes
    work = [batch * n.macs, moved, batch * n.out, batch * n.macs.sum(1)[:, None], moved.sum(1)[:, None], batch * n.out.sum(1)[:, None]]
    return np.hstack([*work, n.count, n.count.sum(1)[:, None], n.params[:, None], np.ones((len(n), 1))])


def by_kin(n: Networks) -> np.ndarray:
    """Columns of the coarse cost law: the same work summed over groups that behave alike, so that none is missing."""
    merge = np.array([[group in kin for kin in KIN] for group in GROUPS], float)
    batch, moved = n.batch[:, None], n.batch_bytes
    work = [
        batch * (n.macs @ merge[:, :2]),
        moved @ merge,
        batch * n.macs.sum(1)[:, None],
        moved.sum(1)[:, None],
        batch * n.out.sum(1)[:, None],
    ]
    return np.hstack([*work, n.count.sum(1)[:, None], n.params[:, None], np.ones((len(n), 1))])


def by_size(n: Networks) -> np.ndarray:
    """Columns of the coarsest cost law: multiply-adds, bytes, operators, parameters, 1."""
    return np.column_stack([n.total_macs, n.total_bytes, n.count.sum(1), n.params, np.ones(len(n))])


DESIGNS = {"groups": by_group, "kin": by_kin, "size": by_size}


def unseen_groups(known: Networks, n: Networks) -> list[tuple[str, ...]]:
    """Per network, the groups that no network in `known` has, or has only a small fraction as much of, relative to its size."""
    ours, theirs = _shares(n), _shares(known)
    missed = (ours > LEAST_SHARE) & (ours > FACTOR * theirs.max(1, initial=0.0)[:, None, :])
    return [tuple(g for g, miss in zip(GROUPS, row, strict=True) if miss) for row in missed.any(0)]


def _shares(n: Networks) -> np.ndarray:
    """Share of each group in multiply-adds, bytes and operators: (3, n, groups)."""
    return np.array([a / np.maximum(a.sum(1, keepdims=True), 1) for a in (n.macs, n.bytes, n.count)])
