"""The scales of a motion by which errors and times are measured: spreads, period, Lyapunov time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..trajectories import Scaling, Trajectories, spread
from .columns import Columns
from .starts import Starts

CHAOS_PERIODS, CHAOS_GROWTH = 20, 10.0
"""Number of periods for which a disturbance is followed, and the logarithm of its growth above which the motion counts
as chaotic. In regular motion it grows in proportion to time, with a logarithm of 5.
"""
DISTURBANCE = 1e-3
"""Size of the disturbance in spreads of the motion, well above the tolerances of rollouts."""


class Measure(NamedTuple):
    """What errors and times are measured by: the `spreads` of the coordinates, shape `(dof,)`, the `period` of the
    motion and its Lyapunov time, in seconds, infinite where the motion is not found to be chaotic.
    """

    spreads: np.ndarray
    period: float
    lyapunov_time: float = np.inf

    @staticmethod
    def of(motion: Trajectories, columns: Columns) -> "Measure":
        """The period is that of an oscillator with the same spreads of coordinates and velocities."""
        angles = list(columns.periodic)
        spreads = np.array(spread(motion, angles)[: columns.dof], float)
        spreads[angles] = np.minimum(spreads[angles], 1.0)
        scaling = Scaling.of(motion, centre=True, periodic=angles)
        return Measure(np.where(spreads > 0, spreads, 1.0), 2 * np.pi * float(scaling.t_scale))

    def __str__(self) -> str:
        chaos = f", Lyapunov time {self.lyapunov_time:.3g} s" if np.isfinite(self.lyapunov_time) else ""
        return f"period about {self.period:.3g} s{chaos}"


def lyapunov_time(model: Any, starts: Starts, measure: Measure) -> float:
    """Time in seconds in which a small error grows by e, along a motion that the model predicts; infinite where nothing
    says that the motion is chaotic, as of one degree of freedom.

    Two rollouts from neighbouring states, brought near again after each period (Benettin et al. 1980).
    """
    y0 = starts.ys[0, 0]
    if len(y0) < 4:
        return np.inf
    spreads, period = measure.spreads, measure.period
    units = jnp.asarray(np.concatenate([spreads, spreads * 2 * np.pi / period]), y0.dtype)
    logarithm = float(_growth(model, jnp.asarray([0.0, period], y0.dtype), y0, units))
    if not np.isfinite(logarithm) or logarithm < CHAOS_GROWTH:
        return np.inf
    return CHAOS_PERIODS * measure.period / logarithm


@eqx.filter_jit
def _growth(model: Callable[[Array, Array], Array], ts: Array, y0: Array, units: Array) -> Array:
    """Logarithm of the factor by which a disturbance grows in `CHAOS_PERIODS`, each from `ts[0]` to `ts[1]`."""

    def after_a_period(carry, _):
        y, w = carry
        y, other = jax.vmap(model, (None, 0))(ts, jnp.stack([y, y + DISTURBANCE * w * units]))[:, -1]
        w = (other - y) / (DISTURBANCE * units)
        size = jnp.linalg.norm(w)
        return (y, w / size), jnp.log(size)

    w = jnp.full_like(y0, 1 / np.sqrt(len(y0)))
    return jnp.sum(jax.lax.scan(after_a_period, (y0, w), length=CHAOS_PERIODS)[1])
