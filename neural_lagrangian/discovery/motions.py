"""Recorded motions for `fit_coefficients`: checked and converted to natural units."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import floating
from ..numerics import root_mean_square
from ..trajectories import Trajectories
from .family import LagrangianFamily
from .integral_form import Motion, Quadrature
from .natural_units import NaturalUnits

MIN_RUN_SAMPLES = 4
"""Least samples of a run: a cubic spline needs four."""


class Recorded(NamedTuple):
    """Recorded runs as NumPy arrays in double precision.

    - `ts`: times of each run. `data`: rows, `data[system][run]`.
    - `us`: controls of each run, shape `(time, m)`; m is zero without controls.
    - `batched`: whether the data had an axis of systems. `several`: whether they were given as several runs.
    """

    ts: list[np.ndarray]
    data: list[list[np.ndarray]]
    us: list[np.ndarray]
    batched: bool
    several: bool


def recorded(ts: Any, data: Any, family: LagrangianFamily) -> Recorded:
    """Converts the arguments of `fit_coefficients` to recorded runs.

    **Raises:** `ValueError` for shapes that are neither one motion, nor several runs of one system, nor many systems;
    for controls that the family does not take, and for missing ones.
    """
    dof = family.dof
    if family.driven and (not isinstance(ts, Trajectories) or ts.controls is None):
        raise ValueError(
            "the force of `family` takes a control `u`, but `ts` has no controls; expected Trajectories with `controls`"
        )
    if isinstance(ts, Trajectories):
        if data is not None:
            raise ValueError("`ts` are Trajectories, which hold the states, but `data` was given too; leave `data` out")
        return _from_trajectories(ts, family)
    if isinstance(ts, list | tuple) and len(ts) and np.ndim(ts[0]) > 0:
        return _runs(ts, data, dof)
    shape = ("time", 2 * dof)
    rows = np.asarray(floating("data", data, shape if np.ndim(data) < 3 else ("systems", *shape)), np.float64)
    times = np.asarray(ts, np.float64) if np.asarray(ts).dtype.kind == "f" else ts
    times = np.asarray(times if isinstance(times, np.ndarray) else floating("ts", ts, ("time",)), np.float64)
    if times.shape != (rows.shape[-2],):
        raise ValueError(f"`ts` has shape {times.shape}; expected ({rows.shape[-2]},), one time for each row of `data`")
    batched = rows.ndim == 3
    systems = list(rows) if batched else [rows]
    return Recorded([times], [[y] for y in systems], _no_controls([times]), batched, several=False)


def _from_trajectories(trajectories: Trajectories, family: LagrangianFamily) -> Recorded:
    """Runs between gaps, without stretches between gaps that are too short for a spline."""
    if trajectories.controls is not None and not family.driven:
        raise ValueError(
            "`ts` are Trajectories with controls, but the force of `family` has no parameter `u`; add one, as in "
            "`force=lambda t, q, v, u, *, g: g * u`, or leave out the controls: "
            "`Trajectories([t for t, _ in ts], [y for _, y in ts])`"
        )
    if trajectories.parameters is not None:
        raise ValueError(
            "`ts` are Trajectories with parameters, which this fit does not use; expected the motion of one system, or "
            "`data` of shape (systems, time, 2 dof)"
        )
    if trajectories.accelerations is not None:
        raise ValueError(
            "`ts` are Trajectories with accelerations, which this fit does not use; leave them out: "
            "`Trajectories([t for t, _ in ts], [y for _, y in ts])`, with `controls` if there are any"
        )
    if trajectories.dof != family.dof:
        raise ValueError(f"`ts` are Trajectories of dof {trajectories.dof}; expected {family.dof}, the dof of `family`")
    split = trajectories.split_at_gaps()
    runs = list(enumerate(split))
    if len(split) > len(trajectories):
        runs = [(i, run) for i, run in runs if len(run[0]) >= MIN_RUN_SAMPLES] or runs
    ts = [t.astype(np.float64) for _, (t, _) in runs]
    rows = [y.astype(np.float64) for _, (_, y) in runs]
    if split.controls is None:
        return Recorded(ts, [rows], _no_controls(ts), batched=False, several=True)
    us = [split.controls[i, : len(t)].astype(np.float64) for i, (t, _) in runs]
    return Recorded(ts, [rows], us, batched=False, several=True)


def _no_controls(ts: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [np.zeros((len(t), 0)) for t in ts]


def _runs(ts: Sequence[Any], data: Any, dof: int) -> Recorded:
    """Several runs of one system, from a sequence of times and a sequence of rows."""
    if not isinstance(data, list | tuple) and np.ndim(data) != 3:
        raise ValueError(f"`ts` holds the times of {len(ts)} runs; expected `data` as a sequence of {len(ts)} arrays")
    if len(data) != len(ts):
        raise ValueError(f"`ts` holds {len(ts)} runs, but `data` holds {len(data)}; expected the same number")
    rows = [np.asarray(floating(f"data[{i}]", y, ("time", 2 * dof)), np.float64) for i, y in enumerate(data)]
    times = [
        np.asarray(floating(f"ts[{i}]", t, (len(y),)), np.float64)
        for i, (t, y) in enumerate(zip(ts, rows, strict=True))
    ]
    return Recorded(times, [rows], _no_controls(times), batched=False, several=True)


def check(motions: Recorded, family: LagrangianFamily) -> None:
    """Raises a `ValueError` for times that do not increase, too few samples, values not finite, or no motion."""
    for t in motions.ts:
        if not np.all(np.diff(t) > 0):
            raise ValueError("`ts` do not increase; expected strictly increasing times")
    shortest = min(map(len, motions.ts))
    numbers, unknowns = 2 * family.dof * sum(map(len, motions.ts)), len(family.names) + 2 * family.dof * len(motions.ts)
    if shortest < MIN_RUN_SAMPLES or numbers <= unknowns:
        raise ValueError(
            f"`data` has {numbers} numbers for {unknowns} unknowns (coefficients and initial states), and {shortest} "
            f"samples in its shortest run; expected more numbers than unknowns, and at least {MIN_RUN_SAMPLES} samples"
        )
    for i, runs in enumerate(motions.data):
        who = f"`data` of system {i}"
        if not all(np.isfinite(y).all() for y in (*runs, *motions.us)):
            raise ValueError(f"{who} holds NaN or infinite values; expected finite values")
        if all(np.ptp(y, axis=0).max() == 0 for y in runs):
            raise ValueError(f"{who} never changes; expected a motion")


class ScaledMotions(NamedTuple):
    """Motions of one or many systems in natural units.

    - `duration`: unit of the times in `ts` and `quadrature`, in seconds, shared by all systems.
    - `origins`: first time of each run in seconds. `controls`: in recorded units.
    - `units`, `rows`: for each system, with a leading axis of systems.
    """

    duration: Float[Array, ""]
    origins: Float[Array, " run"]
    ts: Float[Array, "run time"]
    quadrature: Quadrature
    controls: Float[Array, "run time m"]
    units: NaturalUnits
    rows: Float[Array, "systems run time two_dof"]

    def motion(self, units: NaturalUnits, rows: Array) -> Motion:
        """The runs of one system, given its units and rows."""
        factor = self.duration / units.time
        return Motion(self.origins, self.ts * factor, rows, self.controls, self.quadrature.stretched(factor))


def scaled(motions: Recorded, momenta: bool) -> ScaledMotions:
    """Converts each system to its natural units.

    Coordinates are divided by their root mean square, times by a radian of the motion, and momenta by their common root
    mean square. Without momenta the unit of the Lagrangian is one, because no row depends on it.
    """
    longest = max(map(len, motions.ts))
    duration = max(t[-1] - t[0] for t in motions.ts)
    ts = [(t - t[0]) / duration for t in motions.ts]
    later = [t[-1] + (t[-1] - t[-2]) * np.arange(1, longest - len(t) + 1) for t in ts]
    units, rows = [], []
    for runs in motions.data:
        q, second = np.split(np.concatenate(runs), 2, axis=1)
        length = _rms(q)
        speed = _speed(motions.ts, runs) if momenta else root_mean_square(second)
        rate = np.sqrt(np.mean((speed / length) ** 2))
        time = 1 / rate if rate > 0 else duration
        energy = np.sqrt(np.mean((second * length) ** 2)) / time if momenta else 1.0
        units.append((length, np.asarray(time), np.asarray(energy if energy > 0 else 1.0)))
        sizes = np.concatenate([length, units[-1][2] * time / length if momenta else length / time])
        rows.append(np.stack([_padded(y / sizes, longest) for y in runs]))
    return ScaledMotions(
        jnp.asarray(duration),
        jnp.asarray([t[0] for t in motions.ts]),
        jnp.asarray(np.stack([np.concatenate(parts) for parts in zip(ts, later, strict=True)])),
        Quadrature.of_runs(ts),
        jnp.asarray(np.stack([_padded(u, longest) for u in motions.us])),
        NaturalUnits(*(jnp.asarray(np.stack(parts)) for parts in zip(*units, strict=True))),
        jnp.asarray(np.stack(rows)),
    )


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    return np.pad(rows, ((0, count - len(rows)), (0, 0)), mode="edge")


def _rms(x: np.ndarray) -> np.ndarray:
    size = root_mean_square(x)
    return np.where(size > 0, size, 1.0)


def _speed(ts: Sequence[np.ndarray], runs: Sequence[np.ndarray]) -> np.ndarray:
    """Root mean square of the finite differences of each coordinate."""
    dof = runs[0].shape[1] // 2
    slopes = [np.diff(y[:, :dof], axis=0) / np.diff(t)[:, None] for t, y in zip(ts, runs, strict=True)]
    return root_mean_square(np.concatenate(slopes))
