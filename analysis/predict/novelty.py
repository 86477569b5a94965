"""How unlike all of training a network is: what widens its interval, so that what stands alone is not promised as firmly as what has relatives.

The variance that remains of a Gaussian process over the descriptors of graphs (runner.networks.informative) once training is known. Left-out errors are
divided by it before their quantile is taken, and the quantile is multiplied by that of the network asked for (normalised conformal prediction; Papadopoulos,
Gammerman and Vovk 2008).
"""

from dataclasses import dataclass

import numpy as np

from analysis.predict.networks import Networks
from runner.networks.informative import NOISE, kernel, standardised

FLOOR = 0.1  # novelty of a network whose like was measured; of one like none it is 1 + FLOOR


@dataclass(frozen=True)
class Novelty:
    """Made by novelty(). points: standardised descriptors of the distinct networks of training; inverse: of their covariance."""

    reference: np.ndarray
    points: np.ndarray
    inverse: np.ndarray
    first: np.ndarray  # row of training -> its network among the points

    def of(self, n: Networks) -> np.ndarray:
        """Novelty of any networks."""
        cross = kernel(standardised(n.described, self.reference), self.points)
        return FLOOR + np.maximum(1 - (cross @ self.inverse * cross).sum(1), 0)

    @property
    def left_out(self) -> np.ndarray:
        """Novelty of every row of training against all other networks.

        Also where a whole family was left out: the errors of a family with many members then count as those of a network that has relatives, and the
        interval of one that has none is the wider for it.
        """
        return FLOOR + np.maximum(1 / np.diag(self.inverse) - NOISE, 0)[self.first]


def novelty(known: Networks) -> Novelty:
    """The Novelty against training."""
    reference = known.described
    _, index, first = np.unique(known.model.astype(str), return_index=True, return_inverse=True)
    points = standardised(reference)[index]
    inverse = np.linalg.inv(kernel(points, points) + NOISE * np.eye(len(points)))
    return Novelty(reference, points, inverse, first)
