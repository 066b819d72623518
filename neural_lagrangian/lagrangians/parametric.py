"""Lagrangians given by a formula with unknown coefficients."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from .._checks import is_concrete, positive_integer, written
from .._types import Scalar, ScalarFunction
from ..mechanics import AbstractMassSolve, PseudoInverse
from ..networks import unfrozen
from .lagrangian import AbstractLagrangian
from .positive_mass import has_positive_parts


class ParametricLagrangian(AbstractLagrangian):
    r"""A Lagrangian given by a formula $L(t, q, \dot q; c)$ whose coefficients c are trained.

    Motion does not determine the overall scale of a Lagrangian. It determines only ratios such as $k / m$. So compare
    ratios, or write one known coefficient (such as a mass) as a number in the formula: then the other coefficients have
    the right scale. (Bigwood 2025, section 1.3.)

    A positive coefficient is stored as $c = e^s$, and $s$ is trained. So training steps are relative, and c never
    reaches zero. Do not declare a coefficient positive if it may be zero. A step changes the other coefficients by
    about the learning rate, in their own units. Write the formula so that they are of order one, such as
    `1e6 * stiffness`.

    **Arguments:**

    - `formula`: callable `(t, q, v, **coefficients) -> scalar`. If it is an Equinox module, its arrays are trained too.
    - `dof`: degrees of freedom n. `None` if the formula suits any number.
    - `positive`: names of the coefficients that must stay positive.
    - `coefficients`: initial values by name: numbers, or floating-point arrays of any shape.

    **Raises:** `ValueError` if the formula does not accept these coefficients, if one of them is not a floating-point
    number or array, or if one declared positive is not positive.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> formula = lambda t, q, v, *, mass, stiffness: 0.5 * mass * v @ v - 0.5 * stiffness * q @ q
    >>> spring = nl.lagrangians.ParametricLagrangian(formula, dof=1, mass=2.0, stiffness=4.0, positive=["mass"])
    >>> {name: round(float(value), 3) for name, value in spring.coefficients.items()}
    {'mass': 2.0, 'stiffness': 4.0}
    ```
    """

    formula: ScalarFunction
    trained: dict[str, Array]
    _dof: int | None = eqx.field(static=True)
    positive: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        formula: ScalarFunction,
        /,
        *,
        dof: int | None = None,
        positive: Sequence[str] = (),
        **coefficients: ArrayLike | Sequence[Any],
    ):
        if not callable(formula):
            raise ValueError(f"`formula` is {formula!r}; expected a callable (t, q, v, **coefficients)")
        if not coefficients:
            raise ValueError("no coefficients were given; expected at least one, such as `mass=1.0`")
        positive = (positive,) if isinstance(positive, str) else tuple(positive)
        if unknown := [name for name in positive if name not in coefficients]:
            raise ValueError(f"`positive` names {unknown}; expected some of {list(coefficients)}")
        _check_signature(formula, coefficients)
        values = {name: _coefficient(name, value) for name, value in coefficients.items()}
        for name in positive:
            if is_concrete(values[name]) and not np.all(np.asarray(values[name]) > 0):
                raise ValueError(
                    f"`{name}` is {coefficients[name]!r}; expected a value above 0, since it is named in `positive`"
                )
        self.formula = formula
        self.trained = {name: jnp.log(c) if name in positive else c for name, c in values.items()}
        self._dof = None if dof is None else positive_integer("dof", dof)
        self.positive = positive

    @property
    def dof(self) -> int | None:
        return self._dof

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return PseudoInverse()

    @property
    def has_positive_mass(self) -> bool:
        r"""Whether $M = \sum_k c_k M_k$ with positive coefficients and constant, positive semidefinite $M_k$.

        It depends on the formula alone, so it stays true during training. It is `False` if `dof` is not given, or if
        $M$ depends on anything else than the coefficients declared positive.
        """
        if self.dof is None or jax.tree.leaves(eqx.filter(self.formula, eqx.is_array)):
            return False
        return has_positive_parts(self.formula, self.dof, unfrozen(self.trained), self.positive)

    @property
    def coefficients(self) -> dict[str, Array]:
        """The current values of the coefficients, by name."""
        return {name: jnp.exp(c) if name in self.positive else c for name, c in unfrozen(self.trained).items()}

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        L = jnp.asarray(self.formula(t, q, v, **self.coefficients))
        if L.shape not in ((), (1,)):
            raise ValueError(f"`formula` returned shape {L.shape}; expected a scalar, () or (1,)")
        return L.reshape(())

    def __repr__(self) -> str:
        formula = getattr(self.formula, "__name__", repr(self.formula))
        entries = [formula, f"dof={self.dof}"]
        for name, value in unfrozen(self.trained).items():
            text = written(value, np.exp if name in self.positive else np.asarray)
            entries.append(f"{name}={text}")
        return f"{type(self).__name__}({', '.join(entries)})"


def _coefficient(name: str, value: Any) -> Array:
    plain = isinstance(value, float | int) and not isinstance(value, bool)
    try:
        array = jnp.asarray(value, jnp.result_type(float)) if plain else jnp.asarray(value)
    except (TypeError, ValueError) as error:  # from JAX, whose message does not name the argument
        raise ValueError(f"`{name}` cannot be read as an array: {error}") from error
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"`{name}` has dtype {array.dtype}; expected a real floating dtype")
    return array


def _check_signature(formula: ScalarFunction, coefficients: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(formula)
    except (TypeError, ValueError):  # compiled without a signature
        return
    try:
        signature.bind(*range(3), **coefficients)
    except TypeError as error:
        named = ", ".join(["t", "q", "v", *coefficients])
        raise ValueError(
            f"`formula` does not accept the arguments ({named}): {error}. Name its parameters after t, q, v like the "
            f"coefficients"
        ) from error
