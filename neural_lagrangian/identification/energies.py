"""How the learned energy drifts, and whether that suggests friction."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..analysis import energy_drift
from .starts import Starts

MIN_ENERGY_LOST = 0.05
"""Friction is suspected if more than this share of the kinetic energy is lost during a prediction."""
MIN_SHARE_FALLING = 0.9
"""Friction is suspected if the energy falls from at least this share of the starts. The energy of a network that has
not learned enough rises from some starts and falls from others.
"""


class Energies(NamedTuple):
    """The learned energy along motions, over the mean kinetic energy: drift in 1/s, median over starts; and the share
    of starts from which it falls along the recorded motion.
    """

    along_rollouts: float
    along_recorded: float
    falling: float

    def lost(self, starts: Starts) -> float:
        """While a piece is predicted, along the recorded motion."""
        return -self.along_recorded * float(starts.times[-1])

    def suggests_friction(self, starts: Starts) -> bool:
        """Whether the learned energy falls along the recorded motion by much, and from nearly all starts."""
        return self.lost(starts) > MIN_ENERGY_LOST and self.falling >= MIN_SHARE_FALLING

    def __str__(self) -> str:
        return (
            f"drift {self.along_rollouts:.2g} 1/s along predictions, {self.along_recorded:.2g} 1/s along the "
            f"recording, of the mean kinetic energy"
        )


def energies_of(model: Any, starts: Starts, rollouts: np.ndarray) -> Energies:
    """How the learned energy drifts, along what the model predicts and along what was recorded."""
    ts, ys = starts

    @eqx.filter_jit
    def momentum_times_velocity(model, ts, ys):
        def at(t, y):
            q, v = jnp.split(y, 2)
            return jnp.dot(model.momentum(t, q, v), v)

        return jax.vmap(jax.vmap(at))(ts, ys)

    @eqx.filter_jit
    def drift(model, ts, ys, scale):
        return jax.vmap(lambda t, y: energy_drift(model.energy, y[None], t, scale)[0])(ts, ys)

    scale = jnp.mean(momentum_times_velocity(model, ts, ys)) / 2
    predicted, recorded = (np.asarray(drift(model, ts, jnp.asarray(paths), scale)) for paths in (rollouts, ys))
    return Energies(float(np.nanmedian(predicted)), float(np.nanmedian(recorded)), float(np.mean(recorded < 0)))
