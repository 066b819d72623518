"""How well a model predicts recorded motion, beside predictions that know nothing."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..analysis import energy_drift, summarize, wrap_angle
from ..trajectories import Trajectories, Windows
from .columns import Columns

STARTS = 50
"""Most states from which is rolled out."""
REACH = 2 / 3
"""Share of a piece that is predicted: the rest is where rollouts start."""
FRACTIONS = (1 / 8, 1 / 4, 1 / 2, 1)
"""Of that time, where errors are reported."""


class Starts(NamedTuple):
    """Recorded motion from several starts on: times `(start, time)`, and states."""

    ts: Float[Array, "start time"]
    ys: Float[Array, "start time two_dof"]

    @property
    def times(self) -> np.ndarray:
        """Time since the start, that in the middle of all, shape `(time,)`."""
        return np.median(np.asarray(self.ts - self.ts[:, :1]), axis=0)


class Errors(NamedTuple):
    """Of each predictor by name: absolute errors of the coordinates, `(start, time, dof)`, in SI units."""

    times: np.ndarray
    by_name: dict[str, np.ndarray]

    def table(self, columns: Columns) -> list[list[str]]:
        """Rows of a table, the header first: of each coordinate at some times, the error of each predictor."""
        rows = [["error of, after", *self.by_name]]
        for i in range(columns.dof):
            for index in self.reported():
                cells = [f"{self.median(name, i, index):.3g}" for name in self.by_name]
                rows.append([f"{columns.labels(i)[0]}, {self.times[index]:.3g} s", *cells])
        return rows

    def reported(self) -> list[int]:
        """Indices of the times in the table."""
        last = len(self.times) - 1
        return sorted({max(1, round(fraction * last)) for fraction in FRACTIONS})

    def median(self, name: str, coordinate: int, index: int) -> float:
        """Root mean square from the start up to a time, median over starts; infinite where most rollouts failed."""
        squares = self.by_name[name][:, 1 : index + 1, coordinate] ** 2
        return summarize(np.sqrt(squares.mean(axis=1))).median

    def failures(self, name: str) -> int:
        """How many rollouts fail, that is, are not finite."""
        return int((~np.isfinite(self.by_name[name])).any(axis=(1, 2)).sum())


def persistence(ts: Array, y0: Array) -> Array:
    """Nothing moves."""
    return jnp.broadcast_to(y0[None], (len(ts), len(y0)))


def constant_velocity(ts: Array, y0: Array) -> Array:
    """Everything goes on as it was."""
    q, v = jnp.split(y0, 2)
    q = q[None] + (ts - ts[0])[:, None] * v[None]
    return jnp.concatenate([q, jnp.broadcast_to(v[None], q.shape)], axis=1)


BASELINES: dict[str, Callable[[Array, Array], Array]] = {
    "constant velocity": constant_velocity,
    "at rest": persistence,
}


def starts_of(trajectories: Trajectories, stride: int) -> Starts:
    """Starts evenly from all that leave most of a piece to be predicted."""
    longest = (int(trajectories.lengths.max()) - 1) // stride
    windows = Windows(trajectories, max(1, round(REACH * longest)), stride=stride, dtype=jnp.result_type(float))
    ts, ys = windows.gather(windows.evenly(STARTS))[:2]
    return Starts(jnp.asarray(ts), jnp.asarray(ys))


def rollout_errors(models: Mapping[str, Any], starts: Starts, columns: Columns) -> tuple[Errors, dict[str, np.ndarray]]:
    """Errors of each model and of the baselines, and the rollouts of the models, `(start, time, 2 dof)`."""
    rollouts = {name: np.asarray(_rollouts(model, *starts)) for name, model in models.items()}
    simple = {name: np.asarray(_rollouts(baseline, *starts)) for name, baseline in BASELINES.items()}
    truth = np.asarray(starts.ys)
    errors = {name: _coordinate_errors(ys, truth, columns) for name, ys in (rollouts | simple).items()}
    return Errors(starts.times, errors), rollouts


def predicts(errors: Errors, name: str) -> bool:
    """Whether a model has smaller errors than every baseline at the end, on the whole over the coordinates."""
    last, dof = len(errors.times) - 1, next(iter(errors.by_name.values())).shape[2]

    def ratio(baseline: str) -> float:
        pairs = [(errors.median(name, i, last), errors.median(baseline, i, last)) for i in range(dof)]
        return float(np.mean([np.log(one / other) for one, other in pairs if other > 0]))

    return all(ratio(baseline) < 0 for baseline in BASELINES)


class Energies(NamedTuple):
    """The learned energy along motions, over the mean kinetic energy: drift in 1/s, median over starts."""

    along_rollouts: float
    along_recorded: float

    def lost(self, starts: Starts) -> float:
        """While a piece is predicted, along the recorded motion."""
        return -self.along_recorded * float(starts.times[-1])

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
    values = (np.asarray(drift(model, ts, jnp.asarray(paths), scale)) for paths in (rollouts, ys))
    return Energies(*(float(np.nanmedian(value)) for value in values))


@eqx.filter_jit
def _rollouts(model: Callable[[Array, Array], Array], ts: Array, ys: Array) -> Array:
    return jax.vmap(model)(ts, ys[:, 0])


def _coordinate_errors(predicted: np.ndarray, truth: np.ndarray, columns: Columns) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        difference = (predicted - truth)[..., : columns.dof]
        angles = list(columns.periodic)
        difference[..., angles] = np.asarray(wrap_angle(jnp.asarray(difference[..., angles])))
    return np.where(np.isfinite(difference), np.abs(difference), np.inf)
