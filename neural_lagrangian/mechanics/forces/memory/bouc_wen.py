"""The Bouc-Wen model of hysteresis."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ...._checks import is_concrete
from ...._types import Coordinates, Scalar
from ....numerics import AbstractFrozen
from .constants import Constants, exp_of, log_of_positive, one_per_joint
from .force_with_memory import AbstractForceWithMemory, InternalStates


class BoucWen(AbstractForceWithMemory):
    r"""Bouc-Wen hysteresis: a spring that yields smoothly. One internal state for each degree of freedom.

    $$x_y \dot z = v - |z|^n \bigl(\beta\, |v|\, \mathrm{sign}(z) + (1 - \beta)\, v\bigr), \qquad Q = -F_y z, \qquad
      \beta = \tfrac{1 + c}{2}.$$

    $z$ has no unit. It starts from zero, and $|z| \le 1$ ever after. The force does not depend on the speed: it grows
    with stiffness $F_y / x_y$ and saturates at $F_y$. The elastic part of a Bouc-Wen element belongs into the
    Lagrangian, as a spring. This is the normalised form without redundant constants (Ikhouane and Rodellar 2007,
    chapter 2).

    The element stores $F_y x_y z^2 / 2$, and the dissipated power is never negative:

    $$D = F_y |v| |z|^{n + 1} \times \{1 \text{ for loading } (v z > 0),\; c \text{ for unloading}\} \ge 0.$$

    The constants are trained as logarithms. `networks.Frozen(numbers)` is not trained.

    **Arguments:**

    - `strength`: $F_y$, shape `(dof,)`, in newtons (or newton metres for angles).
    - `yield_displacement`: $x_y$, shape `(dof,)`, in the unit of $q$.
    - `exponent`: $n > 1$, shape `(dof,)`, the sharpness of yielding. `None` means 1, the softest.
    - `unloading`: $c > 0$, shape `(dof,)`. `None` means 0 ($\beta = 1/2$): unloading is a straight line.

    **Raises:** `ValueError` for other shapes, or (outside `jit`) for values out of range.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> element = nl.mechanics.BoucWen([3.0], yield_displacement=[0.1])
    >>> q, v = jnp.zeros(1), jnp.array([2.0])
    >>> element.rate(0.0, q, v, jnp.zeros(1)).round(3).tolist()  # elastic: v / x_y
    [20.0]
    >>> element.rate(0.0, q, v, jnp.ones(1)).round(3).tolist()  # it has yielded
    [0.0]
    ```
    """

    log_strength: Any
    log_yield_displacement: Any
    log_exponent_excess: Any
    log_unloading: Any

    def __init__(
        self,
        strength: Constants,
        *,
        yield_displacement: Constants,
        exponent: Constants | None = None,
        unloading: Constants | None = None,
    ):
        self.log_strength = log_of_positive("strength", strength)
        shape = jnp.shape(self.strength)
        self.log_yield_displacement = log_of_positive("yield_displacement", yield_displacement, shape)
        self.log_exponent_excess = None if exponent is None else _log_of_excess(exponent, shape)
        self.log_unloading = None if unloading is None else log_of_positive("unloading", unloading, shape)

    @property
    def strength(self) -> Float[Array, " dof"]:
        """The largest force $F_y$, shape `(dof,)`."""
        return exp_of(self.log_strength)

    @property
    def yield_displacement(self) -> Float[Array, " dof"]:
        """The displacement $x_y$ at which an element without rounding would yield, shape `(dof,)`."""
        return exp_of(self.log_yield_displacement)

    @property
    def exponent(self) -> Float[Array, " dof"]:
        """The sharpness of yielding $n$, shape `(dof,)`."""
        one = jnp.ones_like(self.strength)
        return one if self.log_exponent_excess is None else one + exp_of(self.log_exponent_excess)

    @property
    def unloading(self) -> Float[Array, " dof"]:
        """The constant $c$, shape `(dof,)`: how much the line of unloading is bent."""
        return jnp.zeros_like(self.strength) if self.log_unloading is None else exp_of(self.log_unloading)

    def size(self, dof: int) -> int:
        return dof

    def initial(self, t: ArrayLike, q: Array, v: Array) -> InternalStates:
        one_per_joint("strength", self.strength, v)
        return jnp.zeros_like(v)

    def force(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Coordinates:
        one_per_joint("strength", self.strength, v)
        return -self.strength * z

    def rate(self, t: ArrayLike, q: Array, v: Array, z: Array) -> InternalStates:
        beta = (1 + self.unloading) / 2
        away = z != 0  # the derivative of a power has no value at zero
        size = jnp.where(away, jnp.abs(jnp.where(away, z, 1)) ** self.exponent, 0)
        return (v - size * (beta * jnp.abs(v) * jnp.sign(z) + (1 - beta) * v)) / self.yield_displacement

    def stored_energy(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Scalar:
        return jnp.dot(self.strength * self.yield_displacement * z, z) / 2


def _log_of_excess(exponent: Any, shape: tuple[int, ...]) -> Any:
    if isinstance(exponent, AbstractFrozen):
        return jax.tree.map(lambda n: _log_of_excess(n, shape), exponent, is_leaf=lambda node: node is not exponent)
    n = jnp.asarray(exponent)
    if is_concrete(n) and not bool(jnp.all(n > 1)):
        raise ValueError(f"`exponent` is {exponent}; expected numbers above 1, or None for 1")
    return log_of_positive("exponent", n - 1, shape)
