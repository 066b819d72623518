"""The sensors of declared channels, calibrated with the best model: gain, offset, delay and noise."""

import re
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..._errors import NeuralLagrangianError
from ...discovery import lag_one
from ...integrators import StepsPerSample, without_integration
from ...networks import Frozen
from ...numerics import trained_and_rest
from ...observation import (
    AbstractReading,
    Information,
    Instant,
    Observed,
    Position,
    Sensor,
    calibrate,
    information,
)
from ...training import Polished
from ...trajectories import Trajectories
from ..learning import ROW_INTERVAL, spacing
from ..preparation import Task
from ..recordings import Calibrated, Columns, Estimate, reading_of, table_of

MAX_ROWS = 4000
"""Largest number of samples that are used, to bound the run time."""
MIN_VALUES = 20
"""Smallest number of values of a channel."""
PERIOD = 6.3
"""Length of the windows, in natural units of time: a period."""
MAX_DELAY, DELAYS = 1.25, 51
"""Largest delay with which a calibration begins, in natural units of time (a fifth of a period), and number of them."""
ROUNDS, STEPS = 3, 5
"""Rounds of the calibration, and steps of each."""
MIN_EXPLAINED = 0.5
"""Share of the variance of a channel that its sensor must explain. Otherwise it probably sees another thing."""
MIN_NOISE = 1e-4
"""Least noise of a channel for its weight, as a share of its spread: a channel without noise would hide all others."""
AT_LEAST = 0.9
"""Root mean square error of a channel over its noise below which the noise is the least one, not the channel's own."""
MIN_CORRELATION = 0.2
"""Correlation of neighbouring errors from which noise does not count as white."""


class Sensors(NamedTuple):
    """The sensors of all channels by name, and sentences: what is confounded, and what looks wrong."""

    by_name: dict[str, Calibrated]
    sentences: tuple[str, ...]

    def table(self) -> list[list[str]]:
        """Rows of text, the header first. Each value has half of its 95 % interval."""
        return table_of(self.by_name)

    @property
    def settings(self) -> dict[str, Any]:
        """The sensors for the settings of a model."""
        return {name: one.settings for name, one in self.by_name.items()}


def sensors_of(model: Any, task: Task, why_not: str = "") -> Sensors | None:
    """Calibrate the declared channels on the training set; `None` if there are none.

    The model does not change. The initial state of each window is estimated from the coordinates and all channels.

    **Arguments:**

    - `why_not`: why nothing is calibrated, such as a time limit; empty if it is.
    """
    if task.seen is None:
        return None
    if why_not:
        return Sensors({}, (f"The sensors are not calibrated: {why_not}.",))
    motion = _windows(task, task.seen)
    few = [name for name in task.columns.observations if _count(motion, name) < MIN_VALUES]
    if few:
        least = f"a training set has {_count(motion, few[0])} values of {few[0]}; expected at least {MIN_VALUES}"
        return Sensors({}, (f"The sensors are not calibrated: {least}.",))
    horizon = motion.ts.shape[1] - 1
    try:
        result = _fitted(_first_guess(model, task, motion), motion, horizon)
        known = information(result.model, motion, horizon=horizon)  # pyright: ignore[reportCallIssue]  # no module
    except NeuralLagrangianError as error:  # rollouts that are not finite
        return Sensors({}, (f"The sensors are not calibrated: {error}.",))
    assert result.states is not None
    ts, starts = jnp.asarray(motion.ts, result.states.dtype), jnp.asarray(result.states[:, 0])
    found, sentences = {}, []
    readings = jax.tree.map(np.asarray, _readings(result.model, ts, starts))
    for name in task.columns.observations:
        errors = (motion.observations or {})[name] - readings[name]
        widened, words = _judged(name, errors, (motion.observations or {})[name])
        found[name] = _calibrated(name, known, task.columns, errors, widened)
        sentences += words
        if abs(found[name].delay.value) > MAX_DELAY * float(task.scaling.t_scale):
            kind = task.columns.observations[name].kind
            sentences.append(f"The delay of {name} is more than a fifth of a period: does it see the {kind}?")
    return Sensors(found, (*sentences, *_confounded(known)))


def _fitted(model: Observed, motion: Trajectories, horizon: int) -> Polished:
    """`observation.calibrate`: each window is used, and each channel has a least noise."""
    least = {name: _least_noise(values) for name, values in (motion.observations or {}).items()}
    effort = {"rounds": ROUNDS, "steps": STEPS, "windows": len(motion)}
    return calibrate(model, motion, horizon=horizon, least_noise=least, allow_undetermined=True, **effort)


def _count(motion: Trajectories, name: str) -> int:
    return int(np.isfinite((motion.observations or {})[name]).sum())


def _windows(task: Task, seen: Trajectories) -> Trajectories:
    """The training set as windows of one length, about a period, that do not overlap."""
    every = max(1, min(task.plan.stride, -(-int(seen.lengths.sum()) // MAX_ROWS)))
    thin = seen.thin(every)
    period = round(PERIOD * float(task.scaling.t_scale) / spacing(thin))
    size = min(int(thin.lengths.min()), max(period, 8) + 1)
    parts = [
        (i, slice(k * size, (k + 1) * size)) for i, n in enumerate(thin.lengths.tolist()) for k in range(n // size)
    ]
    chosen = np.unique(np.linspace(0, len(parts) - 1, min(len(parts), max(MAX_ROWS // size, 1))).astype(int))
    parts = [parts[k] for k in chosen]
    channels = {name: np.stack([x[part] for part in parts]) for name, x in (thin.observations or {}).items()}
    ts, ys = (np.stack([x[part] for part in parts]) for x in (thin.ts, thin.ys))
    return Trajectories(ts, ys, observations=channels, gap=np.inf).from_zero()


def _first_guess(model: Any, task: Task, motion: Trajectories) -> Observed:
    """The model, which does not change, with sensors from a regression on the estimated states."""
    columns = task.columns
    readings = {name: reading_of(channel, columns.coordinates) for name, channel in columns.observations.items()}
    seen = _seen(model, readings, jnp.asarray(motion.ts), jnp.asarray(motion.ys))
    sensors = {name: _regressed(readings[name], name, np.asarray(seen[name]), task, motion) for name in readings}
    for i, name in enumerate(columns.coordinates):
        values = (motion.observations or {})[name]
        left, least = float(np.std(values[..., 0] - motion.ys[..., i])), _least_noise(values)
        sensors[name] = Sensor(Position(i), noise=max(left, least))
    return Observed(_with_known_weights(model, motion, task), sensors)


def _with_known_weights(model: Any, motion: Trajectories, task: Task) -> Any:
    """The model with weights that are not trained, and steps for the rows of the windows."""
    row = spacing(motion) / float(task.scaling.t_scale)
    steps = StepsPerSample(max(1, -int(-row // ROW_INTERVAL)))
    trained, rest = trained_and_rest(without_integration(model))
    known = eqx.combine(jax.tree.map(Frozen, trained), rest, is_leaf=_is_frozen)
    known = eqx.tree_at(lambda m: m.integration, known, model.integration, is_leaf=_is_absent)
    return eqx.tree_at(lambda m: m.integration.stepsize_controller, known, steps, is_leaf=_is_absent)


def _is_frozen(node: Any) -> bool:
    return isinstance(node, Frozen)


def _is_absent(node: Any) -> bool:
    return node is None


def _regressed(reading: AbstractReading, name: str, seen: np.ndarray, task: Task, motion: Trajectories) -> Sensor:
    """The delay for which a channel is closest to a linear function of what it sees, `seen`, and that function."""
    values, best = (motion.observations or {})[name][..., 0], (np.inf, 1.0, 0.0, 0.0)
    for delay in np.linspace(-MAX_DELAY, MAX_DELAY, DELAYS) * float(task.scaling.t_scale):
        pairs = [_at(*window, delay) for window in zip(motion.ts, seen, values, strict=True)]
        x, z = np.concatenate([x for x, _ in pairs]), np.concatenate([z for _, z in pairs])
        if len(x) < MIN_VALUES or not np.ptp(x) > 0:
            continue
        gain, offset = np.polyfit(x - x.mean(), z, 1)
        left = float(np.std(z - gain * (x - x.mean()) - offset))
        best = min(best, (left, float(gain), float(offset - gain * x.mean()), float(delay)))
    left, gain, offset, delay = best
    least, most = _least_noise(values), float(np.nanstd(values))
    noise = float(np.clip(left, least, most))
    return Sensor(reading, noise=noise, gain=gain, offset=offset, delay=delay)


def _least_noise(values: np.ndarray) -> float:
    return max(MIN_NOISE * float(np.nanstd(values)), float(np.finfo(np.float32).tiny))


def _at(t: np.ndarray, x: np.ndarray, z: np.ndarray, delay: float) -> tuple[np.ndarray, np.ndarray]:
    """What a late sensor saw in a window, and its values, where both are known."""
    there = np.isfinite(z) & (t - delay >= t[0]) & (t - delay <= t[-1])
    return np.interp(t[there] - delay, t, x), z[there]


@eqx.filter_jit
def _readings(model: Observed, ts: Any, starts: Any) -> dict[str, Any]:
    """The expected values of all channels, shape `(window, row, 1)`."""
    return jax.vmap(lambda t, y: model.readings(t, model(t, y)))(ts, starts)


@eqx.filter_jit
def _seen(model: Any, readings: dict[str, AbstractReading], ts: Any, ys: Any) -> dict[str, Any]:
    """What ideal sensors would read at given states, shape `(window, row)`."""

    def seen(t: Any, y: Any) -> dict[str, Any]:
        return {name: reading(Instant(model, t, y))[0] for name, reading in readings.items()}

    return jax.vmap(jax.vmap(seen))(ts, ys)


def _judged(name: str, errors: np.ndarray, values: np.ndarray) -> tuple[float, list[str]]:
    """The factor of the standard errors if errors are correlated, and sentences on what looks wrong."""
    there, e = np.isfinite(errors), np.nan_to_num(errors)
    left = float(np.var(errors[there]) / np.var(values[there]))
    both = there[:, 1:] & there[:, :-1]
    products, squares = map(np.sum, lag_one(e))
    r = float(products / max(squares * both.sum() / there.sum(), 1e-300))
    words, factor = [], 1.0
    if left > 1 - MIN_EXPLAINED:
        words.append(f"{name} is hardly explained: {left:.0%} of its variance is left over. Does it see another thing?")
    if both.sum() > MIN_VALUES and r > max(MIN_CORRELATION, 4 / np.sqrt(both.sum())):
        r = min(r, 0.99)
        factor = float(np.sqrt((1 + r) / (1 - r)))
        words.append(f"The errors of {name} are correlated ({r:.2f} from sample to sample): intervals are widened.")
    return factor, words


def _calibrated(name: str, known: Information, columns: Columns, errors: np.ndarray, widened: float) -> Calibrated:
    """The sensor of a channel with standard errors."""
    channel = columns.observations[name]

    def estimate(quantity: str) -> Estimate:
        value, error = known.estimate(lambda m: getattr(m.sensors[name], quantity))
        return Estimate(value, widened * error)

    count = int(np.isfinite(errors).sum())
    noise = float(known.model.sensors[name].noise) * (known.misfit[name] if known.misfit[name] < AT_LEAST else 1.0)
    unit = channel.unit(columns.units.get(name))
    of_noise = Estimate(noise, float(widened * noise / np.sqrt(2 * max(count - 3, 1))))
    return Calibrated(channel, unit, estimate("gain"), estimate("offset"), estimate("delay"), of_noise)


def _confounded(known: Information) -> list[str]:
    """What the recording does not tell apart, in words."""
    named = re.compile(r"sensors\['([^]]*)'\]\.(\w+)")
    lines = [named.sub(lambda m: f"the {m[2]} of {m[1]}", line) for line in known.words()]
    return [f"{line[0].upper()}{line[1:]}." for line in lines]
