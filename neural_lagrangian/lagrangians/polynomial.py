"""Lagrangians that are polynomials of coordinates and velocities."""

from itertools import combinations_with_replacement

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._checks import positive_integer, written
from .._types import Scalar
from ..mechanics import AbstractMassSolve, PseudoInverse
from .lagrangian import AbstractLagrangian


class AdditivePolynomial(AbstractLagrangian):
    r"""A polynomial of the coordinates plus a polynomial of the velocities:

    $$L = \sum_k a_k q^k + \sum_l b_l \dot q^l, \qquad |k| \le N_q,\ 1 \le |l| \le N_v.$$

    (Bigwood 2025, section 1.2.) For several coordinates k and l are multi-indices, $q^k = \prod_i q_i^{k_i}$ and
    $|k| = \sum_i k_i$, so couplings between coordinates are included. Training starts from the free particle
    $\tfrac12 \dot q \cdot \dot q$; all other coefficients are zero.

    The constant and the terms linear in the velocities are total time derivatives. Motion does not determine them, and
    training leaves them at zero. Motion does not determine the overall scale of the coefficients either.

    **Arguments:**

    - `dof`: degrees of freedom n.
    - `degree_q`, `degree_v`: the degrees $N_q$, at least 1, and $N_v$, at least 2.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> lagrangian = nl.lagrangians.AdditivePolynomial(1, degree_q=2)  # starts as a free particle
    >>> {name: float(value) for name, value in lagrangian.coefficients.items()}
    {'1': 0.0, 'q': 0.0, 'q^2': 0.0, 'v': 0.0, 'v^2': 0.5}
    ```
    """

    potential: Float[Array, " k"]
    kinetic: Float[Array, " l"]
    _dof: int = eqx.field(static=True)
    degree_q: int = eqx.field(static=True)
    degree_v: int = eqx.field(static=True)

    def __init__(self, dof: int, degree_q: int = 4, degree_v: int = 2):
        _check_degrees(dof, degree_q, degree_v)
        self.potential = jnp.zeros(len(_names("q", dof, degree_q)))
        self.kinetic = _free_particle(dof, degree_v)[1:]
        self._dof = dof
        self.degree_q = degree_q
        self.degree_v = degree_v

    @property
    def dof(self) -> int:
        return self._dof

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return PseudoInverse()

    @property
    def coefficients(self) -> dict[str, Array]:
        """The coefficients $a_k$ and $b_l$ by monomial, such as `"q0 q1^2"`, or `"q^2"` if n = 1."""
        names = _names("q", self.dof, self.degree_q) + _names("v", self.dof, self.degree_v)[1:]
        return dict(zip(names, [*self.potential, *self.kinetic], strict=True))

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        potential = jnp.dot(self.potential, _monomials(q, self.degree_q))
        return potential + jnp.dot(self.kinetic, _monomials(v, self.degree_v)[1:])

    def __repr__(self) -> str:
        shown = f"potential={written(self.potential)}, kinetic={written(self.kinetic)}"
        return f"AdditivePolynomial(dof={self.dof}, degree_q={self.degree_q}, degree_v={self.degree_v}, {shown})"


class ProductPolynomial(AbstractLagrangian):
    r"""A product of a polynomial of the coordinates and a polynomial of the velocities, or a sum of such products:

    $$L = \sum_{r=1}^{R} \Bigl(\sum_k a_{rk}\, q^k\Bigr) \Bigl(\sum_l b_{rl}\, \dot q^l\Bigr)
        = \sum_{r, k, l} a_{rk} b_{rl}\, q^k \dot q^l, \qquad |k| \le N_q,\ |l| \le N_v.$$

    With $R = 1$ it is the product Lagrangian of Bigwood (2025, section 1.2), with $l = 0$ for a potential. One product
    cannot represent kinetic minus potential energy. For an oscillator it finds a Lagrangian of another form, which
    approximates the motion in a bounded region. $R = 2$ includes every `AdditivePolynomial`, and masses that depend on
    the coordinates. Multi-indices are as in `AdditivePolynomial`. Training starts from the free particle
    $\tfrac12 \dot q \cdot \dot q$: $a_1 = 1$, $b_1 = \tfrac12 \dot q \cdot \dot q$, and for $r > 1$ $a_r = 0$,
    $b_r = 1$.

    **Arguments:**

    - `dof`: degrees of freedom n.
    - `degree_q`, `degree_v`: the degrees $N_q$, at least 1, and $N_v$, at least 2.
    - `rank`: R, the number of products.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> lagrangian = nl.lagrangians.ProductPolynomial(1, degree_q=2)  # starts as a free particle
    >>> float(lagrangian.coefficients["v^2"]), float(lagrangian(0.0, jnp.array([1.0]), jnp.array([2.0])))
    (0.5, 2.0)
    ```
    """

    a: Float[Array, "rank k"]
    b: Float[Array, "rank l"]
    _dof: int = eqx.field(static=True)
    degree_q: int = eqx.field(static=True)
    degree_v: int = eqx.field(static=True)

    def __init__(self, dof: int, degree_q: int = 4, degree_v: int = 2, *, rank: int = 1):
        _check_degrees(dof, degree_q, degree_v)
        positive_integer("rank", rank)
        self.a = jnp.zeros((rank, len(_names("q", dof, degree_q)))).at[0, 0].set(1)
        constant = jnp.zeros((rank - 1, len(_names("v", dof, degree_v)))).at[:, 0].set(1)
        self.b = jnp.concatenate([_free_particle(dof, degree_v)[None], constant])
        self._dof = dof
        self.degree_q = degree_q
        self.degree_v = degree_v

    @property
    def dof(self) -> int:
        return self._dof

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return PseudoInverse()

    @property
    def coefficients(self) -> dict[str, Array]:
        r"""The coefficients $\sum_r a_{rk} b_{rl}$ by monomial, such as `"q0 q1^2 v0^2"`, or `"q^2 v^2"` if n = 1."""
        products = jnp.einsum("rk,rl->kl", self.a, self.b)
        names_v = _names("v", self.dof, self.degree_v)
        named = {}
        for k, name_q in enumerate(_names("q", self.dof, self.degree_q)):
            for l, name_v in enumerate(names_v):  # noqa: E741 - as in the equation
                named[" ".join(n for n in (name_q, name_v) if n != "1") or "1"] = products[k, l]
        return named

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return jnp.dot(self.a @ _monomials(q, self.degree_q), self.b @ _monomials(v, self.degree_v))

    def __repr__(self) -> str:
        shown = f"a={written(self.a)}, b={written(self.b)}"
        return f"ProductPolynomial(dof={self.dof}, degree_q={self.degree_q}, degree_v={self.degree_v}, {shown})"


def _monomials(x: Array, degree: int) -> Array:
    """$x^k$ for all multi-indices with |k| <= degree, ordered by degree.

    Each monomial is one of the next lower degree times a coordinate.
    """
    n = x.shape[0]
    levels = [jnp.ones(1, x.dtype)]
    for k in range(1, degree + 1):
        lower = {indices: i for i, indices in enumerate(combinations_with_replacement(range(n), k - 1))}
        indices = list(combinations_with_replacement(range(n), k))
        first = np.array([lower[i[:-1]] for i in indices])
        last = np.array([i[-1] for i in indices])
        levels.append(levels[-1][first] * x[last])
    return jnp.concatenate(levels)


def _names(letter: str, dof: int, degree: int) -> list[str]:
    """The names of the monomials, such as "q0 q1^2", in the order of `_monomials`."""
    names = []
    for k in range(degree + 1):
        for indices in combinations_with_replacement(range(dof), k):
            factors = ((i, indices.count(i)) for i in dict.fromkeys(indices))
            powers = (f"{letter}{i if dof > 1 else ''}{f'^{e}' if e > 1 else ''}" for i, e in factors)
            names.append(" ".join(powers) or "1")
    return names


def _free_particle(dof: int, degree: int) -> Array:
    """The coefficients of the kinetic energy v.v/2, ordered as in `_monomials`."""
    squares = {f"v{i if dof > 1 else ''}^2" for i in range(dof)}
    return jnp.array([0.5 if name in squares else 0.0 for name in _names("v", dof, degree)])


def _check_degrees(dof: int, degree_q: int, degree_v: int) -> None:
    positive_integer("dof", dof)
    positive_integer("degree_q", degree_q)
    if positive_integer("degree_v", degree_v) < 2:
        raise ValueError(f"`degree_v` is {degree_v}; expected at least 2, since the kinetic energy is quadratic")
