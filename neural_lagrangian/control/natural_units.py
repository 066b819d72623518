r"""Natural units of linear dynamics with quadratic costs, in which all decisions of a regulator are taken."""

from typing import NamedTuple

import numpy as np


class NaturalUnits(NamedTuple):
    """Units of each component of the state, of each control, and of time.

    - `state`: shape `(2 dof,)`. `control`: shape `(m,)`. `time`: in seconds; one for discrete time.
    """

    state: np.ndarray
    control: np.ndarray
    time: float

    @classmethod
    def of(cls, B: np.ndarray, Q: np.ndarray, R: np.ndarray, dt: float | None) -> "NaturalUnits":
        r"""Units in which the costs $Q$ and $R$ have diagonals of one (Bryson's rule).

        If only a coordinate costs something or only its velocity, the unit of the other follows by the unit of time,
        the usual ratio of both, or else the time in which a unit of control moves a coordinate by its unit.
        """
        n = len(B) // 2
        control = 1 / np.sqrt(np.diagonal(R))
        cost = np.sqrt(np.diagonal(Q).clip(0)).reshape(2, n)
        pushed = np.abs(B[n:]) @ control / (1.0 if dt is None else dt)
        both, known = np.all(cost > 0, axis=0), (np.any(cost > 0, axis=0) & (pushed > 0))
        by_ratio = cost[1, both] / cost[0, both]
        unit, power = 1 / _nonzero(cost.max(axis=0)), np.where(cost[0] > 0, 0.5, 1.0)
        by_control = (unit[known] / pushed[known]) ** power[known]
        times = by_ratio if len(by_ratio) else by_control
        time = float(np.exp(np.mean(np.log(times)))) if len(times) else 1.0
        cost = np.where(cost > 0, cost, cost[::-1] * np.array([[1 / time], [time]]))
        return cls(1 / _nonzero(cost.ravel()), control, time if dt is None else 1.0)

    def scaled(
        self, A: np.ndarray, B: np.ndarray, Q: np.ndarray, R: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Dynamics and costs in these units. The cost-to-go is then over the unit of time."""
        s, c, tau = self
        return A * (s / s[:, None]) * tau, B * (c / s[:, None]) * tau, Q * np.outer(s, s), R * np.outer(c, c)


def _nonzero(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 1.0)
