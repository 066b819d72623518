r"""Samples of the equations of motion $M(t, q, v)\, a + h(t, q, v) = 0$ of a Lagrangian.

$$M = \frac{\partial^2 L}{\partial v^2}, \qquad
  h = \frac{\partial^2 L}{\partial v\, \partial q} v + \frac{\partial^2 L}{\partial v\, \partial t}
      - \frac{\partial L}{\partial q}.$$

Motion determines nothing else of a Lagrangian than $(M, h)$: a constant and every total derivative
$\frac{d}{dt} F(t, q)$ have $M = 0$ and $h = 0$. Two Lagrangians are gauge-equivalent if and only if
$(M_2, h_2) = \alpha (M_1, h_1)$.
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
from ..numerics import natural_scales, root_mean_square
from .double_precision import double_precision, refuse_single
from .errors import EquationsError

CONSTANT_SPREAD = 1e-12
"""Relative standard deviation below which a coordinate counts as constant: rounding."""


class Scales(eqx.Module):
    r"""Scales that make the entries of $(M, h)$ comparable: $\ell_i M_{ij} \sigma_j$ and $\ell_i h_i$ are energies.

    - `length`: standard deviation $\ell_i$ of each coordinate, shape `(dof,)`. A constant coordinate gets the distance
      that its speed or acceleration covers in one `radian`.
    - `speed`: root mean square of each velocity, shape `(dof,)`.
    - `acceleration`: root mean square $\sigma_j$ of each acceleration, shape `(dof,)`; speed squared over length if it
      is zero.
    - `radian`: typical time of the motion in seconds: length over speed.
    """

    length: Float[np.ndarray, " dof"]
    speed: Float[np.ndarray, " dof"]
    acceleration: Float[np.ndarray, " dof"]
    radian: float

    @staticmethod
    def of(states: np.ndarray, accelerations: np.ndarray) -> "Scales":
        q, v = np.split(np.asarray(states, np.float64), 2, axis=1)
        size, speed, a = (root_mean_square(x) for x in (q, v, np.asarray(accelerations)))
        spread = q.std(axis=0)
        spread = np.where(spread > CONSTANT_SPREAD * size, spread, 0.0)
        radian = _radian(spread, speed, a)
        length = _first_positive(spread, speed * radian, a * radian**2, size)
        kinematic = np.where(speed > 0, speed**2 / length, length / radian**2)
        return Scales(length, speed, np.where(a > CONSTANT_SPREAD**0.5 * kinematic, a, kinematic), radian)

    def rows(self, M: np.ndarray, h: np.ndarray) -> np.ndarray:
        r"""The energies $[\ell_i M_{ij} \sigma_j, \ell_i h_i]$ of $(M, h)$ as rows, shape `(..., dof (dof + 1))`."""
        scaled = self.length[:, None] * M * self.acceleration
        return np.concatenate([scaled.reshape(*h.shape[:-1], -1), self.length * h], axis=-1)


def _radian(length: np.ndarray, speed: np.ndarray, acceleration: np.ndarray) -> float:
    """Root mean square of length over speed; if one of them is zero, a time from the accelerations."""
    for over, under, power in ((length, speed, 1.0), (length, acceleration, 0.5), (speed, acceleration, 1.0)):
        both = (over > 0) & (under > 0)
        if both.any():
            return float(np.sqrt(np.mean((over[both] / under[both]) ** (2 * power))))
    return 1.0  # nothing moves, so the states define no time


def _first_positive(*sizes: np.ndarray) -> np.ndarray:
    """For each entry the first positive size; one if none is positive, as for a coordinate that is always zero."""
    return np.select([size > 0 for size in sizes], sizes, 1.0)


class EquationSamples(eqx.Module):
    """The equations of motion $M a + h = 0$ of a Lagrangian at some states; returned by `sample_equations`.

    All are NumPy arrays in double precision, ready for any regression.

    - `ts`: times, shape `(state,)`. `states`: `[q, v]`, shape `(state, 2 dof)`.
    - `M`: mass matrices, shape `(state, dof, dof)`. `h`: the remaining terms, shape `(state, dof)`.
    - `values`: values of the Lagrangian, shape `(state,)`.
    """

    _: KW_ONLY
    ts: Float[np.ndarray, " state"]
    states: Float[np.ndarray, "state two_dof"]
    M: Float[np.ndarray, "state dof dof"]
    h: Float[np.ndarray, "state dof"]
    values: Float[np.ndarray, " state"]

    @property
    def accelerations(self) -> Float[np.ndarray, "state dof"]:
        """Accelerations $-M^{+} h$ by the pseudo-inverse, shape `(state, dof)`."""
        return -np.einsum("sij,sj->si", mass_inverses(self.M, rcond=1e-12), self.h)

    @property
    def scales(self) -> Scales:
        """Typical sizes of coordinates, velocities and accelerations."""
        return Scales.of(self.states, self.accelerations)


def mass_inverses(M: Float[np.ndarray, "state dof dof"], *, rcond: float) -> Float[np.ndarray, "state dof dof"]:
    r"""Inverses of mass matrices at many states, $D (D M D)^{+} D$ with $D$ the diagonal of `natural_scales`.

    Eigenvalues of $D M D$ below `rcond` times the largest count as zero. The scaling $D$ makes this independent of the
    units of the coordinates.
    """
    d = natural_scales(M)
    scale = np.outer(d, d)
    return scale * np.linalg.pinv(scale * M, rcond=rcond)


def sample_equations(lagrangian: Lagrangian, states: ArrayLike, *, ts: ArrayLike = 0.0) -> EquationSamples:
    r"""Samples $M$ and $h$ of the Euler-Lagrange equations $M a + h = 0$ of a Lagrangian, in double precision.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `states`: `[q, v]`, shape `(state, 2 dof)`.
    - `ts`: times of the states, shape `(state,)`, or one number for all.

    **Returns:** an `EquationSamples`.

    **Raises:** `EquationsError` if the Lagrangian is not finite at some state; `ValueError` for wrong shapes, and for a
    Lagrangian that always computes in single precision.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulum = lambda t, q, v: v[0] ** 2 / 2 + 9.81 * jnp.cos(q[0])
    >>> states = jnp.array([[0.0, 1.0], [jnp.pi / 2, 0.0]])  # hanging, and horizontal
    >>> samples = nl.discovery.sample_equations(pendulum, states)
    >>> samples.M[:, 0, 0].tolist(), float(samples.accelerations[1, 0].round(3))
    ([1.0, 1.0], -9.81)
    ```
    """
    with double_precision():
        times, states = checked_states(states, ts)
        values, M, h = map(np.asarray, _equations(lagrangian, times, states))
    refuse_single("lagrangian", values.dtype)
    finite = np.isfinite(values) & np.isfinite(M).all(axis=(1, 2)) & np.isfinite(h).all(axis=1)
    if not finite.all():
        where = int(np.argmin(finite))
        raise EquationsError(
            f"`lagrangian`, its M or its h is not finite at state {where}, {np.asarray(states[where])}; "
            "leave such states out"
        )
    return EquationSamples(
        ts=np.asarray(times, np.float64), states=np.asarray(states, np.float64), M=M, h=h, values=values
    )


def checked_states(states: Any, ts: Any) -> tuple[Array, Array]:
    """Checked times, shape `(state,)`, and states, shape `(state, 2 dof)`; a `ValueError` names a fault.

    Inside `double_precision` they are in double precision.
    """
    states = phase_states(states).astype(float)
    if not bool(jnp.isfinite(states).all()):
        raise EquationsError("`states` hold NaN or infinite values; expected finite values")
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
