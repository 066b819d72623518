"""Scales of a motion: spreads of the coordinates, period, Lyapunov time. Errors and times are given in them."""

from typing import NamedTuple

import numpy as np

from ...trajectories import Scaling, Trajectories, spread
from .columns import Columns


class Measure(NamedTuple):
    """Scales of a motion.

    `spreads`: standard deviations of the coordinates, shape `(dof,)`, in SI units; of an angle at most 1 rad. `period`
    and `lyapunov_time`: in seconds; the Lyapunov time is infinite if the motion is not chaotic.
    """

    spreads: np.ndarray
    period: float
    lyapunov_time: float = np.inf

    @staticmethod
    def of(motion: Trajectories, columns: Columns) -> "Measure":
        """The spreads, and the period of an oscillator with the same spreads of coordinates and velocities."""
        angles = list(columns.periodic)
        spreads = np.array(spread(motion, angles)[: columns.dof], float)
        spreads[angles] = np.minimum(spreads[angles], 1.0)
        scaling = Scaling.of(motion, centre=True, periodic=angles)
        return Measure(np.where(spreads > 0, spreads, 1.0), 2 * np.pi * float(scaling.t_scale))

    def __str__(self) -> str:
        chaos = f", Lyapunov time {self.lyapunov_time:.3g} s" if np.isfinite(self.lyapunov_time) else ""
        return f"period about {self.period:.3g} s{chaos}"
