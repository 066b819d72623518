r"""Symmetries of a Lagrangian, and their conserved quantities (Noether's theorem).

A transformation $q \to q + \epsilon\, \xi(t, q)$, $t \to t + \epsilon\, \tau(t, q)$ is a symmetry of $L$ up to the
boundary term $F(t, q)$ if its residual

$$R = \xi \cdot \frac{\partial L}{\partial q} + \dot\xi \cdot \frac{\partial L}{\partial v}
      + \tau \frac{\partial L}{\partial t} + \dot\tau \Bigl(L - v \cdot \frac{\partial L}{\partial v}\Bigr) - \dot F$$

vanishes at every $(t, q, v)$, with $\dot f = \partial f / \partial t + v \cdot \partial f / \partial q$. Along any
curve, a motion or not, with $E$ the Euler-Lagrange residual $\partial L / \partial q - d/dt\, \partial L / \partial v$,

$$\dot I = R - E \cdot (\xi - \tau v), \qquad
  I = \frac{\partial L}{\partial v} \cdot \xi - \Bigl(\frac{\partial L}{\partial v} \cdot v - L\Bigr) \tau - F.$$

On a motion $E = -Q$, so the charge $I$ of a symmetry changes only by the force: $\dot I = Q \cdot (\xi - \tau v)$.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from ..._checks import floating
from ..._types import Coordinates, Lagrangian, Scalar
from ..arguments import as_coordinates, scalar_valued

Generator = Callable[[Any, Any], Any]
r"""The infinitesimal change of the coordinates under a transformation, $\xi(t, q)$, shape `(dof,)`."""


class Symmetry(eqx.Module):
    r"""An infinitesimal transformation, $q \to q + \epsilon\, \xi(t, q)$ and $t \to t + \epsilon\, \tau(t, q)$.

    It is a symmetry of a Lagrangian up to the boundary term $F(t, q)$ if the Lagrangian changes by $\dot F$ only; test
    this with `symmetry_residual`. Ready-made transformations are `Symmetry.translation`, `rotation`, `boost`,
    `time_translation` and `affine`. (Noether 1918.)

    **Arguments:**

    - `generator`: $\xi$, callable `(t, q) -> (dof,)`.
    - `tau`: $\tau$, a number or a callable `(t, q) -> scalar`. It depends on the position if space and time mix, as in
      a Lorentz boost.
    - `boundary`: $F$, callable `(t, q) -> scalar`, or `None` for zero.
    - `name`: name for printing.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> shift = nl.mechanics.Symmetry(lambda t, q: jnp.ones(2), name="translation along the diagonal")
    >>> free = lambda t, q, v: 0.5 * v @ v
    >>> float(nl.mechanics.noether_charge(free, shift, 0.0, jnp.zeros(2), jnp.array([3.0, 4.0])))
    7.0
    ```
    """

    generator: Generator
    tau: Any = 0.0
    boundary: Callable[[Any, Any], Any] | None = None
    name: str = eqx.field(default="symmetry", static=True)

    def at(self, t: ArrayLike, q: Array) -> tuple[Scalar, Coordinates, Scalar]:
        r"""The values $(\tau, \xi, F)$ at time `t` and coordinates `q`, in the precision of `q`.

        **Raises:** `ValueError` if $\xi$ does not have the shape of `q`, or if $\tau$ or $F$ is not a scalar.
        """
        xi = jnp.asarray(self.generator(t, q), q.dtype)
        if xi.shape != q.shape:
            raise ValueError(f"`generator` returned shape {xi.shape}; expected {q.shape}, that of `q`")
        tau = jnp.asarray(self.tau(t, q) if callable(self.tau) else self.tau, q.dtype)
        F = jnp.asarray(0.0 if self.boundary is None else self.boundary(t, q), q.dtype)
        for name, value in (("tau", tau), ("boundary", F)):
            if value.shape != ():
                raise ValueError(f"`{name}` has shape {value.shape}; expected a scalar")
        return tau, xi, F

    @classmethod
    def translation(cls, axis: int, *, dimension: int | None = None) -> "Symmetry":
        """Translation of all particles along one axis. The charge is the total linear momentum along it.

        **Arguments:**

        - `axis`: index of the axis, from 0 to `dimension - 1`.
        - `dimension`: dimension of space. Coordinates are ordered by particle. `None` means one particle.
        """
        return cls(_Translation(axis, dimension), name=f"translation along axis {axis}")

    @classmethod
    def rotation(cls, plane: tuple[int, int] = (0, 1), *, dimension: int | None = None) -> "Symmetry":
        """Rotation of all particles about the origin. The charge is the total angular momentum.

        **Arguments:**

        - `plane`: the two axes of the plane; the rotation is from the first to the second.
        - `dimension`: as for `translation`.
        """
        return cls(_Rotation(tuple(plane), dimension), name=f"rotation in the plane of axes {plane[0]} and {plane[1]}")

    @classmethod
    def boost(cls, axis: int, mass: ArrayLike, *, dimension: int | None = None) -> "Symmetry":
        r"""Galilean boost $\xi = t e$ with $F = \sum_k m_k\, e \cdot x_k$.

        The charge is $t P - m X$: minus the total mass times the centre of mass at time zero.

        **Arguments:**

        - `mass`: masses of the particles, shape `(particle,)`, or one number for all.
        - `axis`, `dimension`: as for `translation`.
        """
        move = _Translation(axis, dimension)
        return cls(_Drift(move), boundary=_MassMoment(move, mass), name=f"boost along axis {axis}")

    @classmethod
    def time_translation(cls) -> "Symmetry":
        r"""Time translation, $\tau = 1$. The charge is minus the energy."""
        return cls(_at_rest, tau=1.0, name="time translation")

    @classmethod
    def affine(
        cls,
        matrix: ArrayLike,
        shift: ArrayLike | None = None,
        *,
        drift: ArrayLike | None = None,
        tau: Any = 0.0,
        boundary: Callable[[Any, Any], Any] | None = None,
        name: str = "affine",
    ) -> "Symmetry":
        r"""Affine transformation, $\xi = A q + b + b' t$.

        **Arguments:**

        - `matrix`: $A$, shape `(dof, dof)`. `shift`, `drift`: $b$ and $b'$, shape `(dof,)`; `None` means zero.
        - `tau`, `boundary`, `name`: as for `Symmetry`.
        """
        n = floating("matrix", matrix, ("dof", "dof")).shape[0]
        A = floating("matrix", matrix, (n, n))
        b = jnp.zeros(n, A.dtype) if shift is None else floating("shift", shift, (n,))
        b_t = jnp.zeros(n, A.dtype) if drift is None else floating("drift", drift, (n,))
        return cls(_Affine(A, b, b_t), tau, boundary, name)


def symmetry_residual(lagrangian: Lagrangian, symmetry: Symmetry, t: ArrayLike, q: ArrayLike, v: ArrayLike) -> Scalar:
    r"""The change of a Lagrangian under a transformation. It is a symmetry if this is zero at every $(t, q, v)$:

    $$R = \xi \cdot \frac{\partial L}{\partial q} + \dot\xi \cdot \frac{\partial L}{\partial v}
      + \tau \frac{\partial L}{\partial t} + \dot\tau \Bigl(L - v \cdot \frac{\partial L}{\partial v}\Bigr) - \dot F.$$

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `symmetry`: a `Symmetry`.
    - `t`: time, in seconds. `q`, `v`: coordinates and velocities, shape `(dof,)`.

    **Returns:** $R$, a scalar, in the units of `lagrangian` per unit of $\epsilon$.

    **Raises:** `ValueError` as for `Symmetry.at`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> weight, q, v = lambda t, q, v: 0.5 * v @ v - 10.0 * q[1], jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0])
    >>> sideways, up = nl.mechanics.Symmetry.translation(0), nl.mechanics.Symmetry.translation(1)
    >>> [float(nl.mechanics.symmetry_residual(weight, shift, 0.0, q, v)) for shift in (sideways, up)]
    [0.0, -10.0]
    ```
    """
    t, q, v = as_coordinates(t, q, v)
    (tau, xi, _), (tau_dot, xi_dot, F_dot) = jax.jvp(symmetry.at, (t, q), (jnp.ones_like(t), v))
    L, change = jax.jvp(scalar_valued(lagrangian), (t, q, v), (tau, xi, xi_dot - tau_dot * v))
    return change + tau_dot * L - F_dot


def noether_charge(lagrangian: Lagrangian, symmetry: Symmetry, t: ArrayLike, q: ArrayLike, v: ArrayLike) -> Scalar:
    r"""The Noether charge (conserved quantity) of a symmetry:

    $$I = \frac{\partial L}{\partial v} \cdot \xi - \Bigl(\frac{\partial L}{\partial v} \cdot v - L\Bigr) \tau - F.$$

    Translation gives the linear momentum, rotation the angular momentum, and time translation minus the energy. A
    generalised force changes it by $\dot I = Q \cdot (\xi - \tau v)$. (Noether 1918; Goldstein, Poole and Safko 2002,
    section 13.7.)

    **Arguments:** as for `symmetry_residual`.

    **Returns:** $I$, a scalar.

    **Raises:** `ValueError` as for `Symmetry.at`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> planet, rotation = nl.systems.Kepler(), nl.mechanics.Symmetry.rotation()
    >>> q, v = jnp.array([2.0, 0.0]), jnp.array([0.0, 3.0])  # angular momentum x v_y - y v_x
    >>> float(nl.mechanics.noether_charge(planet.lagrangian, rotation, 0.0, q, v))
    6.0
    ```
    """
    t, q, v = as_coordinates(t, q, v)
    tau, xi, F = symmetry.at(t, q)
    L, p = jax.value_and_grad(scalar_valued(lagrangian), argnums=2)(t, q, v)
    return jnp.dot(p, xi) - (jnp.dot(p, v) - L) * tau - F


class _Translation(eqx.Module):
    axis: int = eqx.field(static=True)
    dimension: int | None = eqx.field(static=True)

    def __call__(self, t: ArrayLike, q: Array) -> Array:
        x = _particles(q, self.dimension, self.axis)
        return jnp.zeros_like(x).at[:, self.axis].set(1).ravel()


class _Rotation(eqx.Module):
    plane: tuple[int, ...] = eqx.field(static=True)
    dimension: int | None = eqx.field(static=True)

    def __call__(self, t: ArrayLike, q: Array) -> Array:
        i, j = self.plane
        if i == j:
            raise ValueError(f"`plane` is {self.plane}; expected two different axes")
        x = _particles(q, self.dimension, i, j)
        return jnp.zeros_like(x).at[:, i].set(-x[:, j]).at[:, j].set(x[:, i]).ravel()


class _Affine(eqx.Module):
    matrix: Array
    shift: Array
    drift: Array

    def __call__(self, t: ArrayLike, q: Array) -> Array:
        A, b, b_t = (jnp.asarray(x, q.dtype) for x in (self.matrix, self.shift, self.drift))
        return A @ q + b + b_t * t


class _Drift(eqx.Module):
    move: _Translation

    def __call__(self, t: ArrayLike, q: Array) -> Array:
        return jnp.asarray(t, q.dtype) * self.move(t, q)


class _MassMoment(eqx.Module):
    move: _Translation
    mass: ArrayLike

    def __call__(self, t: ArrayLike, q: Array) -> Array:
        x = _particles(q, self.move.dimension, self.move.axis)
        m = jnp.asarray(self.mass, q.dtype)
        if m.shape not in ((), x.shape[:1]):
            raise ValueError(f"`mass` has shape {m.shape}; expected a number or shape {x.shape[:1]}")
        return jnp.sum(m * x[:, self.move.axis])


def _at_rest(t: ArrayLike, q: Array) -> Array:
    return jnp.zeros_like(q)


def _particles(q: Array, dimension: int | None, *axes: int) -> Array:
    """The coordinates with one row for each particle. `ValueError` if a particle does not have the given axes."""
    d = q.shape[0] if dimension is None else dimension
    if d < 1 or q.shape[0] % d:
        raise ValueError(f"`dimension` is {dimension}; expected a divisor of {q.shape[0]}, the length of `q`")
    for axis in axes:
        if not 0 <= axis < d:
            raise ValueError(f"`axis` is {axis}; expected one of the {d} axes of a particle")
    return q.reshape(-1, d)
