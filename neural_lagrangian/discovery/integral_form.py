r"""Coefficients from the integral form of the equations of motion, without rollouts.

$$\int_{t_0}^{t} \frac{\partial L}{\partial v}\, dt' = \int_{t_0}^{t} p\, dt', \qquad
  p(t) - p(t_0) = \int_{t_0}^{t} \Bigl(\frac{\partial L}{\partial q} + Q\Bigr) dt'$$

The integrals run along splines through the samples. Measurements are not differentiated if the mass matrix is
constant. For a family that is linear in its coefficients, this is a linear least-squares problem. For any other family,
each coefficient is first searched among powers of ten, and Gauss-Newton steps follow. The solution is the start of the
fit by rollouts.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.interpolate import CubicSpline

from ..integrators import covectors_of
from ..mechanics import EulerLagrangeTerm, SampledControl
from ..numerics import root_mean_square
from .family import LagrangianFamily, Vector
from .natural_units import NaturalUnits

POINTS_PER_INTERVAL = 4
"""Gauss-Legendre points between two samples."""
MAX_STEPS = 4
"""Gauss-Newton steps; the result only starts the fit by rollouts, so few are enough."""
MAX_DECADES = 64
"""Largest power of ten, up and down, that is tried for a coefficient.

With units between 1e-9 and 1e9, a mass that grows with the square of a coordinate (in energy time^2 / length^4) lies
between 1e-63 and 1e63.
"""
DECADES_PER_BATCH = 27
"""Powers of ten evaluated at a time, which bounds the memory."""
SEARCH_SWEEPS = 3
"""Number of searches of each coefficient, one coefficient after another."""
HOMOGENEITY_TOLERANCE = 1e-6
"""Relative size of the part without coefficients below which their common scale is undetermined."""


class Quadrature(NamedTuple):
    """Linear maps from samples to quadrature points, and from these to integrals up to each sample.

    - `ts`: times of the points, shape `(points,)`.
    - `values`, `slopes`: maps from samples to values and slopes of the cubic spline, shape `(points, time)`.
    - `integrals`: map from points to integrals, shape `(time, points)`.
    - `mask`: which samples are recorded rather than padding, shape `(time,)`.

    For several runs each array has a leading axis of runs.
    """

    ts: Float[Array, "*runs points"]
    values: Float[Array, "*runs points time"]
    slopes: Float[Array, "*runs points time"]
    integrals: Float[Array, "*runs time points"]
    mask: Bool[Array, "*runs time"]

    @classmethod
    def of(cls, ts: np.ndarray, dtype: Any) -> "Quadrature":
        """The maps for samples at the given times, computed in double precision."""
        points, values, slopes, integrals = (jnp.asarray(x, dtype) for x in _maps(np.asarray(ts, np.float64)))
        return cls(points, values, slopes, integrals, jnp.ones(len(ts), bool))

    @classmethod
    def of_runs(cls, runs: Sequence[np.ndarray]) -> "Quadrature":
        """The maps for several runs, padded to the longest; padding contributes nothing."""
        longest = max(len(ts) for ts in runs)
        points = POINTS_PER_INTERVAL * (longest - 1)
        padded = []
        for ts in runs:
            t, values, slopes, integrals = _maps(np.asarray(ts, np.float64))
            more, later = points - len(t), longest - len(ts)
            padded.append(
                (
                    np.pad(t, (0, more), mode="edge"),
                    np.pad(np.pad(values, ((0, more), (0, 0)), mode="edge"), ((0, 0), (0, later))),
                    np.pad(np.pad(slopes, ((0, more), (0, 0)), mode="edge"), ((0, 0), (0, later))),
                    np.pad(integrals, ((0, later), (0, more))),
                    np.arange(longest) < len(ts),
                )
            )
        return cls(*(jnp.asarray(np.stack(parts)) for parts in zip(*padded, strict=True)))

    def stretched(self, factor: Array) -> "Quadrature":
        """The same maps with all times multiplied by a factor."""
        return self._replace(ts=self.ts * factor, slopes=self.slopes / factor, integrals=self.integrals * factor)


def _maps(ts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(POINTS_PER_INTERVAL)
    h = np.diff(ts)
    points = (ts[:-1, None] + h[:, None] * (nodes + 1) / 2).reshape(-1)
    spline = CubicSpline(ts, np.eye(len(ts)))
    weights = (h[:, None] * weights / 2).reshape(-1)
    before = np.arange(len(points)) // POINTS_PER_INTERVAL < np.arange(len(ts))[:, None]
    return points, spline(points), spline(points, 1), before * weights


class Motion(NamedTuple):
    """Runs of one system in natural units.

    - `origins`: first time of each run in seconds, shape `(run,)`. `ts`: times since the origins.
    - `rows`: [q, v] or [q, p], shape `(run, time, 2 dof)`.
    - `controls`: in recorded units, shape `(run, time, m)`. `quadrature`: integration along the runs.
    """

    origins: Float[Array, " run"]
    ts: Float[Array, "run time"]
    rows: Float[Array, "run time two_dof"]
    controls: Float[Array, "run time m"]
    quadrature: Quadrature


def driven_term(
    family: LagrangianFamily, units: NaturalUnits, c: Vector, origin: Array, ts: Array, us: Array
) -> EulerLagrangeTerm:
    """One system of the family in natural units, driven by the controls of a run if its force takes a control."""
    control = SampledControl(origin + units.time * ts, us) if family.driven else None
    return units.term(family.term(c, control), origin)


def is_affine(family: LagrangianFamily, units: NaturalUnits, motion: Motion, momenta: bool, start: Vector) -> Array:
    """Whether both sides of the integral form are affine in the coefficients: second derivatives are exactly zero."""

    def bend(c: Vector) -> Array:
        return jnp.concatenate(jax.jacfwd(jax.jacfwd(lambda c: _sides(family, units, motion, momenta, c)))(c))

    return jnp.all(bend(start) == 0) & jnp.all(bend(1.37 * start) == 0)


def integral_start(
    family: LagrangianFamily, units: NaturalUnits, motion: Motion, momenta: bool, start: Vector, affine: bool
) -> tuple[Vector, Vector]:
    """Estimates coefficients from the integral form, with the typical size of each coefficient.

    If the data do not determine the common scale of the coefficients, it is that of `start`.

    **Arguments:**

    - `affine`: the result of `is_affine`; if true, one linear step finds the coefficients, whatever the start.
    """

    def sides(c: Vector) -> tuple[Array, Array]:
        return _sides(family, units, motion, momenta, c)

    c = _of_affine(sides, start) if affine else _of_any(sides, _nearest_decades(family, sides, start))
    c = jnp.where(jnp.all(jnp.isfinite(c)), c, start)
    left, right = jax.jacfwd(sides)(c)
    size = jnp.sqrt(jnp.sum(left**2 + right**2, axis=(0, 1, 2)))
    scale = jnp.max(jnp.abs(c) * size) / _away_from_zero(size)
    return c, jnp.where((size > 0) & jnp.isfinite(scale) & (scale > 0), scale, _away_from_zero(jnp.abs(c)))


Sides = Callable[[Vector], tuple[Array, Array]]
"""The two sides of the integral form as functions of the coefficients, each of shape `(run, time, channel)`."""


def _of_affine(sides: Sides, start: Vector) -> Vector:
    left, right = jax.jacfwd(sides)(start)
    left_0, right_0 = sides(jnp.zeros_like(start))
    A, size = _over_size((left - right).reshape(-1, len(start)))
    r = (left_0 - right_0).reshape(-1)
    c = -jnp.linalg.lstsq(A, r)[0] / size
    free = jnp.linalg.norm(r) <= HOMOGENEITY_TOLERANCE * (jnp.linalg.norm(left_0) + jnp.linalg.norm(right_0))
    return jnp.where(free, _null_vector(A, size, start), c)


def _of_any(sides: Sides, start: Vector) -> Vector:
    """Gauss-Newton steps on the relative difference of the two sides; a step is taken only if it reduces the misfit.

    The absolute difference would vanish together with the coefficients.
    """

    def residual(c: Vector) -> Array:
        left, right = sides(c)
        both = jnp.sqrt(jnp.sum(left**2 + right**2, axis=(0, 1), keepdims=True))
        return ((left - right) / _away_from_zero(both)).reshape(-1)

    c = start
    for _ in range(MAX_STEPS):
        A, size = _over_size(jax.jacfwd(residual)(c))
        effect = size * jnp.abs(c)
        A = jnp.where(
            (effect > HOMOGENEITY_TOLERANCE * jnp.max(effect))[None], A, 0
        )  # the other columns are rounding errors
        tried = c - jnp.linalg.lstsq(A, residual(c), rcond=HOMOGENEITY_TOLERANCE)[0] / size
        better = jnp.all(jnp.isfinite(tried)) & (_misfit(sides, tried) < _misfit(sides, c))
        c = jnp.where(better, tried, c)
    return c


def _over_size(A: Array) -> tuple[Array, Vector]:
    """A with normalised columns, and their norms."""
    size = _away_from_zero(jnp.linalg.norm(A, axis=0))
    return A / size[None], size


def _null_vector(A: Array, size: Vector, start: Vector) -> Vector:
    """The null vector of the normalised columns `A` with norms `size`, at the scale of a start."""
    null = jnp.linalg.svd(A, full_matrices=False)[2][-1] / size
    return null * jnp.dot(size * start, size * start) / _away_from_zero(jnp.dot(size * null, size * start))


def _misfit(sides: Sides, c: Vector) -> Array:
    """Sum over channels of the relative squared difference of the two sides, independent of units."""
    left, right = sides(c)
    largest = jnp.maximum(jnp.abs(left), jnp.abs(right)).max(axis=(0, 1), keepdims=True)  # avoids underflow of squares
    left, right = (side / jnp.where(largest > 0, largest, 1) for side in (left, right))
    both = _away_from_zero(jnp.sum(left**2 + right**2, axis=(0, 1)))
    share = jnp.sum(jnp.sum((left - right) ** 2, axis=(0, 1)) / both)
    return jnp.where(jnp.isfinite(share), share, jnp.inf)


def _nearest_decades(family: LagrangianFamily, sides: Sides, start: Vector) -> Vector:
    """Coordinate search: multiplies all coefficients, then each one, by the best power of ten.

    Bounded coefficients stay. So do coefficients without effect, since their misfit is constant.
    """
    powers = jnp.arange(-MAX_DECADES, MAX_DECADES + 1, dtype=start.dtype)
    factors = jnp.concatenate([10.0**powers, -(10.0**powers)])
    cost = 1e-9 * jnp.concatenate([jnp.abs(powers), jnp.abs(powers) + 0.5])
    signed = np.asarray([range_ == "any" for _, range_ in family.ranges])
    free = np.asarray([isinstance(range_, str) for _, range_ in family.ranges])
    moved = np.concatenate([free[None], np.diag(free)[::-1]])  # all together, then each alone, the first one last
    turned = np.concatenate([[False], signed[::-1]])

    def look(c: Vector, move: tuple[Array, Array]) -> tuple[Vector, None]:
        which, may_turn = move

        def at(factor: Array) -> Vector:
            return jnp.where(which, c * factor, c)

        tried = jax.lax.map(lambda factor: _misfit(sides, at(factor)), factors, batch_size=DECADES_PER_BATCH) + cost
        tried = jnp.where((factors < 0) & ~may_turn, jnp.inf, tried)
        best = jnp.argmin(tried)
        return jnp.where(jnp.isfinite(tried[best]), at(factors[best]), c), None

    moves = (jnp.asarray(np.tile(moved, (SEARCH_SWEEPS, 1))), jnp.asarray(np.tile(turned, SEARCH_SWEEPS)))
    return jax.lax.scan(look, start, moves)[0]


def term_sizes(family: LagrangianFamily, quadrature: Quadrature, data: Array) -> Vector:
    """Natural size of each coefficient: its term alone would be as large as the motion, given as rows [q, p].

    A coefficient divided by its natural size has no unit.
    """
    q, p = jnp.split(data, 2, axis=1)
    units = NaturalUnits.of_rows(q, quadrature.slopes @ q, p)
    natural = quadrature.stretched(1 / units.time), data / units.sizes(momenta=True)[None]

    def residual(c: Vector) -> Array:
        left, right = _with_momenta(units.term(family.term(c), jnp.zeros((), data.dtype)), *natural)
        return (left - right).reshape(-1)

    A = jax.jacfwd(residual)(family.default.astype(data.dtype))
    return np.sqrt(2.0) / _away_from_zero(root_mean_square(A))


def _sides(
    family: LagrangianFamily, units: NaturalUnits, motion: Motion, momenta: bool, c: Vector
) -> tuple[Array, Array]:
    """Both sides of the integral form for all runs, each of shape `(run, time, channel)`."""

    def of_run(origin, ts, rows, us, quadrature):
        term = driven_term(family, units, c, origin, ts, us)
        if momenta:
            return _with_momenta(term, quadrature, rows)
        return _homogeneous(term, quadrature, ts, rows)

    return jax.vmap(of_run)(*motion)


def _with_momenta(term: Any, quadrature: Quadrature, data: Array) -> tuple[Array, Array]:
    q, p = jnp.split(data, 2, axis=1)
    t, values, slopes, integrals, mask = quadrature
    of_motion, force = _along(term, t, values @ q, slopes @ q)
    measured, momenta = _without_mean(integrals @ (values @ p), mask), _without_mean(p, mask)
    sizes = tuple(_away_from_zero(root_mean_square(x, mask))[None] for x in (measured, p))
    right = (_without_mean(integrals @ of_motion, mask) / sizes[0], _without_mean(integrals @ force, mask) / sizes[1])
    return jnp.concatenate([measured / sizes[0], momenta / sizes[1]], axis=1), jnp.concatenate(right, axis=1)


def _homogeneous(term: Any, quadrature: Quadrature, ts: Array, data: Array) -> tuple[Array, Array]:
    q, v = jnp.split(data, 2, axis=1)
    t, values, _, integrals, mask = quadrature
    p, _ = _along(term, ts, q, v)
    _, force = _along(term, t, values @ q, values @ v)
    return _without_mean(p, mask), _without_mean(integrals @ force, mask)


def _along(term: Any, t: Array, q: Array, v: Array) -> tuple[Array, Array]:
    """The momentum, and the total generalised force with that of the Lagrangian, at points of a motion."""
    return jax.vmap(covectors_of(term, None))(t, q, v)


def _without_mean(x: Array, mask: Array) -> Array:
    """Subtracts the mean, because the constant of integration is free."""
    real = mask[:, None]
    mean = jnp.sum(jnp.where(real, x, 0), axis=0, keepdims=True) / jnp.sum(mask, dtype=x.dtype)
    return jnp.where(real, x - mean, 0)


def _away_from_zero(x: Array) -> Array:
    tiny = jnp.sqrt(jnp.finfo(x.dtype).tiny)
    return jnp.where(jnp.abs(x) < tiny, tiny, x)
