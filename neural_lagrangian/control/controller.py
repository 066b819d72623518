"""Controllers and their limits. A controller is any callable `u = controller(t, y)`."""

import abc
from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from .._checks import check_instance, is_concrete, same_shape
from .._types import State


class AbstractController(eqx.Module):
    """A controller: a pure function from time and state to the control, which can be compiled and differentiated."""

    @abc.abstractmethod
    def __call__(self, t: ArrayLike, y: State) -> Array:
        """The control, shape `(m,)`, at the time `t` in seconds and the state `y`, shape `(2 dof,)`."""


class ControlLimits(eqx.Module):
    r"""Limits of a control: $u_\text{lower} \le u \le u_\text{upper}$. Call it to clip a control.

    **Arguments:**

    - `lower`, `upper`: scalars, or shape `(m,)`.

    **Raises:** `ValueError` if a lower limit is not below the upper one, for other shapes, and, when it is called, if
    there is not one limit for all controls or one for each.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> nl.control.ControlLimits(-2.0, 2.0)(jnp.array([5.0, -1.0])).tolist()
    [2.0, -1.0]
    ```
    """

    lower: Array
    upper: Array

    def __init__(self, lower: ArrayLike, upper: ArrayLike):
        self.lower, self.upper = _limit("lower", lower), _limit("upper", upper)
        if self.lower.ndim == self.upper.ndim:
            same_shape("upper", self.upper, "lower", self.lower)
        if is_concrete(self.lower, self.upper) and not np.all(np.asarray(self.lower) < np.asarray(self.upper)):
            raise ValueError(
                f"`lower` is {self.lower} and `upper` is {self.upper}; expected each lower limit below the upper one"
            )

    def bounds(self, u: Array) -> tuple[Array, Array]:
        """The limits in shape and precision of the control `u`, shape `(m,)`."""
        for x in (self.lower, self.upper):
            if x.shape not in ((), u.shape):
                raise ValueError(f"`limits` have shape {x.shape}; expected () or {u.shape}, one for each control")
        lower, upper = (jnp.broadcast_to(jnp.asarray(x, u.dtype), u.shape) for x in (self.lower, self.upper))
        return lower, upper

    def __call__(self, u: Array) -> Array:
        return jnp.clip(u, *self.bounds(u))


class Limited(AbstractController):
    r"""A controller whose output is clipped to limits, as a motor does (saturation).

    **Arguments:**

    - `controller`: callable `(t, y) -> u`. `limits`: a `ControlLimits`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = nl.control.Limited(lambda t, y: -3.0 * y[:1], nl.control.ControlLimits(-2.0, 2.0))
    >>> spring(0.0, jnp.array([1.0, 0.0])).tolist()
    [-2.0]
    ```
    """

    controller: Callable[..., Array]
    limits: ControlLimits

    def __check_init__(self):
        check_instance("limits", self.limits, ControlLimits)

    def __call__(self, t: ArrayLike, y: State) -> Array:
        return self.limits(self.controller(t, y))


def _limit(name: str, value: ArrayLike) -> Array:
    """Limits as an array of floating numbers."""
    try:
        limit = jnp.asarray(value, float)
    except (TypeError, ValueError) as error:  # from JAX, whose message does not name the argument
        raise ValueError(f"`{name}` is {value!r}; expected a number, or one for each control") from error
    if limit.ndim > 1:
        raise ValueError(f"`{name}` has shape {limit.shape}; expected () or (m,)")
    return limit


def either(condition: Array, first: tuple[str, Array], second: tuple[str, Array]) -> Array:
    """The first control where `condition` is true, else the second; each with the name of its controller.

    **Raises:** `ValueError` for other shapes, which would be broadcast.
    """
    same_shape(first[0], jnp.asarray(first[1]), second[0], jnp.asarray(second[1]))
    return jnp.where(condition, first[1], second[1])


def state_error(y: Array, target: Array, periodic: Sequence[int] = ()) -> Array:
    r"""$y - \bar y$, with the differences of the `periodic` coordinates in $[-\pi, \pi)$."""
    error = y - target
    for k in periodic:
        error = error.at[k].set(jnp.mod(error[k] + jnp.pi, 2 * jnp.pi) - jnp.pi)
    return error
