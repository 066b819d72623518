"""Families of Lagrangians: one formula with named coefficients, for many systems."""

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
CONTROL_NAME = "u"
"""Name of the parameter through which a force receives the control."""


class LagrangianFamily(eqx.Module):
    r"""One formula $L(t, q, \dot q; c)$ with named coefficients $c$, and a force $Q(t, q, \dot q; c)$.

    Each choice of the coefficients is one system.

    **Arguments:**

    - `formula`: callable `(t, q, v, **coefficients) -> scalar`, the Lagrangian.
    - `dof`: degrees of freedom n.
    - `force`: callable `(t, q, v, **coefficients) -> (dof,)`, the generalised force, or `None`. A force with a
      parameter `u` also receives the control at time t, shape `(m,)`: `force=lambda t, q, v, u, *, g: g * u`.
    - `ranges`: for each coefficient, by name: `"positive"` ($c = e^x$ with x free), `"non-negative"`
      ($c = \log(1 + e^x)$), `"any"`, or two bounds `(low, high)`.

    `formula` and `force` each receive only the coefficients that their signature names.

    **Raises:** `ValueError` if no coefficient is named, if one is named `u`, for an invalid range, or if neither
    `formula` nor `force` takes a coefficient.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring, friction = lambda t, q, v, *, k: (v @ v - k * q @ q) / 2, lambda t, q, v, *, d: -d * v
    >>> family = nl.discovery.LagrangianFamily(spring, force=friction, dof=1, k="positive", d="non-negative")
    >>> model = family.model({"k": 4.0, "d": 0.5})
    >>> model.acceleration(0.0, jnp.array([1.0]), jnp.array([2.0])).tolist()  # -k q - d v
    [-5.0]
    ```
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
            raise ValueError("`ranges` are missing; expected one for each coefficient, by name, such as k='positive'")
        if CONTROL_NAME in ranges:
            raise ValueError(f"`{CONTROL_NAME}` is the control of `force`; rename the coefficient")
        for name, value in ranges.items():
            _check_range(name, value)
            if not any(name in _taken(fn, ranges) for fn in (formula, force) if fn is not None):
                raise ValueError(
                    f"`{name}` is a parameter of neither `formula` nor `force`; leave out its range, or use it"
                )
        self.formula = formula
        self.force_formula = force
        self.dof = positive_integer("dof", dof)
        self.ranges = tuple(ranges.items())

    @property
    def default(self) -> Vector:
        """Default initial coefficients: one, or the middle of two bounds."""
        middle = [1.0 if isinstance(range_, str) else (range_[0] + range_[1]) / 2 for _, range_ in self.ranges]
        return jnp.asarray(middle, jnp.result_type(float))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients, in the order of vectors of coefficients."""
        return tuple(name for name, _ in self.ranges)

    def vector(self, coefficients: Mapping[str, ArrayLike]) -> Vector:
        """The vector of coefficients, from coefficients by name.

        **Raises:** `ValueError` for missing or unknown names.
        """
        if set(coefficients) != set(self.names):
            raise ValueError(f"`coefficients` has the names {sorted(coefficients)}; expected {sorted(self.names)}")
        return jnp.stack([jnp.asarray(coefficients[name], jnp.result_type(float)) for name in self.names], axis=-1)

    @property
    def may_vanish(self) -> Bool[np.ndarray, " coefficients"]:
        """Which coefficients have the range "non-negative", so that they may be zero."""
        return np.asarray([range_ == "non-negative" for _, range_ in self.ranges])

    def unbounded_below(self) -> "LagrangianFamily":
        """The same family with the range "any" instead of "non-negative"."""
        ranges: dict[str, Range] = {name: "any" if r == "non-negative" else r for name, r in self.ranges}
        return LagrangianFamily(self.formula, dof=self.dof, force=self.force_formula, **ranges)

    def lagrangian(self, c: Vector) -> Lagrangian:
        """The Lagrangian `(t, q, v) -> scalar` with the vector of coefficients c."""
        named = self._named(self.formula, c)
        return lambda t, q, v: jnp.asarray(self.formula(t, q, v, **named)).reshape(())

    @property
    def driven(self) -> bool:
        """Whether the force takes a control `u`."""
        return self.force_formula is not None and CONTROL_NAME in _parameters(self.force_formula)

    def force(self, c: Vector, control: Signal | None = None) -> Force | None:
        """The force `(t, q, v) -> (dof,)` with the vector of coefficients c; `None` if the family has no force.

        **Arguments:**

        - `control`: callable `t -> (m,)`, such as a `SampledControl`; needed if the force takes a control.

        **Raises:** `ValueError` if the force takes a control and none is given.
        """
        formula = self.force_formula
        if formula is None:
            return None
        named = self._named(formula, c)
        if not self.driven:
            return lambda t, q, v: formula(t, q, v, **named)
        if control is None:
            raise ValueError(
                "`control` is None, but the force takes a control `u`; expected `control`, a callable of t"
            )
        return lambda t, q, v: formula(t, q, v, **named, **{CONTROL_NAME: control(t)})

    def term(self, c: Vector, control: Signal | None = None) -> EulerLagrangeTerm:
        """The Euler-Lagrange term that diffrax integrates; `control` as for `force`."""
        return EulerLagrangeTerm(self.lagrangian(c), self.force(c, control))

    def model(
        self,
        coefficients: Mapping[str, ArrayLike],
        solver: diffrax.AbstractSolver | None = None,
        *,
        control: Signal | None = None,
        **options: Any,
    ) -> NeuralLagrangian:
        """A model of one system, for rollouts `family.model(coefficients)(ts, y0)`.

        `control` as for `force`, further options as for `NeuralLagrangian`.
        """
        c = self.vector(coefficients)
        return NeuralLagrangian.from_lagrangian(
            self.lagrangian(c), solver, dof=self.dof, force=self.force(c, control), **options
        )

    def within(self, x: Vector, scale: Vector) -> Vector:
        """Maps unconstrained numbers of order one to coefficients within their ranges."""
        return jnp.stack([_into(range_, x[i], scale[i]) for i, (_, range_) in enumerate(self.ranges)])

    def coordinates(self, c: Vector, scale: Vector) -> Vector:
        """The inverse of `within`; a coefficient at or beyond a bound is moved slightly inside.

        **Arguments:**

        - `c`: coefficients. `scale`: their typical sizes. Both have shape `(coefficients,)`.
        """
        return jnp.stack([_from(range_, c[i], scale[i]) for i, (_, range_) in enumerate(self.ranges)])

    def _named(self, formula: ScalarFunction, c: Vector) -> dict[str, Array]:
        taken = _taken(formula, self.names)
        return {name: c[i] for i, name in enumerate(self.names) if name in taken}


MIN_DISTANCE_FROM_BOUND = 1e-3
"""Distance from its bound, relative to its scale, to which a coefficient at the bound is moved."""


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
        return jnp.log(jnp.maximum(c / scale, MIN_DISTANCE_FROM_BOUND))
    if range_ == "non-negative":
        return inverse_softplus(jnp.maximum(c / scale, MIN_DISTANCE_FROM_BOUND))
    low, high = range_
    share = jnp.clip((c - low) / (high - low), MIN_DISTANCE_FROM_BOUND, 1 - MIN_DISTANCE_FROM_BOUND)
    return jnp.log(share) - jnp.log1p(-share)


def _check_range(name: str, value: Any) -> None:
    if isinstance(value, str) and value in ("positive", "non-negative", "any"):
        return
    bounds = isinstance(value, tuple) and len(value) == 2 and all(isinstance(b, float | int) for b in value)
    if not bounds or not np.all(np.isfinite(value)) or not value[0] < value[1]:
        raise ValueError(f"`{name}` has the range {value!r}; expected 'positive', 'non-negative', 'any' or (low, high)")


def _taken(formula: ScalarFunction, names: Any) -> set[str]:
    """The coefficients that a callable takes."""
    if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(formula).parameters.values()):
        return set(names)
    return set(names) & _parameters(formula)


def _parameters(formula: ScalarFunction) -> set[str]:
    """The names of the parameters of a callable that can be given by keyword."""
    kinds = inspect.signature(formula).parameters
    return {n for n, p in kinds.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
