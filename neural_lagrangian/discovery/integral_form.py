r"""Coefficients from motion without integrating it: the equations of motion, integrated once along what was measured.

$$\int_{t_0}^{t} \frac{\partial L}{\partial v}\, dt' = \int_{t_0}^{t} p\, dt', \qquad
  p(t) - p(t_0) = \int_{t_0}^{t} \Bigl(\frac{\partial L}{\partial q} + Q\Bigr) dt'$$

along splines through the samples. No derivative of a measurement is taken where $\partial L / \partial v$ is linear
in v with a constant mass. Of a family linear in its coefficients this is one linear least-squares problem, and its
solution is where an iteration through the integrator begins. Of another family each coefficient is first looked for
among powers of ten, so that none begins in a unit in which it is far from one.
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

GAUSS = 4
"""Points of quadrature on an interval between samples."""
ROUNDS = 4
"""Gauss-Newton steps: a family linear in its coefficients needs one, and one more to be rid of rounding."""
DECADES = 64
"""Powers of ten, up and down, in which a coefficient is looked for: with units from 1e-9 to 1e9, that of a mass that
grows with the square of a coordinate, energy time^2 / length^4, is from 1e-63 to 1e63.
"""
BATCH = 27
"""Powers of ten that are tried at a time."""
SWEEPS = 3
"""How often each coefficient is looked for in turn."""
HOMOGENEOUS = 1e-6
"""Relative size of what does not turn with the coefficients below which their scale is free."""


class Quadrature(NamedTuple):
    """Linear maps from samples to points of quadrature, and from there to integrals up to each sample.

    - `ts`: shape `(points,)`. `values`, `slopes`: of the cubic spline, shape `(points, time)`.
    - `integrals`: shape `(time, points)`. `mask`: which samples are real, shape `(time,)`.

    Of several runs each array has one more axis in front.
    """

    ts: Float[Array, "*runs points"]
    values: Float[Array, "*runs points time"]
    slopes: Float[Array, "*runs points time"]
    integrals: Float[Array, "*runs time points"]
    mask: Bool[Array, "*runs time"]

    @classmethod
    def of(cls, ts: np.ndarray, dtype: Any) -> "Quadrature":
        """Between samples at the times given, computed in double precision."""
        points, values, slopes, integrals = (jnp.asarray(x, dtype) for x in _maps(np.asarray(ts, np.float64)))
        return cls(points, values, slopes, integrals, jnp.ones(len(ts), bool))

    @classmethod
    def of_runs(cls, runs: Sequence[np.ndarray]) -> "Quadrature":
        """Of runs of any lengths, padded to the longest: what is padded counts for nothing."""
        longest = max(len(ts) for ts in runs)
        points = GAUSS * (longest - 1)
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
        """With all times multiplied by a factor."""
        return self._replace(ts=self.ts * factor, slopes=self.slopes / factor, integrals=self.integrals * factor)


def _maps(ts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(GAUSS)
    h = np.diff(ts)
    points = (ts[:-1, None] + h[:, None] * (nodes + 1) / 2).reshape(-1)
    spline = CubicSpline(ts, np.eye(len(ts)))
    weights = (h[:, None] * weights / 2).reshape(-1)
    before = np.arange(len(points)) // GAUSS < np.arange(len(ts))[:, None]
    return points, spline(points), spline(points, 1), before * weights


class Motion(NamedTuple):
    """Runs of one system in natural units: the `origins` of their times `(run,)`, in seconds; times since those
    `(run, time)`; rows [q, v] or [q, p] `(run, time, 2 dof)`; and what integrates along them. The controls
    `(run, time, m)` are as recorded.
    """

    origins: Float[Array, " run"]
    ts: Float[Array, "run time"]
    rows: Float[Array, "run time two_dof"]
    controls: Float[Array, "run time m"]
    quadrature: Quadrature


def driven_term(
    family: LagrangianFamily, units: NaturalUnits, c: Vector, origin: Array, ts: Array, us: Array
) -> EulerLagrangeTerm:
    """A member of the family in natural units, driven by the controls of a run where it takes one."""
    control = SampledControl(origin + units.time * ts, us) if family.driven else None
    return units.term(family.term(c, control), origin)


def is_affine(family: LagrangianFamily, units: NaturalUnits, motion: Motion, momenta: bool, start: Vector) -> Array:
    """Whether what is to be equal is affine in the coefficients: its second derivatives are zero, to the last bit."""

    def bend(c: Vector) -> Array:
        return jnp.concatenate(jax.jacfwd(jax.jacfwd(lambda c: _sides(family, units, motion, momenta, c)))(c))

    return jnp.all(bend(start) == 0) & jnp.all(bend(1.37 * start) == 0)


def integral_start(
    family: LagrangianFamily, units: NaturalUnits, motion: Motion, momenta: bool, start: Vector, affine: bool
) -> tuple[Vector, Vector]:
    """Coefficients near those of the motion, and the size at which each of them would matter.

    Their scale is that of `start` where the data do not tell it.

    **Arguments:**

    - `affine`: what `is_affine` says of the family: its coefficients are then found in one linear step, whatever the
      start.
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
"""What is to be equal: two arrays `(run, time, channel)`."""


def _of_affine(sides: Sides, start: Vector) -> Vector:
    left, right = jax.jacfwd(sides)(start)
    left_0, right_0 = sides(jnp.zeros_like(start))
    A, size = _over_size((left - right).reshape(-1, len(start)))
    r = (left_0 - right_0).reshape(-1)
    c = -jnp.linalg.lstsq(A, r)[0] / size
    free = jnp.linalg.norm(r) <= HOMOGENEOUS * (jnp.linalg.norm(left_0) + jnp.linalg.norm(right_0))
    return jnp.where(free, _null_vector(A, size, start), c)


def _of_any(sides: Sides, start: Vector) -> Vector:
    """Gauss-Newton steps, each taken only where it helps, on what is not equal over what should be.

    That does not become small with the coefficients, as the difference does.
    """

    def residual(c: Vector) -> Array:
        left, right = sides(c)
        both = jnp.sqrt(jnp.sum(left**2 + right**2, axis=(0, 1), keepdims=True))
        return ((left - right) / _away_from_zero(both)).reshape(-1)

    c = start
    for _ in range(ROUNDS):
        A, size = _over_size(jax.jacfwd(residual)(c))
        effect = size * jnp.abs(c)
        A = jnp.where((effect > HOMOGENEOUS * jnp.max(effect))[None], A, 0)  # else its column is rounding errors
        tried = c - jnp.linalg.lstsq(A, residual(c), rcond=HOMOGENEOUS)[0] / size
        better = jnp.all(jnp.isfinite(tried)) & (_misfit(sides, tried) < _misfit(sides, c))
        c = jnp.where(better, tried, c)
    return c


def _over_size(A: Array) -> tuple[Array, Vector]:
    """A with columns of length one, and their lengths."""
    size = _away_from_zero(jnp.linalg.norm(A, axis=0))
    return A / size[None], size


def _null_vector(A: Array, size: Vector, start: Vector) -> Vector:
    """Coefficients that make nearly nothing of columns `A` over their `size`, at the scale of a start."""
    null = jnp.linalg.svd(A, full_matrices=False)[2][-1] / size
    return null * jnp.dot(size * start, size * start) / _away_from_zero(jnp.dot(size * null, size * start))


def _misfit(sides: Sides, c: Vector) -> Array:
    """Of each channel what is not equal over what should be, so that no unit makes one of them count alone."""
    left, right = sides(c)
    largest = jnp.maximum(jnp.abs(left), jnp.abs(right)).max(axis=(0, 1), keepdims=True)  # else squares underflow
    left, right = (side / jnp.where(largest > 0, largest, 1) for side in (left, right))
    both = _away_from_zero(jnp.sum(left**2 + right**2, axis=(0, 1)))
    share = jnp.sum(jnp.sum((left - right) ** 2, axis=(0, 1)) / both)
    return jnp.where(jnp.isfinite(share), share, jnp.inf)


def _nearest_decades(family: LagrangianFamily, sides: Sides, start: Vector) -> Vector:
    """All coefficients, then each, at the power of ten times its start that fits best, again and again.

    Bounded ones stay, and those that do not matter: the misfit is the same for all of their values.
    """
    powers = jnp.arange(-DECADES, DECADES + 1, dtype=start.dtype)
    factors = jnp.concatenate([10.0**powers, -(10.0**powers)])
    cost = 1e-9 * jnp.concatenate([jnp.abs(powers), jnp.abs(powers) + 0.5])
    signed = np.asarray([range_ == "any" for _, range_ in family.ranges])
    free = np.asarray([isinstance(range_, str) for _, range_ in family.ranges])
    moved = np.concatenate([free[None], np.diag(free)[::-1]])  # all of them, and each by itself, the first one last
    turned = np.concatenate([[False], signed[::-1]])

    def look(c: Vector, move: tuple[Array, Array]) -> tuple[Vector, None]:
        which, may_turn = move

        def at(factor: Array) -> Vector:
            return jnp.where(which, c * factor, c)

        tried = jax.lax.map(lambda factor: _misfit(sides, at(factor)), factors, batch_size=BATCH) + cost
        tried = jnp.where((factors < 0) & ~may_turn, jnp.inf, tried)
        best = jnp.argmin(tried)
        return jnp.where(jnp.isfinite(tried[best]), at(factors[best]), c), None

    moves = (jnp.asarray(np.tile(moved, (SWEEPS, 1))), jnp.asarray(np.tile(turned, SWEEPS)))
    return jax.lax.scan(look, start, moves)[0]


def term_sizes(family: LagrangianFamily, quadrature: Quadrature, data: Array) -> Vector:
    """The size at which each coefficient's term alone would be as large as the motion, from rows [q, p].

    A coefficient divided by it is a pure number.
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
    """What is to be equal, of all runs: each `(run, time, channel)`."""

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
    """The momentum and the force, that of the Lagrangian included, at points of a motion."""
    return jax.vmap(covectors_of(term, None))(t, q, v)


def _without_mean(x: Array, mask: Array) -> Array:
    """The constant of integration is free: the first sample is no better than the others."""
    real = mask[:, None]
    mean = jnp.sum(jnp.where(real, x, 0), axis=0, keepdims=True) / jnp.sum(mask, dtype=x.dtype)
    return jnp.where(real, x - mean, 0)


def _away_from_zero(x: Array) -> Array:
    tiny = jnp.sqrt(jnp.finfo(x.dtype).tiny)
    return jnp.where(jnp.abs(x) < tiny, tiny, x)
