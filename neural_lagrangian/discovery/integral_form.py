r"""Coefficients from motion without integrating it: the equations of motion, integrated once along what was measured.

$$\int_{t_0}^{t} \frac{\partial L}{\partial v}\, dt' = \int_{t_0}^{t} p\, dt', \qquad
  p(t) - p(t_0) = \int_{t_0}^{t} \Bigl(\frac{\partial L}{\partial q} + Q\Bigr) dt'$$

along splines through the samples. No derivative of a measurement is taken where $\partial L / \partial v$ is linear
in v with a constant mass. Of a family linear in its coefficients this is one linear least-squares problem, and its
solution is where an iteration through the integrator begins.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import CubicSpline

from ..integrators.variational import covectors_of
from .family import LagrangianFamily, Vector

GAUSS = 4
"""Points of quadrature on an interval between samples."""
ROUNDS = 3
"""Gauss-Newton steps: a family linear in its coefficients needs one."""


class Quadrature(NamedTuple):
    """Linear maps from samples to points of quadrature, and from there to integrals up to each sample.

    - `ts`: shape `(points,)`. `values`, `slopes`: of the cubic spline, shape `(points, time)`.
    - `integrals`: shape `(time, points)`.
    """

    ts: Float[Array, " points"]
    values: Float[Array, "points time"]
    slopes: Float[Array, "points time"]
    integrals: Float[Array, "time points"]

    @classmethod
    def of(cls, ts: np.ndarray, dtype: Any) -> "Quadrature":
        """Between samples at the times given, computed in double precision."""
        nodes, weights = np.polynomial.legendre.leggauss(GAUSS)
        h = np.diff(ts)
        points = (ts[:-1, None] + h[:, None] * (nodes + 1) / 2).reshape(-1)
        spline = CubicSpline(ts, np.eye(len(ts)))
        weights = (h[:, None] * weights / 2).reshape(-1)
        before = np.arange(len(points)) // GAUSS < np.arange(len(ts))[:, None]
        return cls(*(jnp.asarray(x, dtype) for x in (points, spline(points), spline(points, 1), before * weights)))


def integral_start(
    family: LagrangianFamily, quadrature: Quadrature, ts: Array, data: Array, momenta: bool, start: Vector
) -> tuple[Vector, Vector]:
    """Coefficients near those of the motion, and the size at which each of them would matter.

    Their scale is that of `start` where the data do not tell it.

    **Arguments:**

    - `data`: rows [q, p] with `momenta`, else [q, v]; shape `(time, 2 dof)`.
    """

    def residual(c: Vector) -> Array:
        return _with_momenta(family, quadrature, data, c) if momenta else _homogeneous(family, quadrature, ts, data, c)

    c, size = start, jnp.ones_like(start)
    for _ in range(ROUNDS):
        A, r = jax.jacfwd(residual)(c), residual(c)
        size = _away_from_zero(jnp.sqrt(jnp.sum(A**2, axis=0)))
        A = A / size[None]
        inhomogeneous = r - A @ (size * c)
        step = -jnp.linalg.lstsq(A, r)[0] / size
        null = jnp.linalg.svd(A, full_matrices=False)[2][-1] / size
        null = null * jnp.dot(size * start, size * start) / _away_from_zero(jnp.dot(size * null, size * start))
        scale_is_free = jnp.linalg.norm(inhomogeneous) <= 1e-6 * jnp.linalg.norm(A @ (size * start))
        c = jnp.where(scale_is_free, null, c + step)
    c = jnp.where(jnp.all(jnp.isfinite(c)), c, start)
    scale = jnp.max(jnp.abs(c) * size) / size
    return c, jnp.where(jnp.isfinite(scale) & (scale > 0) & (scale < 1 / jnp.finfo(c.dtype).eps), scale, 1)


def term_sizes(family: LagrangianFamily, quadrature: Quadrature, data: Array) -> Vector:
    """The size at which each coefficient's term alone would be as large as the motion, from rows [q, p].

    A coefficient divided by it is a pure number.
    """
    A = jax.jacfwd(lambda c: _with_momenta(family, quadrature, data, c))(family.default.astype(data.dtype))
    return np.sqrt(2.0) / _away_from_zero(jnp.sqrt(jnp.mean(A**2, axis=0)))


def _with_momenta(family: LagrangianFamily, quadrature: Quadrature, data: Array, c: Vector) -> Array:
    q, p = jnp.split(data, 2, axis=1)
    t, values, slopes, integrals = quadrature
    of_motion, force = _along(family, c, t, values @ q, slopes @ q)
    measured = _without_mean(integrals @ (values @ p))
    first = measured - _without_mean(integrals @ of_motion)
    second = _without_mean(p - integrals @ force)
    return jnp.concatenate([first / _rms(measured), second / _rms(p)]).reshape(-1)


def _homogeneous(family: LagrangianFamily, quadrature: Quadrature, ts: Array, data: Array, c: Vector) -> Array:
    q, v = jnp.split(data, 2, axis=1)
    t, values, _, integrals = quadrature
    p, _ = _along(family, c, ts, q, v)
    _, force = _along(family, c, t, values @ q, values @ v)
    return _without_mean(p - integrals @ force).reshape(-1)


def _along(family: LagrangianFamily, c: Vector, t: Array, q: Array, v: Array) -> tuple[Array, Array]:
    """The momentum and the force, that of the Lagrangian included, at points of a motion."""
    return jax.vmap(covectors_of(family.term(c), None))(t, q, v)


def _without_mean(x: Array) -> Array:
    """The constant of integration is free: the first sample is no better than the others."""
    return x - jnp.mean(x, axis=0, keepdims=True)


def _rms(x: Array) -> Array:
    return _away_from_zero(jnp.sqrt(jnp.mean(x**2, axis=0, keepdims=True)))


def _away_from_zero(x: Array) -> Array:
    tiny = jnp.sqrt(jnp.finfo(x.dtype).tiny)
    return jnp.where(jnp.abs(x) < tiny, tiny, x)
