"""The LuGre model of dry friction."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ...._types import Coordinates, Scalar
from .constants import Constants, exp_of, log_of_positive, one_per_joint
from .force_with_memory import AbstractForceWithMemory, InternalStates


class LuGre(AbstractForceWithMemory):
    r"""LuGre friction: elastic bristles that bend before they slip. One internal state for each degree of freedom.

    $$\dot z = v - \sigma_0 \frac{|v|}{g(v)} z, \qquad Q = -(\sigma_0 z + \sigma_1 \dot z + \sigma_2 v), \qquad
      g(v) = F_c + (F_s - F_c)\, e^{-(v / v_s)^2}.$$

    $z$ is the mean deflection of the bristles, in the unit of $q$. It starts from zero. In steady sliding the force is
    Stribeck and viscous friction, $-(g(v)\, \mathrm{sign}\, v + \sigma_2 v)$. Below break-away the joint is a stiff
    spring with hysteresis (presliding). (Canudas de Wit, Olsson, Åström and Lischinsky 1995.)

    The bristles store $\sigma_0 z^2 / 2$. The force is passive at speeds
    $|v| \le 4\, g(v)\, (\sigma_1 + \sigma_2) / \sigma_1^2$, and at all speeds without $\sigma_1$. (Discriminant of the
    dissipated power, a quadratic form in $\sigma_0 z$ and $v$.)

    All constants are trained as logarithms, so they stay positive. `networks.Frozen(numbers)` is not trained.
    Stiff bristles need short steps, or an implicit solver such as `diffrax.Kvaerno5()`.

    **Arguments:**

    - `stiffness`: $\sigma_0$, shape `(dof,)`, in newtons per unit of $q$.
    - `coulomb`, `breakaway`: $F_c$ and $F_s$, friction at high speed and at rest, shape `(dof,)`, in newtons (or newton
      metres for angles).
    - `stribeck_velocity`: $v_s$, shape `(dof,)`, in the unit of $v$.
    - `damping`, `viscous`: $\sigma_1$ and $\sigma_2$, shape `(dof,)`, in newtons per unit of $v$. `None` means zero.

    **Raises:** `ValueError` for other shapes, or (outside `jit`) for values that are not positive.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> friction = nl.mechanics.LuGre([100.0], coulomb=[1.0], breakaway=[1.5], stribeck_velocity=[0.1])
    >>> q, v = jnp.zeros(1), jnp.array([2.0])
    >>> z = friction.steady_deflection(v)
    >>> friction.force(0.0, q, v, z).round(3).tolist()  # fast sliding: Coulomb friction
    [-1.0]
    ```
    """

    log_stiffness: Any
    log_coulomb: Any
    log_breakaway: Any
    log_stribeck_velocity: Any
    log_damping: Any
    log_viscous: Any

    def __init__(
        self,
        stiffness: Constants,
        *,
        coulomb: Constants,
        breakaway: Constants,
        stribeck_velocity: Constants,
        damping: Constants | None = None,
        viscous: Constants | None = None,
    ):
        self.log_stiffness = log_of_positive("stiffness", stiffness)
        shape = jnp.shape(self.stiffness)
        self.log_coulomb = log_of_positive("coulomb", coulomb, shape)
        self.log_breakaway = log_of_positive("breakaway", breakaway, shape)
        self.log_stribeck_velocity = log_of_positive("stribeck_velocity", stribeck_velocity, shape)
        self.log_damping = None if damping is None else log_of_positive("damping", damping, shape)
        self.log_viscous = None if viscous is None else log_of_positive("viscous", viscous, shape)

    @property
    def stiffness(self) -> Float[Array, " dof"]:
        r"""Stiffness of the bristles $\sigma_0$, shape `(dof,)`."""
        return exp_of(self.log_stiffness)

    @property
    def coulomb(self) -> Float[Array, " dof"]:
        """Friction at high speed $F_c$, shape `(dof,)`."""
        return exp_of(self.log_coulomb)

    @property
    def breakaway(self) -> Float[Array, " dof"]:
        """Friction at rest $F_s$, shape `(dof,)`."""
        return exp_of(self.log_breakaway)

    @property
    def stribeck_velocity(self) -> Float[Array, " dof"]:
        """Velocity $v_s$ at which friction falls from break-away to Coulomb friction, shape `(dof,)`."""
        return exp_of(self.log_stribeck_velocity)

    @property
    def damping(self) -> Float[Array, " dof"]:
        r"""Damping of the bristles $\sigma_1$, shape `(dof,)`."""
        return jnp.zeros_like(self.stiffness) if self.log_damping is None else exp_of(self.log_damping)

    @property
    def viscous(self) -> Float[Array, " dof"]:
        r"""Viscous friction $\sigma_2$, shape `(dof,)`."""
        return jnp.zeros_like(self.stiffness) if self.log_viscous is None else exp_of(self.log_viscous)

    def sliding_friction(self, v: Array) -> Float[Array, " dof"]:
        """Size $g(v)$ of the friction in steady sliding, without its viscous part, shape `(dof,)`."""
        coulomb = self.coulomb
        return coulomb + (self.breakaway - coulomb) * jnp.exp(-((v / self.stribeck_velocity) ** 2))

    def steady_deflection(self, v: Array) -> InternalStates:
        r"""Deflection in steady sliding at the velocity `v`, $g(v)\, \mathrm{sign}(v) / \sigma_0$, shape `(dof,)`."""
        return self.sliding_friction(v) * jnp.sign(v) / self.stiffness

    def size(self, dof: int) -> int:
        return dof

    def initial(self, t: ArrayLike, q: Array, v: Array) -> InternalStates:
        one_per_joint("stiffness", self.stiffness, v)
        return jnp.zeros_like(v)

    def force(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Coordinates:
        one_per_joint("stiffness", self.stiffness, v)
        return -(self.stiffness * z + self.damping * self.rate(t, q, v, z) + self.viscous * v)

    def rate(self, t: ArrayLike, q: Array, v: Array, z: Array) -> InternalStates:
        return v - self.stiffness * jnp.abs(v) / self.sliding_friction(v) * z

    def stored_energy(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Scalar:
        return jnp.dot(self.stiffness * z, z) / 2
