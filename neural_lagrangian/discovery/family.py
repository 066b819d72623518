"""Families of Lagrangians: one formula for many systems, which differ by their coefficients."""

import inspect
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from .._checks import positive_integer
from .._types import Force, Lagrangian, ScalarFunction, Signal, VectorFunction
from ..mechanics import EulerLagrangeTerm
from ..models import NeuralLagrangian
from ..numerics import inverse_softplus

Range: TypeAlias = Literal["positive", "non-negative", "any"] | tuple[float | int, float | int]
Vector: TypeAlias = Float[Array, " coefficients"]
CONTROL = "u"
"""The parameter of a force that is the control, and no coefficient."""


class LagrangianFamily(eqx.Module):
    r"""All systems of one formula, $L(t, q, \dot q; c)$ with the force $Q(t, q, \dot q; c)$.

    ```python
    family = LagrangianFamily(
        lambda t, q, v, *, c1, c2: c1 * v @ v - c2 * q @ q,
        force=lambda t, q, v, *, c3: -c3 * v,
        dof=1, c1="positive", c2="non-negative", c3="non-negative",
    )
    ```

    **Arguments:**

    - `formula`: callable `(t, q, v, **coefficients) -> scalar`.
    - `dof`: degrees of freedom n.
    - `force`: callable `(t, q, v, **coefficients) -> (dof,)`, the generalised force, or `None`. Each of the two
      callables is given the coefficients that its signature names. A force that names a parameter `u` is given the
      control at the time t too, shape `(m,)`: `force=lambda t, q, v, u, *, g: g * u`.
    - `ranges`: of each coefficient by name: `"positive"` ($c = e^x$ with x free), `"non-negative"`
      ($c = \log(1 + e^x)$), `"any"`, or two bounds.

    **Raises:** `ValueError` if no coefficient is named, one is named `u`, a range is none of these, or no callable
    takes one of them.
    """

    formula: ScalarFunction
    force_formula: VectorFunction | None
    dof: int = eqx.field(static=True)
    ranges: tuple[tuple[str, Range], ...] = eqx.field(static=True)

    def __init__(
        self,
        formula: ScalarFunction,
        /,
        *,
        dof: int,
        force: VectorFunction | None = None,
        **ranges: Range,
    ):
        for name, fn in (("formula", formula), ("force", force)):
            if not callable(fn) and not (name == "force" and fn is None):
                raise ValueError(f"`{name}` is {fn!r}; expected a callable (t, q, v, **coefficients)")
        if not ranges:
            raise ValueError("`ranges` are missing; expected one for each coefficient, by name")
        if CONTROL in ranges:
            raise ValueError(f"`{CONTROL}` is the control of `force`; expected another name for a coefficient")
        for name, value in ranges.items():
            _check_range(name, value)
            if not any(name in _taken(fn, ranges) for fn in (formula, force) if fn is not None):
                raise ValueError(f"`{name}` is a coefficient of neither `formula` nor `force`")
        self.formula = formula
        self.force_formula = force
        self.dof = positive_integer("dof", dof)
        self.ranges = tuple(ranges.items())

    @property
    def default(self) -> Vector:
        """Coefficients to begin from where nothing is known: ones, or the middle of two bounds."""
        middle = [1.0 if isinstance(range_, str) else (range_[0] + range_[1]) / 2 for _, range_ in self.ranges]
        return jnp.asarray(middle, jnp.result_type(float))

    @property
    def names(self) -> tuple[str, ...]:
        """The coefficients, in the order of all vectors of coefficients."""
        return tuple(name for name, _ in self.ranges)

    def vector(self, coefficients: Mapping[str, ArrayLike]) -> Vector:
        """The coefficients in order. **Raises:** `ValueError` if they are not those of the family."""
        if set(coefficients) != set(self.names):
            raise ValueError(f"`coefficients` are {sorted(coefficients)}; expected {sorted(self.names)}")
        return jnp.stack([jnp.asarray(coefficients[name], jnp.result_type(float)) for name in self.names], axis=-1)

    @property
    def may_vanish(self) -> Bool[np.ndarray, " coefficients"]:
        """Which coefficients are non-negative, zero included."""
        return np.asarray([range_ == "non-negative" for _, range_ in self.ranges])

    def unbounded_below(self) -> "LagrangianFamily":
        """The family whose non-negative coefficients may be anything."""
        ranges: dict[str, Range] = {name: "any" if r == "non-negative" else r for name, r in self.ranges}
        return LagrangianFamily(self.formula, dof=self.dof, force=self.force_formula, **ranges)

    def lagrangian(self, c: Vector) -> Lagrangian:
        """The Lagrangian `(t, q, v) -> scalar` of one system, from its vector of coefficients."""
        named = self._named(self.formula, c)
        return lambda t, q, v: jnp.asarray(self.formula(t, q, v, **named)).reshape(())

    @property
    def driven(self) -> bool:
        """Whether the force takes a control."""
        return self.force_formula is not None and CONTROL in _parameters(self.force_formula)

    def force(self, c: Vector, control: Signal | None = None) -> Force | None:
        """The force `(t, q, v) -> (dof,)` of one system, from its vector of coefficients.

        **Arguments:**

        - `control`: callable of t to shape `(m,)`, such as a `SampledControl`, where the force takes one.
        """
        formula = self.force_formula
        if formula is None:
            return None
        named = self._named(formula, c)
        if not self.driven:
            return lambda t, q, v: formula(t, q, v, **named)
        if control is None:
            raise ValueError("the force of this family takes a control; expected `control`, a callable of t")
        return lambda t, q, v: formula(t, q, v, **named, **{CONTROL: control(t)})

    def term(self, c: Vector, control: Signal | None = None) -> EulerLagrangeTerm:
        """What diffrax integrates, from a vector of coefficients; `control` as of `force`."""
        return EulerLagrangeTerm(self.lagrangian(c), self.force(c, control))

    def model(
        self,
        coefficients: Mapping[str, ArrayLike],
        solver: diffrax.AbstractSolver | None = None,
        *,
        control: Signal | None = None,
        **options: Any,
    ) -> NeuralLagrangian:
        """One system, ready to roll out: `family.model(coefficients)(ts, y0)`; `control` as of `force`, options as of
        `NeuralLagrangian`.
        """
        c = self.vector(coefficients)
        return NeuralLagrangian.from_lagrangian(
            self.lagrangian(c), solver, dof=self.dof, force=self.force(c, control), **options
        )

    def within(self, x: Vector, scale: Vector) -> Vector:
        """Coefficients in their ranges, from coordinates that have none and are of order one."""
        return jnp.stack([_into(range_, x[i], scale[i]) for i, (_, range_) in enumerate(self.ranges)])

    def coordinates(self, c: Vector, scale: Vector) -> Vector:
        """The inverse of `within`; of a coefficient at or beyond its bound, a place not far inside.

        **Arguments:**

        - `c`: coefficients. `scale`: sizes at which they matter, both shape `(coefficients,)`.
        """
        return jnp.stack([_from(range_, c[i], scale[i]) for i, (_, range_) in enumerate(self.ranges)])

    def _named(self, formula: ScalarFunction, c: Vector) -> dict[str, Array]:
        taken = _taken(formula, self.names)
        return {name: c[i] for i, name in enumerate(self.names) if name in taken}


EDGE = 1e-3
"""Where a coefficient that was found at or beyond its bound begins, of its scale."""


def _into(range_: Range, x: Array, scale: Array) -> Array:
    if range_ == "any":
        return scale * x
    if range_ == "positive":
        return scale * jnp.exp(x)
    if range_ == "non-negative":
        return scale * jax.nn.softplus(x)
    low, high = range_
    return low + (high - low) * jax.nn.sigmoid(x)


def _from(range_: Range, c: Array, scale: Array) -> Array:
    if range_ == "any":
        return c / scale
    if range_ == "positive":
        return jnp.log(jnp.maximum(c / scale, EDGE))
    if range_ == "non-negative":
        return inverse_softplus(jnp.maximum(c / scale, EDGE))
    low, high = range_
    share = jnp.clip((c - low) / (high - low), EDGE, 1 - EDGE)
    return jnp.log(share) - jnp.log1p(-share)


def _check_range(name: str, value: Any) -> None:
    if isinstance(value, str) and value in ("positive", "non-negative", "any"):
        return
    bounds = isinstance(value, tuple) and len(value) == 2 and all(isinstance(b, float | int) for b in value)
    if not bounds or not np.all(np.isfinite(value)) or not value[0] < value[1]:
        raise ValueError(f"`{name}` has the range {value!r}; expected 'positive', 'non-negative', 'any' or (low, high)")


def _taken(formula: ScalarFunction, names: Any) -> set[str]:
    """Those of the coefficients that a callable takes."""
    if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(formula).parameters.values()):
        return set(names)
    return set(names) & _parameters(formula)


def _parameters(formula: ScalarFunction) -> set[str]:
    """The names by which a callable may be given something."""
    kinds = inspect.signature(formula).parameters
    return {n for n, p in kinds.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
