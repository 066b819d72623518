"""How well a model predicts recorded motion, beside predictions that know nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..analysis import energy_drift, summarize, wrap_angle
from ..trajectories import Scaling, Trajectories, Windows, spread
from .columns import Columns

STARTS = 50
"""Most states from which is rolled out."""
REACH = 2 / 3
"""Share of a piece that is predicted: the rest is where rollouts start."""
HORIZONS = tuple(2.0**k for k in range(-3, 7))
"""Times in periods of the motion, after which errors are reported, as far as a piece goes."""
MOST_HORIZONS = 3
"""Of them, the longest that fit; beside the Lyapunov time and the end."""
CLEARLY = 0.9
"""Share of a baseline's error below which an error is clearly smaller: far from all motion seen, a model may be as good
as a baseline to the last digit.
"""
TOLERANCE = 0.1
"""Error at which a prediction stops being valid, in spreads of the coordinates, of an angle at most in radians."""
CHAOS_PERIODS, CHAOS_GROWTH = 20, 10.0
"""For how many periods a disturbance is followed, and the logarithm by which it grows if the motion is chaotic: beside
a regular motion it grows in proportion to time, whose logarithm is 5.
"""
DISTURBANCE = 1e-3
"""In spreads of the motion: well above the tolerances of rollouts."""
MIN_ENERGY_LOST = 0.05
"""Share of the kinetic energy that may be lost while a piece is predicted, before friction is suspected."""
MIN_SHARE_FALLING = 0.9
"""Share of the starts from which friction makes the energy fall. The energy of a network that has not learned enough
rises from some and falls from others.
"""


class Starts(NamedTuple):
    """Recorded motion from several starts on: times `(start, time)`, and states."""

    ts: Float[Array, "start time"]
    ys: Float[Array, "start time two_dof"]

    @property
    def times(self) -> np.ndarray:
        """Time since the start, that in the middle of all, shape `(time,)`."""
        return np.median(np.asarray(self.ts - self.ts[:, :1]), axis=0)


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


class Errors(NamedTuple):
    """Of each predictor by name: absolute errors of the coordinates, `(start, time, dof)`, in SI units."""

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
        return [*rows, [f"valid time at {TOLERANCE:.0%} of the spread", *map(self.valid, self.by_name)]]

    def reported(self) -> list[int]:
        """Indices of the times in the table."""
        last, (_, period, lyapunov_time) = len(self.times) - 1, self.measure
        fitting = [h * period for h in HORIZONS if h * period < self.times[-1]][-MOST_HORIZONS:]
        wanted = [*fitting, *([lyapunov_time] if lyapunov_time < self.times[-1] else [])]
        return sorted({max(1, int(np.argmin(np.abs(self.times - time)))) for time in wanted} | {last})

    def after(self, index: int) -> str:
        """A time, in seconds and in periods of the motion."""
        return f"{self.times[index]:.3g} s ({self.times[index] / self.measure.period:.2g} periods)"

    def valid_time(self, name: str) -> float:
        """Time until the error first exceeds `TOLERANCE`, median over starts; the whole time where it never does."""
        scaled = self.by_name[name] / self.measure.spreads
        wrong = ~(np.sqrt(np.mean(scaled**2, axis=2)) <= TOLERANCE)
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


def starts_of(trajectories: Trajectories, stride: int) -> Starts:
    """Starts evenly from all that leave most of a piece to be predicted."""
    longest = (int(trajectories.lengths.max()) - 1) // stride
    windows = Windows(trajectories, max(1, round(REACH * longest)), stride=stride, dtype=jnp.result_type(float))
    starts = windows.gather(windows.evenly(STARTS))
    return Starts(jnp.asarray(starts.ts), jnp.asarray(starts.ys))


def rollout_errors(
    models: Mapping[str, Any], starts: Starts, columns: Columns, measure: Measure
) -> tuple[Errors, dict[str, np.ndarray]]:
    """Errors of each model and of the baselines, and the rollouts of the models, `(start, time, 2 dof)`."""
    rollouts = {name: np.asarray(_rollouts(model, *starts)) for name, model in models.items()}
    simple = {name: np.asarray(_rollouts(baseline, *starts)) for name, baseline in BASELINES.items()}
    truth = np.asarray(starts.ys)
    errors = {name: _coordinate_errors(ys, truth, columns) for name, ys in (rollouts | simple).items()}
    return Errors(starts.times, errors, measure), rollouts


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


class Region(NamedTuple):
    """Least and most of the coordinates and velocities that were trained on, in SI units; NaN of angles."""

    least: np.ndarray
    most: np.ndarray

    @staticmethod
    def of(motion: Trajectories, columns: Columns) -> "Region":
        ys = np.array(motion.ys[motion.mask], float)
        ys[:, list(columns.periodic)] = np.nan
        return Region(ys.min(axis=0), ys.max(axis=0))

    @property
    def settings(self) -> dict[str, list[float | None]]:
        return {name: [None if np.isnan(x) else float(x) for x in row] for name, row in self._asdict().items()}

    def outside(self, ys: np.ndarray, names: Sequence[str]) -> str:
        """Which part of the states is outside by more than a tenth of the range, and in what; empty where none is."""
        margin = 0.1 * (self.most - self.least)
        beyond = (ys < self.least - margin) | (ys > self.most + margin)
        share = beyond.any(axis=1).mean()
        if share == 0:
            return ""
        k = int(np.argmax(beyond.mean(axis=0)))
        return (
            f"{max(share, 0.01):.0%} of the recording lies outside of what the model was trained on: {names[k]} from "
            f"{ys[:, k].min():.3g} to {ys[:, k].max():.3g}, trained on {self.least[k]:.3g} to {self.most[k]:.3g}"
        )


def predicts(errors: Errors, name: str) -> bool:
    """Whether a model has clearly smaller errors than every baseline at the end, on the whole over the coordinates."""
    last, dof = len(errors.times) - 1, next(iter(errors.by_name.values())).shape[2]

    def ratio(baseline: str) -> float:
        pairs = [(errors.median(name, i, last), errors.median(baseline, i, last)) for i in range(dof)]
        return float(np.mean([np.log(one / (CLEARLY * other)) for one, other in pairs if other > 0]))

    return all(ratio(baseline) < 0 for baseline in BASELINES)


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


@eqx.filter_jit
def _rollouts(model: Callable[[Array, Array], Array], ts: Array, ys: Array) -> Array:
    return jax.vmap(model)(ts, ys[:, 0])


def _coordinate_errors(predicted: np.ndarray, truth: np.ndarray, columns: Columns) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        difference = (predicted - truth)[..., : columns.dof]
        angles = list(columns.periodic)
        difference[..., angles] = np.asarray(wrap_angle(jnp.asarray(difference[..., angles])))
    return np.where(np.isfinite(difference), np.abs(difference), np.inf)
