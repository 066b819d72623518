r"""The equations of motion $E = M(t, q, v)\, a + h(t, q, v)$ of a Lagrangian, sampled at states.

$$M = \frac{\partial^2 L}{\partial v^2}, \qquad
  h = \frac{\partial^2 L}{\partial v\, \partial q} v + \frac{\partial^2 L}{\partial v\, \partial t}
      - \frac{\partial L}{\partial q}.$$

$(M, h)$ is all that motion can tell of a Lagrangian: a constant and every total derivative $\frac{d}{dt} F(t, q)$ have
$M = 0$ and $h = 0$. Two Lagrangians are gauge-equivalent if and only if $(M_2, h_2) = \alpha (M_1, h_1)$.
"""

from dataclasses import KW_ONLY
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._checks import floating, phase_states
from .._types import Lagrangian
from ..mechanics import euler_lagrange_residual, mass_matrix, scalar_valued
from ..numerics import natural_scales
from .double_precision import double_precision, refuse_single
from .errors import EquationsError

STILL = 1e-12
"""Standard deviation, over its size, of a coordinate that is constant but for rounding."""


class Scales(eqx.Module):
    r"""What makes the entries of $(M, h)$ comparable: $\ell_i M_{ij} \sigma_j$ and $\ell_i h_i$ are energies.

    `length`: standard deviation of each coordinate, $\ell_i$. `speed`: root mean square of each velocity.
    `acceleration`: root mean square of each acceleration, $\sigma_j$, or speed squared over length where nothing
    accelerates. All of shape `(dof,)`. `radian`: the time in which the motion comes about as far as its coordinates
    spread. A coordinate that stays where it is has the length that its speed or its acceleration gives it in this time.
    """

    length: Float[np.ndarray, " dof"]
    speed: Float[np.ndarray, " dof"]
    acceleration: Float[np.ndarray, " dof"]
    radian: float

    @staticmethod
    def of(states: np.ndarray, accelerations: np.ndarray) -> "Scales":
        q, v = np.split(np.asarray(states, np.float64), 2, axis=1)
        size, speed, a = (np.sqrt(np.mean(x**2, axis=0)) for x in (q, v, accelerations))
        spread = q.std(axis=0)
        spread = np.where(spread > STILL * size, spread, 0.0)
        radian = _radian(spread, speed, a)
        length = _first_positive(spread, speed * radian, a * radian**2, size)
        kinematic = np.where(speed > 0, speed**2 / length, length / radian**2)
        return Scales(length, speed, np.where(a > STILL**0.5 * kinematic, a, kinematic), radian)

    def rows(self, M: np.ndarray, h: np.ndarray) -> np.ndarray:
        r"""$[\ell_i M_{ij} \sigma_j, \ell_i h_i]$, shape `(..., dof (dof + 1))`, of `M` `(..., dof, dof)`, `h`."""
        scaled = self.length[:, None] * M * self.acceleration
        return np.concatenate([scaled.reshape(*h.shape[:-1], -1), self.length * h], axis=-1)


def _radian(length: np.ndarray, speed: np.ndarray, acceleration: np.ndarray) -> float:
    """Root mean square of length over speed, of the coordinates that have both; or what else is a time."""
    for over, under, power in ((length, speed, 1.0), (length, acceleration, 0.5), (speed, acceleration, 1.0)):
        both = (over > 0) & (under > 0)
        if both.any():
            return float(np.sqrt(np.mean((over[both] / under[both]) ** (2 * power))))
    return 1.0  # nothing moves: there is no time in the states


def _first_positive(*sizes: np.ndarray) -> np.ndarray:
    """Of each entry the first that is more than zero; one where there is none, in a coordinate that is always zero."""
    return np.select([size > 0 for size in sizes], sizes, 1.0)


class EquationSamples(eqx.Module):
    """What a Lagrangian says of motion at some states, and nothing that motion does not tell.

    `ts`, shape `(state,)`; `states`, `[q, v]`, `(state, 2 dof)`; `M`, `(state, dof, dof)`; `h`, `(state, dof)`;
    `values`, of the Lagrangian itself, `(state,)`. On the host in double precision: what any regression is fed with.
    """

    _: KW_ONLY
    ts: Float[np.ndarray, " state"]
    states: Float[np.ndarray, "state two_dof"]
    M: Float[np.ndarray, "state dof dof"]
    h: Float[np.ndarray, "state dof"]
    values: Float[np.ndarray, " state"]

    @property
    def accelerations(self) -> Float[np.ndarray, "state dof"]:
        """$-M^{+} h$."""
        return -np.einsum("sij,sj->si", mass_inverses(self.M, rcond=1e-12), self.h)

    @property
    def scales(self) -> Scales:
        """What is usual for each coordinate, velocity and acceleration."""
        return Scales.of(self.states, self.accelerations)


def mass_inverses(M: Float[np.ndarray, "state dof dof"], *, rcond: float) -> Float[np.ndarray, "state dof dof"]:
    r"""Inverses of mass matrices at many states, $D (D M D)^{+} D$ with $D$ the diagonal of `natural_scales`.

    The units of the coordinates take no part in what counts as singular: eigenvalues of $D M D$ of magnitude at most
    `rcond` times the largest.
    """
    d = natural_scales(M)
    scale = np.outer(d, d)
    return scale * np.linalg.pinv(scale * M, rcond=rcond)


def sample_equations(lagrangian: Lagrangian, states: ArrayLike, *, ts: ArrayLike = 0.0) -> EquationSamples:
    r"""$M$ and $h$ of a Lagrangian, so that $M a + h$ is its Euler-Lagrange equation, at many states.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `states`: `[q, v]`, shape `(state, 2 dof)`. `ts`: their times, shape `(state,)`, or one for all.

    All is computed in double precision.

    **Raises:** `EquationsError` if the Lagrangian is not finite at some state; `ValueError` for wrong shapes, and for a
    Lagrangian that computes in single precision whatever it is given.
    """
    with double_precision():
        times, states = checked_states(states, ts)
        values, M, h = map(np.asarray, _equations(lagrangian, times, states))
    refuse_single("lagrangian", values.dtype)
    finite = np.isfinite(values) & np.isfinite(M).all(axis=(1, 2)) & np.isfinite(h).all(axis=1)
    if not finite.all():
        where = int(np.argmin(finite))
        raise EquationsError(f"`lagrangian` is not finite at state {where}, {np.asarray(states[where])}")
    return EquationSamples(
        ts=np.asarray(times, np.float64), states=np.asarray(states, np.float64), M=M, h=h, values=values
    )


def checked_states(states: Any, ts: Any) -> tuple[Array, Array]:
    """Times `(state,)` and states `(state, 2 dof)`, or a `ValueError` that names what is wrong.

    In double precision where this is called inside `double_precision`.
    """
    states = phase_states(states).astype(float)
    if not bool(jnp.isfinite(states).all()):
        raise EquationsError("`states` are not all finite")
    if jnp.ndim(ts) == 0:
        return jnp.full(states.shape[:1], ts, states.dtype), states
    return floating("ts", ts, (states.shape[0],)).astype(states.dtype), states


@eqx.filter_jit
def _equations(lagrangian: Lagrangian, ts: Array, states: Array) -> tuple[Array, Array, Array]:
    L = scalar_valued(lagrangian)

    def one(t, y):
        q, v = jnp.split(y, 2)
        return L(t, q, v), mass_matrix(L, t, q, v), -euler_lagrange_residual(L, t, q, v, jnp.zeros_like(v))

    return jax.vmap(one)(ts, states)
