"""Atoms of candidate terms: coordinates, velocities, waves of angles and functions of the user, with their names."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._types import Scalar


class Atom(eqx.Module):
    """A named function `(t, q, v) -> scalar`, a factor of library terms.

    **Arguments:**

    - `function`: callable `(t, q, v) -> scalar`.
    - `name`: its name in formulas.
    - `expression`: text that sympy parses, such as `"cos(q0 - q1)"`; `None` makes it a symbol called `name`.
    - `complexity`: its cost when the simplest of several formulas is chosen (default: 1).

    **Raises:** `ValueError` when called, if the function does not return a scalar.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> depth = nl.discovery.Atom(lambda t, q, v: 1 - jnp.cos(q[0]), "height", "1 - cos(q)")
    >>> weight = nl.discovery.Library(1, [depth], [(("height", 1),), (("height", 2),)])
    >>> weight.names, weight(0.0, jnp.array([jnp.pi]), jnp.zeros(1)).tolist()  # upside down: 2 and 2^2
    (('height', 'height^2'), [2.0, 4.0])
    ```
    """

    function: Callable[..., Any]
    name: str = eqx.field(static=True)
    expression: str | None = eqx.field(static=True, default=None)
    complexity: float = eqx.field(static=True, default=1.0)

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        value = jnp.asarray(self.function(t, q, v), q.dtype)
        if value.shape != ():
            raise ValueError(f"`{self.name}` returned shape {value.shape}; expected a scalar")
        return value


class Component(eqx.Module):
    """One coordinate (`argument` 1) or velocity (`argument` 2)."""

    argument: int = eqx.field(static=True)
    index: int = eqx.field(static=True)

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Array:
        return (q if self.argument == 1 else v)[self.index]


class Wave(eqx.Module):
    r"""$\cos(\sum_i k_i q_i)$ or the sine; `factors` are the pairs $(i, k_i)$."""

    kind: str = eqx.field(static=True)
    factors: tuple[tuple[int, int], ...] = eqx.field(static=True)

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Array:
        angle = sum((k * q[i] for i, k in self.factors), jnp.zeros((), q.dtype))
        return jnp.cos(angle) if self.kind == "cos" else jnp.sin(angle)


def coordinate_names(dof: int, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """The given names of the coordinates, or by default `q`, or `q0`, `q1`, ... for several."""
    if names is None:
        return ("q",) if dof == 1 else tuple(f"q{i}" for i in range(dof))
    if len(names) != dof or len(set(names)) != dof or not all(name.isidentifier() for name in names):
        raise ValueError(f"`names` is {names!r}; expected {dof} distinct identifiers, one for each coordinate")
    return tuple(names)


def velocity_names(dof: int, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """The names of the velocities: `r_dot` for a coordinate `r`; by default `v`, or `v0`, `v1`, ... for several."""
    if names is None:
        return ("v",) if dof == 1 else tuple(f"v{i}" for i in range(dof))
    return tuple(f"{name}_dot" for name in coordinate_names(dof, names))


def angle_name(k: Sequence[int], symbols: Sequence[str]) -> str:
    """The name of a sum of multiples of coordinates, such as `"q0 - 2*q1"`."""
    text = ""
    for entry, symbol in zip(k, symbols, strict=True):
        if entry:
            sign = (" - " if entry < 0 else " + ") if text else ("-" if entry < 0 else "")
            text += f"{sign}{'' if abs(entry) == 1 else f'{abs(entry)}*'}{symbol}"
    return text
