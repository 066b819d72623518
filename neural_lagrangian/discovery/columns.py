r"""What each term of a library contributes to the equations of motion, and which of them contribute something new."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .equations import Scales, checked_states
from .errors import EquationsError
from .library import Library

FREE_STATES = 512
"""Least states at which terms are told apart."""
RANK_TOLERANCE = 1e-9
"""Relative length of what is new in a column, below which it counts as a combination of others."""
BLOCK = 512
"""States at a time: one compiled function serves any number of them."""


class Columns(eqx.Module):
    r"""For each state and term: $p = \partial \phi / \partial v$, `p`, and the slope $\partial \phi / \partial q$,
    both `(state, term, dof)`; $M = \partial^2 \phi / \partial v^2$, `(state, term, dof, dof)`; and the drift
    $(\partial_t + v \cdot \partial_q)\, p$, so that $h$ = drift - slope.
    """

    p: Float[np.ndarray, "state term dof"]
    slope: Float[np.ndarray, "state term dof"]
    M: Float[np.ndarray, "state term dof dof"]
    drift: Float[np.ndarray, "state term dof"]

    @property
    def h(self) -> Float[np.ndarray, "state term dof"]:
        return self.drift - self.slope

    def select(self, terms: Sequence[int]) -> "Columns":
        """Those of some terms."""
        terms = list(terms)
        return Columns(self.p[:, terms], self.slope[:, terms], self.M[:, terms], self.drift[:, terms])

    def split(self, count: int) -> tuple["Columns", "Columns"]:
        """Those at the first `count` states, and at the others."""
        parts = (self.p, self.slope, self.M, self.drift)
        return Columns(*(x[:count] for x in parts)), Columns(*(x[count:] for x in parts))


def sample_columns(library: Library, states: ArrayLike, ts: ArrayLike = 0.0) -> Columns:
    """The columns of a library at states `[q, v]`, shape `(state, 2 dof)`, on the host. To be called inside
    `double_precision`.
    """
    times, states = checked_states(states, ts)
    if states.shape[1] != 2 * library.dof:
        raise ValueError(f"`states` has {states.shape[1]} columns; expected {2 * library.dof}, as `library` has")
    count = len(states)
    rows = np.minimum(np.arange(-(-count // BLOCK) * BLOCK), count - 1).reshape(-1, BLOCK)
    blocks = [_columns(library, times[k], states[k]) for k in rows]
    columns = Columns(
        *(np.concatenate([np.asarray(x, np.float64) for x in parts])[:count] for parts in zip(*blocks, strict=True))
    )
    for k, name in enumerate(library.names):
        if not all(np.isfinite(x[:, k]).all() for x in (columns.p, columns.slope, columns.M, columns.drift)):
            raise EquationsError(f"`library` has the term {name}, which is not finite, or not smooth, at some states")
    return columns


class Independent(eqx.Module):
    """Which terms of a library say something of motion that simpler ones do not.

    `kept`: their indices, the simplest first. `dropped`: for each other term, its index and the coefficients of the
    `kept` terms that it equals up to a constant and a total derivative: all zero for a total derivative.
    """

    kept: tuple[int, ...] = eqx.field(static=True)
    dropped: tuple[tuple[int, tuple[float, ...]], ...] = eqx.field(static=True)

    def described(self, library: Library) -> list[str]:
        names, lines = library.names, []
        for k, coefficients in self.dropped:
            same = [f"{c:.6g} {names[i]}" for i, c in zip(self.kept, coefficients, strict=True) if c]
            lines.append(f"{names[k]} = dF/dt" if not same else f"{names[k]} = {' + '.join(same)} + dF/dt")
        return lines


def independent_terms(library: Library, columns: Columns, scales: Scales) -> Independent:
    """The terms whose (M, h) are linearly independent at free states, the simplest first.

    **Raises:** `EquationsError` if none has a mass matrix.
    """
    if not np.abs(columns.M).max() > 0:
        raise EquationsError("`library` has no term with a mass matrix; expected some quadratic in the velocities")
    terms = columns.p.shape[1]
    X = np.moveaxis(scales.rows(columns.M, columns.h), 1, 2).reshape(-1, terms)
    # A total derivative is a difference of equal numbers: it is zero against these, not against nothing.
    momentum = np.linalg.norm(scales.length * columns.drift, axis=(0, 2))
    size = np.sqrt(momentum**2 + np.linalg.norm(scales.length * columns.slope, axis=(0, 2)) ** 2)
    size = np.maximum(np.maximum(size, np.linalg.norm(X, axis=0)), np.finfo(float).tiny)
    basis, kept, dropped = np.empty((len(X), 0)), [], []
    for k in np.argsort(library.complexity, kind="stable"):
        x = X[:, k] / size[k]
        for _ in range(2):  # twice is enough (Kahan)
            x = x - basis @ (basis.T @ x)
        if np.linalg.norm(x) > RANK_TOLERANCE:
            basis = np.column_stack([basis, x / np.linalg.norm(x)])
            kept.append(int(k))
        else:
            dropped.append(int(k))
    Y = X / size
    coefficients = np.linalg.lstsq(basis.T @ Y[:, kept], basis.T @ Y[:, dropped], rcond=None)[0].T if kept else []
    records = []
    for k, c in zip(dropped, coefficients, strict=False):
        c = np.where(np.abs(c) > 10 * RANK_TOLERANCE, c * size[k] / size[kept], 0.0)
        records.append((k, tuple(float(x) for x in c)))
    return Independent(tuple(kept), tuple(records))


def free_states(states: np.ndarray, count: int = FREE_STATES) -> np.ndarray:
    """States that fill the box about the given ones, whatever orbits those lie on; the same for the same box."""
    low, high = states.min(axis=0), states.max(axis=0)
    return low + (high - low) * np.random.default_rng(0).uniform(size=(count, states.shape[1]))


@eqx.filter_jit
def _columns(library: Library, ts: Array, states: Array) -> tuple[Array, Array, Array, Array]:
    def one(t, y):
        q, v = jnp.split(y, 2)

        def momentum(t, q, v):
            return jax.jacfwd(library, 2)(t, q, v)

        p, drift = jax.jvp(lambda t, q: momentum(t, q, v), (t, q), (jnp.ones_like(t), v))
        return p, jax.jacfwd(library, 1)(t, q, v), jax.jacfwd(momentum, 2)(t, q, v), drift

    return jax.vmap(one)(ts, states)
