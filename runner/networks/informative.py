"""Which networks to measure first on a new platform: those from which the others are predicted best.

Networks are points in a space of descriptors of their graph. Under a Gaussian process over that space each
measurement takes away some of the uncertainty of all others; the set is grown greedily by what takes away most.
The same descriptors carry measurements over from another platform (analysis/predict/transfer.py).
"""

from typing import Any, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from runner.networks.complexity import ARITHMETIC, GROUPS

Features = Sequence[Mapping[str, Any]]  # of networks: {"params": int, "groups": {group: {"count", "macs", "bytes", "out"}}} per image each

NOISE = 0.1  # variance of one measurement, in units of the variance between networks


def work(features: Features) -> Tuple[np.ndarray, ...]:
    """(macs, bytes, out, count), each an array (networks, groups), of a list of {"params": .., "groups": {group: {..}}}."""
    return tuple(
        np.array([[float((network["groups"].get(group) or {}).get(field) or 0) for group in GROUPS] for network in features]).reshape(
            -1, len(GROUPS)
        )
        for field in ("macs", "bytes", "out", "count")
    )


def descriptors(features: Features) -> np.ndarray:
    """What a network's time per image depends on besides its size: array (networks, descriptors), not yet scaled.

    Logarithms of multiply-adds, bytes and operators, of their ratios, and the share of each group in both.
    """
    macs, moved, _, count = work(features)
    return described(macs, moved, count, np.array([float(network.get("params") or 0) for network in features]))


def described(macs: np.ndarray, moved: np.ndarray, count: np.ndarray, params: np.ndarray) -> np.ndarray:
    """The descriptors of networks whose work is known as arrays: (networks, groups), and (networks,) parameters."""
    total, traffic, operators = macs.sum(1) + 1, moved.sum(1) + 1, count.sum(1) + 1
    sizes = [total / traffic, total, traffic / operators, (params + 1) / total, total / operators]
    shares = [macs[:, : len(ARITHMETIC)] / total[:, None], moved / traffic[:, None]]
    return np.column_stack([np.log(np.column_stack(sizes))] + shares)


def standardised(table: np.ndarray, reference: Optional[np.ndarray] = None) -> np.ndarray:
    """Columns with mean 0 and variance 1 over the reference (default: themselves); columns that never vary become 0."""
    reference = table if reference is None else reference
    spread = reference.std(0)
    return (table - reference.mean(0)) / np.where(spread > 1e-9, spread, np.inf)


def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Matern 3/2 covariance of every row of a with every row of b, both standardised; length scale 2 root mean squares."""
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * a.dot(b.T)
    distance = np.sqrt(3 * np.maximum(squared, 0) / a.shape[1]) / 2
    return (1 + distance) * np.exp(-distance)


def most_informative(features: Features, k: int) -> List[int]:
    """Indices of the k networks (all, if there are fewer) to measure, the most informative first.

    features: a list of {"params": int, "groups": {group: {"count", "macs", "bytes", "out"}}} per image, as in a record's ``complexity``.
    """
    if k < 1:
        raise ValueError("choose at least 1 network, not %d" % k)
    points = standardised(descriptors(features))
    covariance = kernel(points, points)
    chosen: List[Any] = []
    for _ in range(min(k, len(features))):
        gain = (covariance**2).sum(0) / (np.diag(covariance) + NOISE)
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        covariance = covariance - np.outer(covariance[:, best], covariance[:, best]) / (covariance[best, best] + NOISE)
    return chosen
