r"""Discovery of the symmetries of a Lagrangian, by linear algebra.

The residual $R$ of a `Symmetry` is linear in $(\xi, \tau, F)$. Let $\xi = A q + b + b' t$, $\tau$ constant and
$F = \sum_k f_k F_k$. The values of $R$ at many states are then a matrix times the coefficients. The symmetries are the
null space of this matrix.
"""

from dataclasses import KW_ONLY

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from ..._checks import floating, phase_states
from ..._types import Lagrangian, Scalar, ScalarFunction
from ..euler_lagrange import euler_lagrange_residual, mass_matrix
from . import affine_generator
from .affine_generator import GeneratorParts
from .boundary_term import BoundaryTerm, BoundaryTerms, Combination, Coordinate, boundary_terms_of
from .symmetry import Symmetry, symmetry_residual


class DiscoveredSymmetries(eqx.Module):
    r"""The symmetries $\xi = A q + b + b' t$, $\tau$, $F$ of a Lagrangian. Print it for a summary.

    - `symmetries`: a tuple of `Symmetry`, for `noether_charge` and penalties.
    - `matrix`: $A$, shape `(symmetry, dof, dof)`. `shift`, `drift`: $b$ and $b'$, shape `(symmetry, dof)`.
    - `tau`: $\tau$, shape `(symmetry,)`. `boundary`: the coefficients $f_k$, shape `(symmetry, term)`.
    - `singular_values`: relative to the largest, descending, one for each candidate generator. The last ones belong to
      the symmetries.
    - `tolerance`: singular values below it count as zero.
    - `formulas`: each symmetry as text.
    """

    _: KW_ONLY
    symmetries: tuple[Symmetry, ...]
    matrix: np.ndarray
    shift: np.ndarray
    drift: np.ndarray
    tau: np.ndarray
    boundary: np.ndarray
    singular_values: np.ndarray
    tolerance: float
    formulas: tuple[str, ...] = eqx.field(static=True)

    @property
    def gap(self) -> float:
        """Ratio of the smallest singular value above the tolerance to the largest one below it.

        A large gap means that the approximate symmetries of a learned Lagrangian are not chance. It is infinite if the
        singular values of the symmetries are exactly zero, and NaN without symmetries.
        """
        found = len(self.symmetries)
        if not found:
            return float("nan")
        above, below = self.singular_values[-found - 1], self.singular_values[-found]
        return float(above / below) if below > 0 else float("inf")

    def __str__(self) -> str:
        found, offered = len(self.symmetries), len(self.singular_values)
        width = max((len(s.name) for s in self.symmetries), default=0)
        return "\n".join(
            [
                f"{found} symmetries among {offered} generators (tolerance {self.tolerance:.1g}, gap {self.gap:.3g})",
                *(f"  {s.name:{width}}  {f}" for s, f in zip(self.symmetries, self.formulas, strict=True)),
                "singular values " + " ".join(f"{s:.2g}" for s in self.singular_values),
            ]
        )

    __repr__ = __str__


def discover_symmetries(
    lagrangian: Lagrangian,
    states: ArrayLike,
    *,
    ts: ArrayLike = 0.0,
    boundary_terms: BoundaryTerms = (),
    boosts: bool = False,
    tolerance: float = 1e-4,
) -> DiscoveredSymmetries:
    r"""Find the affine symmetries of a Lagrangian, and time translation, in a sparse basis. Print the result.

    Method: each candidate generator gives one column of a matrix, its residual $R$ at all states. The candidates are
    $\xi_i = 1$, $\xi_i = q_j$, $\tau = 1$ and, with `boosts`, $\xi_i = t$. The span of the $\dot F_k$ is projected out
    of the columns first, so that a boundary term alone is not a null vector. The symmetries are the right singular
    vectors whose singular value is below `tolerance` times the largest. Their basis is brought to reduced row echelon
    form, with the largest entries as pivots.

    Scaling: coordinates and $\xi_i$ are centred and divided by the standard deviations $\ell_i$ of the coordinates. The
    unit of time is $(\overline{u_i^2 / \ell_i^2})^{-1/2}$ with root mean square speeds $u_i$. A generator of norm one
    then moves the states by about their own spread. So the result is the same for $L$ and $\alpha L$, and in any units.

    Learned Lagrangians: they are only approximately symmetric, and contain an arbitrary $\dot F(t, q)$ that motion does
    not determine. Use `boundary_terms="any"` and a tolerance such as 0.1, and look at the `gap`; a gap near 2 is no
    evidence. Several Lagrangians may have the same motion, such as
    $\tfrac12 v \cdot C v - \tfrac12 k\, q \cdot C q$ for every $C$; the symmetries are those of the given one. States
    of one orbit or one energy can show symmetries that the Lagrangian does not have, so let the states fill a region.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `states`: states `[q, v]`, shape `(state, 2 dof)`.
    - `ts`: times of the states, shape `(state,)`, or one time for all. Let them vary if $L$ depends on time.
    - `boundary_terms`: callables $F_k(t, q)$; default: none. `"coordinates"` stands for all $F_k = q_k$. `"any"` allows
      any $F$: it tests whether $R$ is a total derivative, that is, whether its own Euler-Lagrange equations hold
      identically. $R$ is then replaced by $u_i u_j\, \partial^2 R / \partial v_i \partial v_j$ and $\ell_i$ times its
      Euler-Lagrange residual at $a = 0$, and $F$ is found by quadrature.
    - `boosts`: whether $\xi_i = t$ is a candidate. It needs varying `ts` and a boundary term.
    - `tolerance`: threshold for singular values, relative to the largest.

    **Returns:** `DiscoveredSymmetries`. It cannot be used inside `jit`.

    **Raises:** `ValueError` for wrong shapes, fewer states than candidates, coordinates or velocities that do not vary,
    boosts with constant `ts`, and a Lagrangian that is not finite at the states or that no candidate changes.

    **Example:**

    ```python
    >>> import jax, neural_lagrangian as nl
    >>> planet = nl.systems.Kepler()
    >>> found = nl.mechanics.discover_symmetries(planet.lagrangian, planet.sample_states(jax.random.key(0), 20))
    >>> [symmetry.name for symmetry in found.symmetries]
    ['rotation in (q0, q1)', 'time translation']
    ```
    """
    states = phase_states(states)
    times = jnp.full(states.shape[:1], ts, states.dtype) if jnp.ndim(ts) == 0 else floating("ts", ts, states.shape[:1])
    if not 0 < tolerance < 1:
        raise ValueError(f"`tolerance` is {tolerance}; expected a number between 0 and 1")
    terms = boundary_terms_of(boundary_terms, states.shape[1] // 2)
    units = _Units(np.asarray(times, np.float64), np.asarray(states, np.float64), boosts)
    offered = len(units.outward)
    if len(states) < offered:
        raise ValueError(f"`states` has {len(states)} rows; expected at least {offered}, one for each generator")

    rows = _rows(lagrangian, terms, units, times.astype(states.dtype), states, boundary_terms == "any")
    R, F_dot, equations = _finite(rows)
    f = np.linalg.lstsq(F_dot, R, rcond=len(F_dot) * float(jnp.finfo(states.dtype).eps))[0]
    X = equations.reshape(-1, offered) if boundary_terms == "any" else R - F_dot @ f
    _, s, V = np.linalg.svd(X, full_matrices=False)
    if s[0] == 0:
        raise ValueError(
            "`lagrangian` changes under no candidate generator at `states`; expected one that depends on q or v"
        )
    null = V[s <= tolerance * s[0]]

    found = _sparse(np.hstack([null @ units.outward, null, null @ f.T]), units.size, units.dof)
    coefficients, null, f = np.split(found, np.cumsum(units.outward.T.shape), axis=1)
    accounts = np.linalg.norm(R @ null.T, axis=0) > tolerance * np.linalg.norm(R, axis=0).max()

    def symmetry(c: np.ndarray, f_c: np.ndarray, has_boundary: bool) -> Symmetry:
        title, dtype = affine_generator.name(c, units.size, units.dof), states.dtype
        A, b, drift, tau = (jnp.asarray(x, dtype) for x in affine_generator.split(c, units.dof))
        F = None
        if has_boundary and boundary_terms == "any":
            total = _Residual(lagrangian, Symmetry.affine(A, b, drift=drift, tau=tau))
            F = BoundaryTerm(total, jnp.asarray(units.centre, dtype))
        elif has_boundary and terms:
            F = Combination(jnp.asarray(f_c, dtype), terms)
        return Symmetry.affine(A, b, drift=drift, tau=tau, boundary=F, name=title)

    symmetries = tuple(map(symmetry, coefficients, f, accounts.tolist()))
    matrix, shift, drift, tau = affine_generator.split(coefficients, units.dof)
    formulas = tuple(_formula(c, f_c, units, s, terms) for c, f_c, s in zip(coefficients, f, symmetries, strict=True))
    return DiscoveredSymmetries(
        symmetries=symmetries,
        matrix=matrix,
        shift=shift,
        drift=drift,
        tau=tau,
        boundary=f,
        singular_values=s / s[0],
        tolerance=float(tolerance),
        formulas=formulas,
    )


def _finite(rows: tuple[Array, ...]) -> list[np.ndarray]:
    found = [np.asarray(x, np.float64) for x in rows]
    if not all(np.isfinite(x).all() for x in found):
        raise ValueError(
            "`lagrangian` or one of `boundary_terms` is not finite at some of `states`; leave these states out"
        )
    return found


class _Units(eqx.Module):
    """Scales that make the generators comparable.

    `outward`, shape `(candidate, coefficient)`, maps coefficients of the candidates, in scaled units, to coefficients
    of `affine_generator`. `size`, shape `(coefficient,)`, is the approximate effect of the latter in scaled units.
    """

    centre: np.ndarray
    length: np.ndarray
    speed: np.ndarray
    outward: np.ndarray
    size: np.ndarray

    def __init__(self, ts: np.ndarray, states: np.ndarray, boosts: bool):
        q, v = np.split(states, 2, axis=1)
        n = q.shape[1]
        centre, length, speed = q.mean(axis=0), q.std(axis=0), np.sqrt(np.mean(v**2, axis=0))
        for i in range(n):
            if not (length[i] > 0 and speed[i] > 0):
                spread = f"spread {length[i]:.3g} and speed {speed[i]:.3g}"
                raise ValueError(f"`states` has q{i} of {spread}; expected coordinates and velocities that vary")
        if boosts and not np.std(ts) > 0:
            raise ValueError("`ts` are all the same; expected different times, since `boosts` is True")
        period = np.mean((speed / length) ** 2) ** -0.5
        epoch, duration = np.mean(ts), np.std(ts) if boosts else 1.0

        def unscaled(c):
            A, b, drift, tau = affine_generator.split(c, n)
            A, b, drift = length[:, None] * A / length, length * b, length * drift / duration
            return affine_generator.join(GeneratorParts(A, b - A @ centre - drift * epoch, drift, period * tau))

        offered = affine_generator.join(GeneratorParts(np.ones((n, n)), np.ones(n), np.full(n, boosts), 1)).astype(bool)
        reach, late = np.sqrt(np.mean(q**2, axis=0)), np.sqrt(np.mean(ts**2))
        self.centre, self.length, self.speed = centre, length, speed
        self.outward = np.stack([unscaled(c) for c in np.eye(len(offered))[offered]])
        self.size = affine_generator.join(
            GeneratorParts(reach / length[:, None], 1 / length, np.full(n, late) / length, 1 / period)
        )

    @property
    def dof(self) -> int:
        return len(self.length)

    def symmetry(self, scaled: Array) -> Symmetry:
        c = scaled @ jnp.asarray(self.outward, scaled.dtype)
        A, b, drift, tau = affine_generator.split(c, self.dof)
        return Symmetry.affine(A, b, drift=drift, tau=tau)


class _Residual(eqx.Module):
    """The residual of a symmetry as a callable `(t, q, v) -> scalar`."""

    lagrangian: Lagrangian
    symmetry: Symmetry

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return symmetry_residual(self.lagrangian, self.symmetry, t, q, v)


@eqx.filter_jit
def _rows(
    lagrangian: Lagrangian,
    terms: tuple[ScalarFunction, ...],
    units: _Units,
    ts: Array,
    states: Array,
    euler: bool,
) -> tuple[Array, Array, Array]:
    r"""At each state: $R$ of each candidate, $\dot F_k$ of each term, and the Euler-Lagrange equations of $R$."""
    origin = jnp.zeros(units.outward.shape[0], states.dtype)
    speed, length = jnp.asarray(units.speed, states.dtype), jnp.asarray(units.length, states.dtype)

    def one(t, y):
        q, v = jnp.split(y, 2)

        def residual(c):
            return symmetry_residual(lagrangian, units.symmetry(c), t, q, v)

        def equations(c):
            R = _Residual(lagrangian, units.symmetry(c))
            M = speed[:, None] * mass_matrix(R, t, q, v) * speed[None]
            return jnp.concatenate([M.ravel(), length * euler_lagrange_residual(R, t, q, v, jnp.zeros_like(v))])

        def term(t, q):
            return jnp.stack([jnp.asarray(F(t, q), q.dtype) for F in terms]) if terms else q[:0]

        _, F_dot = jax.jvp(term, (t, q), (jnp.ones_like(t), v))
        # The residual is linear in the coefficients, so its derivative at zero is the matrix.
        return jax.jacfwd(residual)(origin), F_dot, jax.jacfwd(equations)(origin) if euler else origin

    return jax.vmap(one)(ts, states)


def _sparse(rows: np.ndarray, size: np.ndarray, dof: int) -> np.ndarray:
    """Reduced row echelon form of the rows, with pivots in the first columns, weighted by `size`.

    Each row is scaled so that its leading coefficient is one.
    """
    rows, k = rows.copy(), len(size)
    for i in range(len(rows)):
        row, pivot = np.unravel_index(np.argmax(np.abs(rows[i:, :k]) * size), (len(rows) - i, k))
        rows[[i, i + row]] = rows[[i + row, i]]
        rows[i] /= rows[i, pivot]
        others = np.arange(len(rows)) != i
        rows[others] -= np.outer(rows[others, pivot], rows[i])
    leading = [_leading(row[:k] * size, dof) for row in rows]
    order = np.argsort(leading, kind="stable")
    return np.stack([rows[i] / rows[i, leading[i]] for i in order]) if len(rows) else rows


def _leading(effect: np.ndarray, dof: int) -> int:
    """Index of the leading coefficient: the last of the largest ones in its part. For a rotation: from q0 to q1."""
    effect = np.abs(effect)
    index = affine_generator.split(np.arange(len(effect)), dof)
    part = next(np.ravel(i) for i in index if effect[i].max() > 0.1 * effect.max())
    return int(part[effect[part] > 0.8 * effect[part].max()][-1])


def _formula(c: np.ndarray, f: np.ndarray, units: _Units, symmetry: Symmetry, terms: tuple) -> str:
    text = affine_generator.formula(c, units.size, units.dof)
    if isinstance(symmetry.boundary, BoundaryTerm):
        return f"{text}, F by quadrature"
    if symmetry.boundary is None:
        return text
    symbols = [f"q{F.index}" if isinstance(F, Coordinate) else f"F{k}" for k, F in enumerate(terms)]
    kept = np.where(np.abs(f) > affine_generator.EXACT * np.abs(f).max(), f, 0.0)
    return f"{text}, F = {affine_generator.combination(kept, symbols)}"
