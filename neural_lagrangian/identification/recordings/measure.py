"""Scales of a motion: spreads of the coordinates, period, Lyapunov time. Errors and times are given in them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ...trajectories import Scaling, Trajectories, spread
from .columns import Columns
from .starts import Starts

CHAOS_PERIODS = 20
"""Number of periods over which the growth of a disturbance is computed."""
MIN_CHAOS_LOG_GROWTH = 10.0
"""Threshold for chaos: natural logarithm of the growth of a disturbance. In regular motion a disturbance grows in
proportion to time, which gives a logarithm of about 5.
"""
DISTURBANCE = 1e-3
"""Size of the disturbance, in spreads of the motion. It is well above the tolerances of rollouts."""


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


def lyapunov_time(model: Any, starts: Starts, measure: Measure) -> float:
    """Time in seconds in which a small disturbance of the model's motion grows by a factor of e.

    It is infinite if the motion is not chaotic, as is always so with one degree of freedom. Two rollouts start from
    neighbouring states; after each period the second is moved back towards the first (Benettin et al. 1980).
    """
    y0 = starts.ys[0, 0]
    if len(y0) < 4:
        return np.inf
    spreads, period = measure.spreads, measure.period
    units = jnp.asarray(np.concatenate([spreads, spreads * 2 * np.pi / period]), y0.dtype)
    logarithm = float(_growth(starts.model_of(model), jnp.asarray([0.0, period], y0.dtype), y0, units))
    if not np.isfinite(logarithm) or logarithm < MIN_CHAOS_LOG_GROWTH:
        return np.inf
    return CHAOS_PERIODS * measure.period / logarithm


@eqx.filter_jit
def _growth(model: Callable[[Array, Array], Array], ts: Array, y0: Array, units: Array) -> Array:
    """Logarithm of the growth of a disturbance over `CHAOS_PERIODS` periods, each from `ts[0]` to `ts[1]`."""

    def after_a_period(carry, _):
        y, w = carry
        y, other = jax.vmap(model, (None, 0))(ts, jnp.stack([y, y + DISTURBANCE * w * units]))[:, -1]
        w = (other - y) / (DISTURBANCE * units)
        size = jnp.linalg.norm(w)
        return (y, w / size), jnp.log(size)

    w = jnp.full_like(y0, 1 / np.sqrt(len(y0)))
    return jnp.sum(jax.lax.scan(after_a_period, (y0, w), length=CHAOS_PERIODS)[1])
