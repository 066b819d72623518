"""A vector field that returns, beside its slope, what its derivative needs at that point."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, PyTree

from .._types import Scalar, State
from ..numerics import KEEP_STAGES

VectorField = Callable[[Scalar, State], State]
Kept = list[Array]
"""Values at one stage, or stacked at several. For a Lagrangian: the acceleration and the factor of the mass matrix."""


class LinearisedField(eqx.Module):
    """A vector field whose derivative can be computed later, without a second evaluation of the field.

    - `evaluate`: callable `(t, y) -> (slope, values)`. The values are the leaves of the derivative, a linear map.
    - `varied`: the arrays of the field that vary, beside y.
    - `structure`: tree structure of the linear map. `kept`: indices of the values to keep at each stage. `state`:
      indices of the values that are y itself. All other values are the same at every stage.
    """

    evaluate: Callable[[Scalar, State], tuple[State, list[Array]]]
    varied: PyTree
    structure: Any = eqx.field(static=True)
    kept: tuple[int, ...] = eqx.field(static=True)
    state: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, vf: VectorField, vf_dot: PyTree, t: Scalar, y: State) -> "LinearisedField":
        """The field at points like (t, y), if those arrays vary whose tangent in `vf_dot` is not None."""
        varied, rest = eqx.partition(vf, jax.tree.map(lambda _, dot: dot is not None, vf, vf_dot))
        traced = []

        def evaluate(t, y):
            slope, linear = jax.linearize(KEEP_STAGES(lambda varied, y: eqx.combine(varied, rest)(t, y)), varied, y)
            values, structure = jax.tree.flatten(linear)
            traced.append((structure, tuple(i for i, x in enumerate(values) if x is y)))
            return slope, values

        evaluate = eqx.filter_closure_convert(evaluate, t, y)
        structure, state = traced[-1]
        kept = tuple(i for i, varies in enumerate(_vary(evaluate, t, y)) if varies and i not in state)
        return cls(evaluate, varied, structure, kept, state)

    def __call__(self, t: Scalar, y: State) -> tuple[State, Kept]:
        """The slope, and what its derivative needs."""
        slope, values = self.evaluate(t, y)
        return slope, [jnp.asarray(values[i]) for i in self.kept]

    def tangent(self, vf_dot: PyTree) -> "LinearisedField":
        """The tangent of this field where its arrays vary by `vf_dot`."""
        none = jax.tree.map(lambda _: None, self.evaluate)
        return LinearisedField(none, vf_dot, self.structure, self.kept, self.state)

    def constants(self, t: Scalar, y: State) -> Kept:
        """The values that are the same at every stage. The compiler drops the evaluation at (t, y)."""
        _, values = self.evaluate(t, y)
        return [jnp.asarray(x) for i, x in enumerate(values) if i not in (*self.kept, *self.state)]

    def known(self, constants: Kept, y: State, slope: State, kept: Kept) -> State:
        """The slope where it is known, with its derivative in `varied` and y."""
        rest, at_stage = iter(constants), iter(kept)
        values = [
            y if i in self.state else next(at_stage if i in self.kept else rest)
            for i in range(self.structure.num_leaves)
        ]
        return jnp.asarray(_known(self.varied, y, slope, values, structure=self.structure))


def _vary(evaluate: Callable[..., tuple[State, list[Array]]], t: Scalar, y: State) -> list[bool]:
    """Which of the values depend on (t, y)."""
    found = []

    @custom_vmap
    def look(values):
        return values

    @look.def_vmap
    def _(_, in_batched, values):
        found.extend(in_batched[0])
        return values, in_batched[0]

    jax.eval_shape(jax.vmap(lambda t, y: look(evaluate(t, y)[1])), t[None], y[None])
    return found


@eqx.filter_custom_jvp
def _known(varied: PyTree, y: State, slope: State, values: list[Array], *, structure: Any) -> State:
    del varied, y, values, structure
    return slope


@_known.def_jvp
def _(primals: Any, tangents: Any, *, structure: Any) -> tuple[State, State]:
    # The slope and the values depend on `varied` and y, so their tangents are in the linear map.
    *at, slope, values = primals
    dots = jax.tree.map(lambda x, dot: jnp.zeros_like(x) if dot is None else dot, tuple(at), tuple(tangents[:2]))
    return slope, jax.tree.unflatten(structure, values)(*dots)
