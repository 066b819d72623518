r"""Gradient and Hessian of a scalar function, cheaper than forward-over-reverse differentiation.

A function is a sequence of steps, $x_{k+1} = g_k(x_k)$. One backward sweep gives $\lambda_k$, the derivative of f with
respect to $x_k$. One forward sweep for each direction $u$ gives $u_k$, its image at step k. Then

$$D^2 f[u, w] = \sum_k \lambda_{k+1} \cdot D^2 g_k [u_k, w_k].$$

Linear steps contribute nothing to this sum; the large matrix products of a network are linear. All second derivatives
among k directions cost k + 2 passes; forward-over-reverse mode takes 2 k + 2. (Gower and Mello 2012, "A new framework
for the computation of Hessians", section 3, in the form that needs no sparse matrix.)
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .jaxpr import Operation, Program, is_constant


class Directions(NamedTuple):
    """The k directions in one argument, or their images at a step: only rows `first` to `last` are stored.

    All other rows are zero.
    """

    first: int
    rows: Array

    @property
    def last(self) -> int:
        return self.first + len(self.rows)

    def between(self, first: int, last: int) -> Array:
        """Rows `first` to `last`, zeros included."""
        inside = self.rows[max(0, first - self.first) : max(0, last - self.first)]
        before = min(max(0, self.first - first), last - first)
        after = last - first - before - len(inside)
        return jnp.pad(inside, [(before, after)] + [(0, 0)] * (inside.ndim - 1)) if before or after else inside


def gradient_and_curvature(
    f: Program, x: tuple[Array, ...], directions: tuple[Directions, ...], columns: int
) -> tuple[tuple[Array, ...], Float[Array, "k columns"]]:
    r"""The gradient of `f` at `x`, and the second derivatives $D^2 f[u_i, u_j]$ for all i and for $j <$ `columns`.

    A direction costs nothing in steps that do not depend on it. For example, velocity directions cost nothing in the
    network of a potential energy V(q).

    **Arguments:**

    - `f`: the program of a scalar function.
    - `x`: its arguments. `directions`: the k directions in each of them.
    - `columns`: the number of directions $u_j$, counted from the first.

    **Returns:** the derivatives with respect to each argument, and the second derivatives, shape `(k, columns)`.
    """
    values = dict(zip(f.inputs, x, strict=True)) | f.constants
    images = dict(zip(f.inputs, directions, strict=True))
    count = max(d.last for d in directions)
    tape = []
    for step in f.steps:
        varying = [i for i in step.inputs if i in images]
        smooth, primals = partial(_apply, step, values, varying), [values[i] for i in varying]
        values.update(zip(step.outputs, step.apply(*(values[i] for i in step.inputs)), strict=True))
        outputs = [i for i in step.outputs if jnp.issubdtype(jnp.result_type(values[i]), jnp.inexact)]
        if not varying or not outputs:
            continue
        tape.append((smooth, varying, primals, outputs))
        if f.output not in outputs:
            _, push = jax.linearize(smooth, *primals)
            first, last = min(images[i].first for i in varying), max(images[i].last for i in varying)
            pushed = jax.vmap(push)(*(images[i].between(first, last) for i in varying))
            images.update((i, Directions(first, rows)) for i, rows in zip(outputs, pushed, strict=True))

    adjoints = {f.output: jnp.ones_like(values[f.output])}
    curvature = jnp.zeros((count, columns), values[f.output].dtype)
    for smooth, varying, primals, outputs in reversed(tape):
        if not any(i in adjoints for i in outputs):
            continue
        pull = partial(_pull, smooth, [adjoints.pop(i, jnp.zeros_like(values[i])) for i in outputs])
        first, last = min(images[i].first for i in varying), min(columns, max(images[i].last for i in varying))
        if first >= last or is_constant(pull, *primals):  # no column depends on this step, or the step is linear
            pulled = pull(*primals)
        else:
            pulled, bend = jax.linearize(pull, *primals)
            bent = jax.vmap(bend)(*(images[i].between(first, last) for i in varying))
            for i, b in zip(varying, bent, strict=True):
                rows = images[i].rows
                paired = rows.reshape(len(rows), -1) @ b.reshape(last - first, -1).T
                curvature = curvature.at[images[i].first : images[i].last, first:last].add(paired)
        for i, adjoint in zip(varying, pulled, strict=True):
            adjoints[i] = adjoints[i] + adjoint if i in adjoints else adjoint
    return tuple(adjoints.get(i, jnp.zeros_like(xi)) for i, xi in zip(f.inputs, x, strict=True)), curvature


def _apply(step: Operation, values: dict[int, Array], varying: list[int], *primals: Array) -> list[Array]:
    """The floating-point outputs of a step as a function of its varying inputs."""
    given = dict(zip(varying, primals, strict=True))
    outs = step.apply(*(given[i] if i in given else values[i] for i in step.inputs))
    return [out for out in outs if jnp.issubdtype(jnp.result_type(out), jnp.inexact)]


def _pull(fn: Callable[..., list[Array]], adjoints: list[Array], *x: Array) -> tuple[Array, ...]:
    return jax.vjp(fn, *x)[1](adjoints)
