r"""The normal equations of a least-squares problem, from Jacobians of the residuals of many windows.

With weights $w$ and the states $x_i$ of window $i$,

$$\begin{pmatrix} H + \lambda & C_1 & C_2 & \cdots \\ C_1^T & D_1 + \mu & & \\ C_2^T & & D_2 + \mu & \\
  \vdots & & & \ddots \end{pmatrix} \delta = -g, \qquad
  H = \tfrac1N \sum_i J_{w,i}^T J_{w,i}, \quad C_i = \tfrac1N J_{w,i}^T J_{x,i}, \quad
  D_i = \tfrac1N J_{x,i}^T J_{x,i}.$$
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..integrators import AbstractMotionModel
from ..trajectories import Window
from .loss import Residual, evaluated

Residuals: TypeAlias = Callable[[Array, Array, Window], Array]
"""A function `(w, x, window) -> (component,)`: the residual of one window at weights `w` and states `x`."""

MAX_WINDOWS_AT_ONCE = 32
"""Largest number of windows whose Jacobians are computed at once."""
MAX_BYTES_AT_ONCE = 1 << 28
"""Approximate limit of the memory of these Jacobians, in bytes."""
CURVATURE_MATRICES = 5
"""Number of matrices of the size of the curvature in memory: before and after a step, the factor, and XLA's own."""


class NormalEquations(NamedTuple):
    """Half the gradient of the mean square, and half its Gauss-Newton Hessian, in blocks of weights and states."""

    g_w: Float[Array, " weight"]
    H: Float[Array, "weight weight"]
    g_x: Float[Array, "window state"]
    C: Float[Array, "window weight state"]
    D: Float[Array, "window state state"]

    @property
    def curvatures(self) -> tuple[Float[Array, " weight"], Float[Array, " state"]]:
        """The curvature along each weight, and the largest along each component of the states of a window. Where it is
        zero, any positive number.
        """

        def positive(c: Array) -> Array:
            return jnp.where(c > 0, c, jnp.max(c, initial=0))

        of_states = jnp.max(jnp.diagonal(self.D, axis1=1, axis2=2), axis=0, initial=0)
        return positive(jnp.diagonal(self.H)), positive(of_states)

    @property
    def largest_of_states(self) -> Float[Array, ""]:
        """The largest curvature along one component of a state; zero if no states are estimated."""
        return jnp.max(jnp.diagonal(self.D, axis1=1, axis2=2), initial=0)

    def step(self, of_weights: Array, of_states: Array) -> tuple[Array, Array]:
        """The damped step of weights and states, with the damping of each weight, and of each component of states."""
        g_w, H, g_x, C, D = self
        n, k = C.shape[1:]
        H = H + jnp.diag(of_weights)
        if k == 0:
            return -_solved(H, g_w), jnp.zeros_like(g_x)
        D = D + jnp.diag(of_states)[None]
        # One solve for C and g, not one each: jaxlib 0.10 may hang when two batched LAPACK calls run at once.
        right = jnp.concatenate([jnp.swapaxes(C, 1, 2), g_x[..., None]], axis=2)
        inverse_C, inverse_g = jnp.split(jax.vmap(_solved)(D, right), [n], axis=2)  # (window, state, weight or 1)
        inverse_g = inverse_g[..., 0]
        complement = H - jnp.einsum("ink,ikm->nm", C, inverse_C)
        step_w = -_solved(complement, g_w - jnp.einsum("ink,ik->n", C, inverse_g))
        return step_w, -inverse_g - jnp.einsum("ikn,n->ik", inverse_C, step_w)


def _solved(A: Array, b: Array) -> Array:
    return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(A), b)


def normal_equations(of_window: Residuals, w: Array, x: Array, batch: Window, forward: bool) -> NormalEquations:
    """Compute the blocks at weights `w` and states `x`, for some windows at a time."""
    count, k = x.shape
    jacobian = jax.jacfwd if forward else jax.jacrev

    def of_one(x: Array, window: Window) -> tuple[Array, Array, Array]:
        r = of_window(w, x, window)
        if k == 0:
            return r, jacobian(of_window)(w, x, window), jnp.zeros((len(r), 0), w.dtype)
        return r, *jacobian(of_window, argnums=(0, 1))(w, x, window)

    def of_some(x: Array, window: Window) -> NormalEquations:
        r, Jw, Jx = jax.vmap(of_one)(x, window)
        flat = Jw.reshape(-1, Jw.shape[-1])
        return NormalEquations(
            flat.T @ r.reshape(-1),
            flat.T @ flat,
            jnp.einsum("imk,im->ik", Jx, r),
            jnp.einsum("imn,imk->ink", Jw, Jx),
            jnp.einsum("imk,imj->ikj", Jx, Jx),
        )

    size = jax.eval_shape(of_window, w, x[0], jax.tree.map(lambda a: a[0], batch)).size
    together = MAX_BYTES_AT_ONCE // (w.dtype.itemsize * size * (len(w) + k))
    together = max(1, min(MAX_WINDOWS_AT_ONCE, count, together))
    whole = count // together * together

    def split(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda a: a[:whole].reshape(whole // together, together, *a.shape[1:]), tree)

    def add(total: tuple[Array, Array], some: PyTree) -> tuple[tuple[Array, Array], tuple[Array, Array, Array]]:
        found = of_some(*some)
        return (total[0] + found.g_w, total[1] + found.H), found[2:]

    none = jnp.zeros_like(w), jnp.zeros((len(w), len(w)), w.dtype)
    (g_w, H), own = jax.lax.scan(add, none, split((x, batch)))
    own = jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), own)
    if whole < count:
        rest = of_some(*jax.tree.map(lambda a: a[whole:], (x, batch)))
        g_w, H = g_w + rest.g_w, H + rest.H
        own = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), own, rest[2:])
    return jax.tree.map(lambda a: a / (count * size), NormalEquations(g_w, H, *own))


def forward_or_reverse(
    residual: Residual,
    weights: PyTree,
    static: PyTree,
    batch: Window,
    own: Array | None,
    size: int,
) -> PyTree | None:
    """Choose how the Jacobian is computed. Returns the model without its weights for forward mode, `None` for reverse.

    Forward mode is chosen if a window has fewer unknowns than components of the residual, and the model allows it. An
    adaptive solve of diffrax gets the adjoint that forward mode needs.
    """
    if _unknowns(weights, own) > size:
        return None
    first = jax.tree.map(lambda a: a[0], batch if own is None else replace(batch, states=own))
    for part in (static, _with_adjoint(static, diffrax.ForwardMode())):

        def of_weights(weights: PyTree, part: PyTree = part) -> Array:
            return evaluated("residual", residual, eqx.combine(weights, part), first)

        try:
            jax.eval_shape(jax.jacfwd(of_weights), weights)
        except TypeError:  # a derivative rule exists only for reverse mode
            continue
        return part
    return None


def _with_adjoint(model: Any, adjoint: diffrax.AbstractAdjoint) -> Any:
    if not isinstance(model, AbstractMotionModel):
        return model
    return eqx.tree_at(lambda m: m.integration.adjoint, model, adjoint, is_leaf=lambda x: x is None)


def check_memory(weights: PyTree, own: Array | None, size: int) -> None:
    """**Raises:** `ValueError` if the normal equations do not fit into the memory of the device."""
    n, itemsize = _unknowns(weights, None), jax.tree.leaves(weights)[0].dtype.itemsize
    needed = itemsize * (CURVATURE_MATRICES * n**2 + size * n)
    if own is not None:
        k = own[0].size
        needed += itemsize * CURVATURE_MATRICES * own.shape[0] * k * (n + k)
    there = memory()
    if there is not None and needed > there:
        raise ValueError(
            f"`model` has {n} weights, whose curvature needs {needed / 2**30:.3g} GiB of memory; the device has "
            f"{there / 2**30:.3g} GiB. Use fewer weights, fewer `windows` if `states` are estimated, or `polish`"
        )


def memory() -> int | None:
    """Memory of the device in bytes; `None` if it is not known."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"])
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # the system does not report its memory
        return None


def _unknowns(weights: PyTree, own: Array | None) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(weights)) + (0 if own is None else own[0].size)
