"""The drift of the learned energy, and whether it suggests friction."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...analysis import energy_drift
from ..recordings import Starts

MIN_ENERGY_LOST = 0.05
"""Threshold for friction: share of the mean kinetic energy that is lost during a prediction."""
ENERGY_MARGIN = 0.2
"""Share of the mean kinetic energy by which a prediction may leave the energies of the recording."""
MIN_SHARE_FALLING = 0.9
"""Threshold for friction: share of starts from which the energy falls. The energy of a network that is not trained
enough rises from some starts and falls from others.
"""


class Energies(NamedTuple):
    """Relative drift of the learned energy, and the share of starts from which the energy falls.

    `along_rollouts` and `along_recorded`: drift divided by the mean kinetic energy, in 1/s, median over starts, along
    predicted and recorded motion. `falling`: share of starts from which the energy falls along recorded motion.
    `driven`: whether controls do work, so that the energy says nothing of friction.
    """

    along_rollouts: float
    along_recorded: float
    falling: float
    driven: bool = False

    def lost(self, starts: Starts) -> float:
        """Energy lost along recorded motion during a prediction, divided by the mean kinetic energy."""
        return -self.along_recorded * float(starts.times[-1])

    def lost_to_friction(self, starts: Starts) -> float:
        """The energy lost, if it is more than the threshold, from nearly all starts, and not to controls; else zero."""
        lost = 0.0 if self.driven else self.lost(starts)
        return lost if lost > MIN_ENERGY_LOST and self.falling >= MIN_SHARE_FALLING else 0.0

    def __str__(self) -> str:
        return (
            f"relative drift {self.along_rollouts:.2g} 1/s along predictions, {self.along_recorded:.2g} 1/s along the "
            f"recording (divided by the mean kinetic energy{'; the controls do work' * self.driven})"
        )


def energy_range(model: Any, starts: Starts) -> list[float]:
    """The least and the largest energy of recorded motion, less and plus a share of the mean kinetic energy.

    They are not finite for a model of many systems: its energy has another zero for each of them.
    """
    if starts.parameters is not None:
        return [-np.inf, np.inf]
    energies, kinetic = _energies(model, starts)
    margin = ENERGY_MARGIN * float(jnp.mean(kinetic))
    return [float(energies.min()) - margin, float(energies.max()) + margin]


@eqx.filter_jit
def _energies(model: Any, starts: Starts) -> tuple[jax.Array, jax.Array]:
    def at(y: jax.Array) -> tuple[jax.Array, jax.Array]:
        q, v = jnp.split(y, 2)
        return model.energy(0.0, q, v), jnp.dot(model.momentum(0.0, q, v), v) / 2

    return jax.vmap(jax.vmap(at))(starts.ys)


def energies_of(model: Any, starts: Starts, rollouts: np.ndarray) -> Energies:
    """The drift of the learned energy along predicted and recorded motion."""

    @eqx.filter_jit
    def momentum_times_velocity(model, starts):
        def at(model, t, y):
            q, v = jnp.split(y, 2)
            return jnp.dot(model.momentum(t, q, v), v)

        def of_one(model, ts, ys):
            return jax.vmap(lambda t, y: at(model, t, y))(ts, ys)

        return starts.each(model, of_one, starts.ts, starts.ys)

    @eqx.filter_jit
    def drift(model, starts, paths, scale):
        def of_one(model, t, y):
            return energy_drift(model.energy, y[None], t, scale)[0]

        return starts.each(model, of_one, starts.ts, paths)

    scale = jnp.mean(momentum_times_velocity(model, starts)) / 2
    predicted, recorded = (
        np.asarray(drift(model, starts, jnp.asarray(paths), scale)) for paths in (rollouts, starts.ys)
    )
    drifts = float(np.nanmedian(predicted)), float(np.nanmedian(recorded)), float(np.mean(recorded < 0))
    return Energies(*drifts, driven=starts.controls is not None)
