"""Errors of prediction on recorded motion, beside those of two baselines that know nothing."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..analysis import summarize, wrap_angle
from .columns import Columns
from .measure import Measure
from .starts import Starts

REPORTED_PERIODS = tuple(2.0**k for k in range(-3, 7))
"""Times after which errors are reported, in periods of the motion."""
MAX_REPORTED = 3
"""Number of these times in the table: the longest that fit into a piece. The Lyapunov time and the end are added."""
CLEAR_SHARE = 0.9
"""A model counts as better if its error is below this share of a baseline's. Far from all data a model can be exactly
as good as a baseline.
"""
VALID_ERROR = 0.1
"""A prediction is valid until its error exceeds this share of the spread (of an angle, at most a radian)."""


class Errors(NamedTuple):
    """Absolute errors of the coordinates by predictor, shape `(start, time, dof)`, in SI units. `times` in seconds."""

    times: np.ndarray
    by_name: dict[str, np.ndarray]
    measure: Measure

    def table(self, columns: Columns) -> list[list[str]]:
        """Rows of a table, the header first: of each coordinate at some times, the error of each predictor."""
        rows = [["error of, after", *self.by_name]]
        for i in range(columns.dof):
            for index in self.reported():
                cells = [f"{self.median(name, i, index):.3g}" for name in self.by_name]
                rows.append([f"{columns.labels(i)[0]}, {self.after(index)}", *cells])
        return [*rows, [f"valid time at {VALID_ERROR:.0%} of the spread", *map(self.valid, self.by_name)]]

    def reported(self) -> list[int]:
        """Indices of the times in the table."""
        last, (_, period, lyapunov_time) = len(self.times) - 1, self.measure
        fitting = [h * period for h in REPORTED_PERIODS if h * period < self.times[-1]][-MAX_REPORTED:]
        wanted = [*fitting, *([lyapunov_time] if lyapunov_time < self.times[-1] else [])]
        return sorted({max(1, int(np.argmin(np.abs(self.times - time)))) for time in wanted} | {last})

    def after(self, index: int) -> str:
        """A time, in seconds and in periods of the motion."""
        return f"{self.times[index]:.3g} s ({self.times[index] / self.measure.period:.2g} periods)"

    def valid_time(self, name: str) -> float:
        """Time until the error first exceeds `VALID_ERROR`, median over starts; the whole time where it never does."""
        scaled = self.by_name[name] / self.measure.spreads
        wrong = ~(np.sqrt(np.mean(scaled**2, axis=2)) <= VALID_ERROR)
        first = np.where(wrong.any(axis=1), wrong.argmax(axis=1), len(self.times) - 1)
        return float(np.median(self.times[first]))

    def valid(self, name: str) -> str:
        """The valid time in words."""
        time = self.valid_time(name)
        return f"{'>= ' if time >= self.times[-1] else ''}{time:.3g} s"

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


def rollout_errors(
    models: Mapping[str, Any], starts: Starts, columns: Columns, measure: Measure
) -> tuple[Errors, dict[str, np.ndarray]]:
    """Errors of each model and of the baselines, and the rollouts of the models, `(start, time, 2 dof)`."""
    rollouts = {name: np.asarray(_rollouts(model, *starts)) for name, model in models.items()}
    simple = {name: np.asarray(_rollouts(baseline, *starts)) for name, baseline in BASELINES.items()}
    truth = np.asarray(starts.ys)
    errors = {name: _coordinate_errors(ys, truth, columns) for name, ys in (rollouts | simple).items()}
    return Errors(starts.times, errors, measure), rollouts


def predicts(errors: Errors, name: str) -> bool:
    """Whether a model has clearly smaller errors than every baseline at the end, on the whole over the coordinates."""
    last, dof = len(errors.times) - 1, next(iter(errors.by_name.values())).shape[2]

    def ratio(baseline: str) -> float:
        pairs = [(errors.median(name, i, last), errors.median(baseline, i, last)) for i in range(dof)]
        return float(np.mean([np.log(one / (CLEAR_SHARE * other)) for one, other in pairs if other > 0]))

    return all(ratio(baseline) < 0 for baseline in BASELINES)


@eqx.filter_jit
def _rollouts(model: Callable[[Array, Array], Array], ts: Array, ys: Array) -> Array:
    return jax.vmap(model)(ts, ys[:, 0])


def _coordinate_errors(predicted: np.ndarray, truth: np.ndarray, columns: Columns) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        difference = (predicted - truth)[..., : columns.dof]
        angles = list(columns.periodic)
        difference[..., angles] = np.asarray(wrap_angle(jnp.asarray(difference[..., angles])))
    return np.where(np.isfinite(difference), np.abs(difference), np.inf)
