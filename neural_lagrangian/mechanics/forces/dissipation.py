"""Dissipative forces: Rayleigh dissipation, linear damping, and dry friction."""

from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from ..._checks import accepts, floating, is_concrete, written
from ..._types import Coordinates, Network, ScalarFunction
from ...numerics import inverse_softplus, lower_triangular
from .force import AbstractForce


class RayleighDissipation(AbstractForce):
    r"""The force of a Rayleigh dissipation function, $Q = -\partial R / \partial v$.

    The power is $Q \cdot v = -v \cdot \partial R / \partial v$. Energy decreases if $R$ grows with the speed, for
    example if $R$ is convex in $v$ with its minimum at $v = 0$. (Rayleigh 1873; Goldstein, Poole and Safko 2002,
    section 1.5.)

    **Arguments:**

    - `dissipation`: $R$, callable `(q, v)` or `(t, q, v)` to a scalar, in watts.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> drag = nl.mechanics.RayleighDissipation(lambda q, v: 1.5 * v @ v)  # 3 kg/s
    >>> drag(0.0, jnp.zeros(1), jnp.array([2.0])).tolist()
    [-6.0]
    ```
    """

    dissipation: ScalarFunction

    def __check_init__(self):
        if not (callable(self.dissipation) and (accepts(self.dissipation, 2) or accepts(self.dissipation, 3))):
            raise ValueError(f"`dissipation` is {self.dissipation!r}; expected a callable (q, v) or (t, q, v)")

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        def R(v):
            value = jnp.asarray(self.dissipation(t, q, v) if accepts(self.dissipation, 3) else self.dissipation(q, v))
            if value.shape != ():
                raise ValueError(f"`dissipation` returned shape {value.shape}; expected a scalar, ()")
            return value

        return -jax.grad(R)(v)


class LinearDamping(AbstractForce):
    r"""Linear damping with a damping matrix that is positive semidefinite for all weights:

    $$Q = -D v, \qquad D = C C^\top, \qquad Q \cdot v = -|C^\top v|^2 \le 0.$$

    $C$ is lower triangular or diagonal. The force never adds energy. It is linear in $v$ if $C$ does not depend on $v$.

    **Arguments:**

    - `factor`: the entries of $C$: `dof (dof + 1) / 2` of them, row by row, or `dof` for a diagonal $C$. An array or a
      callable. Do not start training from zero: the gradient is zero there.
    - `of`: the input of a callable `factor`: the `"coordinates"` q, the `"velocities"` v, or the `"state"` [q, v].

    **Raises:** `ValueError` for an unknown option, or a wrong number of entries.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> damping = nl.mechanics.LinearDamping([2.0])  # D = 4 kg/s
    >>> damping(0.0, jnp.zeros(1), jnp.array([3.0])).tolist()
    [-12.0]
    ```
    """

    factor: Network | Array
    of: str = eqx.field(static=True)

    def __init__(
        self,
        factor: Network | ArrayLike | Sequence[float],
        *,
        of: Literal["coordinates", "velocities", "state"] = "coordinates",
    ):
        if of not in ("coordinates", "velocities", "state"):
            raise ValueError(f"`of` is {of!r}; expected 'coordinates', 'velocities' or 'state'")
        self.factor = factor if callable(factor) else floating("factor", factor, ("entries",))
        self.of = of

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        C = self._factor(q, v)
        return -C * (C * v) if C.ndim == 1 else -C @ (v @ C)

    def damping_matrix(self, q: Array, v: Array) -> Array:
        """The damping matrix $D$, shape `(dof, dof)`."""
        C = self._factor(q, v)
        return jnp.diag(C**2) if C.ndim == 1 else C @ C.T

    def __repr__(self) -> str:
        if callable(self.factor):
            return f"LinearDamping({self.factor!r}, of={self.of!r})"
        entries = self.factor.size if eqx.is_array(self.factor) else 0
        if entries == 1 or (entries and (8 * entries + 1) ** 0.5 % 1):  # this number means a diagonal matrix
            return f"LinearDamping({written(self.factor)}, damping_matrix=diag({written(self.factor, np.square)}))"
        return f"LinearDamping({written(self.factor)})"

    def _factor(self, q: Array, v: Array) -> Array:
        if callable(self.factor):
            seen = {"coordinates": q, "velocities": v, "state": jnp.concatenate([q, v])}
            return lower_triangular("factor", self.factor(seen[self.of]), v.shape[0])
        return lower_triangular("factor", self.factor, v.shape[0])


class SmoothFriction(AbstractForce):
    r"""Dry (Coulomb) friction, smoothed near zero velocity:

    $$Q_i = -\mu_i \tanh(v_i / w_i), \qquad \mu_i > 0, \quad w_i > 0, \qquad Q \cdot v \le 0.$$

    Both parameters are trained and stay positive (softplus), so the force never adds energy. Below the speed $w$ the
    friction is viscous with coefficient $\mu / w$; there is no sticking. Use `AtJoints` for friction at joints whose
    rates are not the velocities $v$.

    **Arguments:**

    - `strength`: initial value of $\mu > 0$, shape `(dof,)`, in newtons or newton metres.
    - `width`: initial value of $w > 0$, a scalar or shape `(dof,)`, in the units of $v$ (in a `Scaled` model: in its
      natural units). The default of 0.1 suits speeds of about 1 to 10. For other motion use a hundredth of the typical
      speed. A width above all speeds gives viscous friction.

    **Raises:** `ValueError` for other shapes or (outside `jit`) values that are not positive.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> friction = nl.mechanics.SmoothFriction([2.0], width=0.1)  # 2 N
    >>> round(float(friction(0.0, jnp.zeros(1), jnp.array([5.0]))[0]), 3)
    -2.0
    ```
    """

    raw_strength: Array
    raw_width: Array

    def __init__(self, strength: ArrayLike | Sequence[float], width: ArrayLike | Sequence[float] = 0.1):
        mu = floating("strength", strength, ("dof",))
        w = jnp.asarray(width, mu.dtype)
        if w.shape not in ((), mu.shape):
            raise ValueError(f"`width` has shape {w.shape}; expected () or {mu.shape}, that of `strength`")
        for name, value in {"strength": mu, "width": w}.items():
            if is_concrete(value) and not bool(jnp.all(value > 0)):
                raise ValueError(f"`{name}` is {value}; expected positive numbers")
        self.raw_strength = inverse_softplus(mu)
        self.raw_width = inverse_softplus(jnp.broadcast_to(w, mu.shape))

    @property
    def strength(self) -> Array:
        r"""The strength $\mu$, shape `(dof,)`."""
        return jax.nn.softplus(self.raw_strength)

    @property
    def width(self) -> Array:
        """The width $w$, shape `(dof,)`."""
        return jax.nn.softplus(self.raw_width)

    def __repr__(self) -> str:
        strength, width = (written(x, lambda x: np.logaddexp(x, 0)) for x in (self.raw_strength, self.raw_width))
        return f"SmoothFriction(strength={strength}, width={width})"

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        if v.shape != self.raw_strength.shape:
            raise ValueError(f"`strength` has shape {self.raw_strength.shape}; expected {v.shape}, that of `v`")
        return -self.strength * jnp.tanh(v / self.width)
