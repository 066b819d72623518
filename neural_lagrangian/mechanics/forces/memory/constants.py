"""Positive constants of a law, stored as logarithms."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from ...._checks import floating, is_concrete
from ....numerics import AbstractFrozen

Constants: TypeAlias = ArrayLike | Sequence[float] | AbstractFrozen
"""Numbers that are trained, or `Frozen` numbers."""


def log_of_positive(name: str, value: Any, shape: tuple[int | str, ...] = ("dof",)) -> Any:
    """The logarithm of positive numbers. `Frozen` numbers stay frozen.

    Steps of an optimiser are then relative, so training does not depend on units.

    **Raises:** `ValueError` for another shape, or (outside `jit`) for values that are not positive.
    """
    if isinstance(value, AbstractFrozen):
        return jax.tree.map(lambda inner: log_of_positive(name, inner, shape), value, is_leaf=lambda x: x is not value)
    constants = floating(name, value, shape)
    if is_concrete(constants) and not bool(jnp.all((constants > 0) & jnp.isfinite(constants))):
        raise ValueError(f"`{name}` is {value}; expected positive numbers")
    return jnp.log(constants)


def exp_of(log: Any) -> Array:
    """The constants of which `log` holds the logarithms, also if they are `Frozen`."""
    return jnp.exp(jnp.asarray(log))


def one_per_joint(name: str, constants: Array, v: Array) -> None:
    """**Raises:** `ValueError` unless there is one constant for each velocity."""
    if constants.shape != v.shape:
        raise ValueError(
            f"`{name}` has shape {constants.shape}; expected {v.shape}, one number for each degree of freedom"
        )
