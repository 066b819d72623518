"""Errors of prediction on held-out motion, and the decision whether a model may be used.

A model may be used if it predicts better than two baselines, constant velocity and rest: `better_than_baselines`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..analysis import summarize, wrap_angle
from .recordings import Columns, Measure, Starts

REPORTED_PERIODS = tuple(2.0**k for k in range(-3, 7))
"""Horizons at which errors are reported, in periods of the motion."""
MAX_REPORTED_HORIZONS = 3
"""Number of these horizons in the table: the longest ones that a piece allows. The Lyapunov time and the end of the
rollouts are added.
"""
MAX_ERROR_RATIO = 0.9
"""A model is better than a baseline if its error is below this share of the baseline's. The margin refuses a model that
far from its training data predicts the same as a baseline.
"""
MAX_VALID_ERROR = 0.1
"""A prediction is valid until its error exceeds this share of the spread. The spread of an angle is at most 1 rad."""


class Errors(NamedTuple):
    """Absolute errors of the coordinates on held-out motion, by predictor.

    `times`: times since the start, in seconds, shape `(time,)`. `by_name`: errors in SI units, shape
    `(start, time, dof)`; infinite where a rollout is not finite. `measure`: spreads and times of the motion.
    """

    times: np.ndarray
    by_name: dict[str, np.ndarray]
    measure: Measure

    def table(self, columns: Columns) -> list[list[str]]:
        """The errors as rows of text, the header first: a row for each coordinate and horizon."""
        rows = [["RMS error", *self.by_name]]
        for i in range(columns.dof):
            for index in self.reported():
                cells = [f"{self.median(name, i, index):.3g}" for name in self.by_name]
                rows.append([f"{columns.labels(i)[0]}, first {self.horizon(index)}", *cells])
        return [
            *rows,
            [f"valid time (error below {MAX_VALID_ERROR:.0%} of spread)", *map(self.valid, self.by_name)],
        ]

    def reported(self) -> list[int]:
        """Indices of the horizons in the table."""
        last, (_, period, lyapunov_time) = len(self.times) - 1, self.measure
        fitting = [h * period for h in REPORTED_PERIODS if h * period < self.times[-1]][-MAX_REPORTED_HORIZONS:]
        wanted = [*fitting, *([lyapunov_time] if lyapunov_time < self.times[-1] else [])]
        return sorted({max(1, int(np.argmin(np.abs(self.times - time)))) for time in wanted} | {last})

    def horizon(self, index: int) -> str:
        """A horizon as text, in seconds and in periods of the motion."""
        return f"{self.times[index]:.3g} s ({self.times[index] / self.measure.period:.2g} periods)"

    def valid_time(self, name: str) -> float:
        """Time until the error first exceeds `MAX_VALID_ERROR`, else the last time; median over starts."""
        scaled = self.by_name[name] / self.measure.spreads
        wrong = ~(np.sqrt(np.mean(scaled**2, axis=2)) <= MAX_VALID_ERROR)
        first = np.where(wrong.any(axis=1), wrong.argmax(axis=1), len(self.times) - 1)
        return float(np.median(self.times[first]))

    def valid(self, name: str) -> str:
        """The valid time as text."""
        time = self.valid_time(name)
        return f"{'>= ' if time >= self.times[-1] else ''}{time:.3g} s"

    def median(self, name: str, coordinate: int, index: int) -> float:
        """Root mean square error up to a horizon, median over starts; infinite if most rollouts fail."""
        squares = self.by_name[name][:, 1 : index + 1, coordinate] ** 2
        return summarize(np.sqrt(squares.mean(axis=1))).median

    def failures(self, name: str) -> int:
        """Number of rollouts that fail, that is, are not finite."""
        return int((~np.isfinite(self.by_name[name])).any(axis=(1, 2)).sum())


def persistence(ts: Array, y0: Array) -> Array:
    """The baseline "at rest": the state does not change."""
    return jnp.broadcast_to(y0[None], (len(ts), len(y0)))


def constant_velocity(ts: Array, y0: Array) -> Array:
    """The baseline "constant velocity": the coordinates change at the velocity of the start."""
    q, v = jnp.split(y0, 2)
    q = q[None] + (ts - ts[0])[:, None] * v[None]
    return jnp.concatenate([q, jnp.broadcast_to(v[None], q.shape)], axis=1)


BASELINES: dict[str, Callable[[Array, Array], Array]] = {
    "constant velocity": constant_velocity,
    "at rest": persistence,
}
"""Predictions without a model, with which each model is compared."""


def rollout_errors(
    models: Mapping[str, Any], starts: Starts, columns: Columns, measure: Measure
) -> tuple[Errors, dict[str, np.ndarray]]:
    """Errors of each model and of the baselines, and the rollouts of the models, shape `(start, time, 2 dof)`."""
    rollouts = {name: np.asarray(rollouts_of(model, starts)) for name, model in models.items()}
    simple = {name: np.asarray(rollouts_of(baseline, starts)) for name, baseline in BASELINES.items()}
    truth = np.asarray(starts.ys)
    errors = {name: _coordinate_errors(ys, truth, columns) for name, ys in (rollouts | simple).items()}
    return Errors(starts.times, errors, measure), rollouts


def better_than_baselines(errors: Errors, name: str) -> bool:
    """Decide whether a model may be used: it must predict better than every baseline.

    The RMS error up to the last horizon must be below `MAX_ERROR_RATIO` of the baseline's. The ratio is the geometric
    mean over the coordinates.
    """
    last, dof = len(errors.times) - 1, next(iter(errors.by_name.values())).shape[2]

    def ratio(baseline: str) -> float:
        pairs = [(errors.median(name, i, last), errors.median(baseline, i, last)) for i in range(dof)]
        return float(np.mean([np.log(one / (MAX_ERROR_RATIO * other)) for one, other in pairs if other > 0]))

    return all(ratio(baseline) < 0 for baseline in BASELINES)


def predicts_a_period(errors: Errors, name: str) -> bool:
    """Whether a model is so good that its energy means something.

    The RMS error in one period, or up to the last time if that comes first, must not exceed `MAX_VALID_ERROR` of the
    spread.
    """
    index = min(int(np.searchsorted(errors.times, errors.measure.period)), len(errors.times) - 1)
    spreads = errors.measure.spreads
    sizes = np.array([errors.median(name, i, index) for i in range(len(spreads))]) / spreads
    return bool(np.mean(sizes**2) <= MAX_VALID_ERROR**2)


@eqx.filter_jit
def rollouts_of(model: Callable[[Array, Array], Array], starts: Starts) -> Array:
    """Rollouts from the first of the states of each start, at its times; shape `(start, time, 2 dof)`."""
    return starts.each(model, lambda model, t, y0: model(t, y0), starts.ts, starts.ys[:, 0])


def _coordinate_errors(predicted: np.ndarray, truth: np.ndarray, columns: Columns) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        difference = (predicted - truth)[..., : columns.dof]
        angles = list(columns.periodic)
        difference[..., angles] = np.asarray(wrap_angle(jnp.asarray(difference[..., angles])))
    return np.where(np.isfinite(difference), np.abs(difference), np.inf)
