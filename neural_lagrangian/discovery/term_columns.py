r"""Contributions of library terms to the equations of motion, and which of them are linearly independent."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .equations import Scales, checked_states
from .errors import EquationsError
from .library import Library

MIN_FREE_STATES = 512
"""Least number of random states for the test of linear independence; more than enough for usual libraries."""
RANK_TOLERANCE = 1e-9
"""Relative norm below which the remainder of a column, after projection onto the others, counts as zero."""
BLOCK_STATES = 512
"""States evaluated at a time: with a fixed block size, one compiled function serves any number of states."""


class TermColumns(eqx.Module):
    r"""Derivatives of each term $\phi$ at each state; together they give $h$ = drift - slope.

    - `p`: momentum $\partial \phi / \partial v$. `slope`: $\partial \phi / \partial q$.
    - `M`: mass matrix $\partial^2 \phi / \partial v^2$.
    - `drift`: $(\partial_t + v \cdot \partial_q)\, p$.
    """

    p: Float[np.ndarray, "state term dof"]
    slope: Float[np.ndarray, "state term dof"]
    M: Float[np.ndarray, "state term dof dof"]
    drift: Float[np.ndarray, "state term dof"]

    @property
    def h(self) -> Float[np.ndarray, "state term dof"]:
        return self.drift - self.slope

    def select(self, terms: Sequence[int]) -> "TermColumns":
        """The columns of the given terms."""
        terms = list(terms)
        return TermColumns(self.p[:, terms], self.slope[:, terms], self.M[:, terms], self.drift[:, terms])

    def split(self, count: int) -> tuple["TermColumns", "TermColumns"]:
        """The columns at the first `count` states, and those at the other states."""
        parts = (self.p, self.slope, self.M, self.drift)
        return TermColumns(*(x[:count] for x in parts)), TermColumns(*(x[count:] for x in parts))


def sample_columns(library: Library, states: ArrayLike, ts: ArrayLike = 0.0) -> TermColumns:
    """The columns of a library at states `[q, v]`, shape `(state, 2 dof)`, as NumPy arrays.

    Call it inside `double_precision`.
    """
    times, states = checked_states(states, ts)
    if states.shape[1] != 2 * library.dof:
        raise ValueError(
            f"`states` has {states.shape[1]} columns; expected {2 * library.dof}, as `library` has dof {library.dof}"
        )
    count = len(states)
    rows = np.minimum(np.arange(-(-count // BLOCK_STATES) * BLOCK_STATES), count - 1).reshape(-1, BLOCK_STATES)
    blocks = [_columns(library, times[k], states[k]) for k in rows]
    columns = TermColumns(
        *(np.concatenate([np.asarray(x, np.float64) for x in parts])[:count] for parts in zip(*blocks, strict=True))
    )
    for k, name in enumerate(library.names):
        if not all(np.isfinite(x[:, k]).all() for x in (columns.p, columns.slope, columns.M, columns.drift)):
            raise EquationsError(
                f"the term {name} of `library` is not finite, or not differentiable, at some states; leave it out, or "
                "choose other states"
            )
    return columns


class Independent(eqx.Module):
    """Which terms of a library have linearly independent equations of motion.

    - `kept`: indices of the independent terms, the simplest first.
    - `dropped`: for each other term, its index and coefficients. The term equals the combination of the `kept` terms
      with these coefficients, plus a constant and a total derivative. All are zero for a total derivative.
    """

    kept: tuple[int, ...] = eqx.field(static=True)
    dropped: tuple[tuple[int, tuple[float, ...]], ...] = eqx.field(static=True)

    def described(self, library: Library) -> list[str]:
        names, lines = library.names, []
        for k, coefficients in self.dropped:
            same = [f"{c:.6g} {names[i]}" for i, c in zip(self.kept, coefficients, strict=True) if c]
            lines.append(f"{names[k]} = dF/dt" if not same else f"{names[k]} = {' + '.join(same)} + dF/dt")
        return lines


def independent_terms(library: Library, columns: TermColumns, scales: Scales) -> Independent:
    """The terms whose (M, h) are linearly independent, the simplest first (modified Gram-Schmidt).

    **Raises:** `EquationsError` if no term has a mass matrix.
    """
    if not np.abs(columns.M).max() > 0:
        raise EquationsError(
            "`library` has no term with a mass matrix; add terms quadratic in the velocities, such as "
            "Library.velocities(dof, 2)"
        )
    terms = columns.p.shape[1]
    X = np.moveaxis(scales.rows(columns.M, columns.h), 1, 2).reshape(-1, terms)
    # The column of a total derivative is a difference of equal numbers. It is zero relative to these numbers.
    momentum = np.linalg.norm(scales.length * columns.drift, axis=(0, 2))
    size = np.sqrt(momentum**2 + np.linalg.norm(scales.length * columns.slope, axis=(0, 2)) ** 2)
    size = np.maximum(np.maximum(size, np.linalg.norm(X, axis=0)), np.finfo(float).tiny)
    basis, kept, dropped = np.empty((len(X), 0)), [], []
    for k in np.argsort(library.complexity, kind="stable"):
        x = X[:, k] / size[k]
        for _ in range(2):  # orthogonalised twice against rounding (Kahan)
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


def free_states(states: np.ndarray, count: int = MIN_FREE_STATES) -> np.ndarray:
    """Random states that fill the bounding box of the given ones; the same box gives the same states."""
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
