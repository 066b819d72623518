r"""Libraries of candidate terms: products of integer powers of named functions of $(t, q, v)$."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations_with_replacement, product
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._checks import positive_integer
from .atoms import Atom, Component, Wave, angle_name, coordinate_names, velocity_names

PRODUCT_COMPLEXITY = 0.01
"""Complexity of each further atom in a product: small, so it decides only between terms of equal complexity."""


Powers = tuple[tuple[str, int], ...]
"""A term: names of atoms with their exponents."""


class Library(eqx.Module):
    r"""A library of candidate terms $\phi_k(t, q, v)$; each term is a product of integer powers of atoms.

    Build libraries from `Library.coordinates`, `Library.velocities`, `Library.waves` and `Library.functions`, each of
    which includes the constant 1. `A * B` holds all products of a term of A and a term of B, `A**k` all products of k
    terms of A, and `A + B` the terms of both. `library(t, q, v)` evaluates all terms, shape `(term,)`.

    Total derivatives, such as $q \dot q$, may be among the terms; discovery finds and drops them.

    **Arguments:**

    - `dof`: degrees of freedom n.
    - `atoms`: the functions.
    - `terms`: for each term, pairs of an atom's name and an integer exponent.

    **Raises:** `ValueError` for no terms, for terms with unknown atoms, and for two different atoms with one name.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> Library = nl.discovery.Library
    >>> pendulum = Library.waves(1, 1) + Library.velocities(1, 2)
    >>> pendulum.names
    ('1', 'cos(q)', 'sin(q)', 'v', 'v^2')
    >>> pendulum(0.0, jnp.array([0.0]), jnp.array([3.0])).tolist()
    [1.0, 1.0, 0.0, 3.0, 9.0]
    >>> len(Library.coordinates(2, 2) * Library.velocities(2, 2))  # 6 monomials of each
    36
    ```
    """

    atoms: tuple[Atom, ...]
    terms: tuple[Powers, ...] = eqx.field(static=True)
    dof: int = eqx.field(static=True)

    def __init__(self, dof: int, atoms: Sequence[Atom], terms: Sequence[Powers]):
        self.dof = positive_integer("dof", dof)
        by_name = {}
        for atom in atoms:
            if atom.name in by_name and not eqx.tree_equal(by_name[atom.name], atom):
                raise ValueError(f"`atoms` has two different functions named {atom.name!r}; rename one of them")
            by_name.setdefault(atom.name, atom)
        used = {name for term in terms for name, _ in term}
        if unknown := used - set(by_name):
            raise ValueError(f"`terms` has unknown atoms {sorted(unknown)}; expected names from {list(by_name)}")
        self.atoms = tuple(atom for atom in by_name.values() if atom.name in used)
        order = [atom.name for atom in self.atoms]
        sorted_terms = (tuple(sorted(term, key=lambda factor: order.index(factor[0]))) for term in terms)
        self.terms = tuple(dict.fromkeys(sorted_terms))
        if not self.terms:
            raise ValueError("`terms` is empty; expected at least one term")

    @staticmethod
    def coordinates(
        dof: int, degree: int, indices: Sequence[int] | None = None, *, names: Sequence[str] | None = None
    ) -> "Library":
        r"""All monomials of the coordinates up to a degree, including the constant 1.

        **Arguments:**

        - `dof`: degrees of freedom of the system. `degree`: highest degree.
        - `indices`: which coordinates appear (default: all).
        - `names`: names of all coordinates, such as `("r", "theta")`; then the velocities are `r_dot`, `theta_dot`. The
          default is `q` for one coordinate and `q0`, `q1`, ... for several. Give the same names to all parts of a
          library.

        **Raises:** `ValueError` for indices or names that do not fit `dof`.
        """
        return _monomials(dof, degree, indices, coordinate_names(dof, names), 1, 1.0)

    @staticmethod
    def velocities(
        dof: int, degree: int, indices: Sequence[int] | None = None, *, names: Sequence[str] | None = None
    ) -> "Library":
        """All monomials of the velocities up to a degree, including the constant 1; arguments as for `coordinates`."""
        return _monomials(dof, degree, indices, velocity_names(dof, names), 2, 1.0)

    @staticmethod
    def waves(
        dof: int, order: int, indices: Sequence[int] | None = None, *, names: Sequence[str] | None = None
    ) -> "Library":
        r"""1, $\cos(k \cdot q)$ and $\sin(k \cdot q)$ for all integer vectors $k$ with $\sum |k_i| \le$ `order`.

        Products of these functions are sums of them, so they are left out. Arguments as for `coordinates`.
        """
        symbols, indices = coordinate_names(dof, names), _indices(dof, indices)
        positive_integer("order", order)
        atoms = []
        for k in product(range(-order, order + 1), repeat=len(indices)):
            leading = next((entry for entry in k if entry), 0)
            if leading > 0 and sum(map(abs, k)) <= order:
                angle = angle_name(k, [symbols[i] for i in indices])
                factors = tuple((i, entry) for i, entry in zip(indices, k, strict=True) if entry)
                size = 1.0 + 0.5 * sum(map(abs, k))
                for function in ("cos", "sin"):
                    name = f"{function}({angle})"
                    atoms.append(Atom(Wave(function, factors), name, name, size))
        atoms.sort(key=lambda atom: atom.complexity)
        return Library(dof, atoms, [(), *(((atom.name, 1),) for atom in atoms)])

    @staticmethod
    def functions(
        dof: int, functions: dict[str, Callable[..., Any]], expressions: dict[str, str] | None = None
    ) -> "Library":
        """1 and your own functions `(t, q, v) -> scalar`, given by name.

        **Arguments:**

        - `functions`: the functions by name.
        - `expressions`: texts that sympy parses, by the same names; a function without one becomes a symbol.

        **Raises:** `ValueError` for something that is not callable, and for expressions of unknown names.
        """
        expressions = {} if expressions is None else expressions
        if unknown := set(expressions) - set(functions):
            raise ValueError(
                f"`expressions` has unknown names {sorted(unknown)}; expected names from {list(functions)}"
            )
        for name, function in functions.items():
            if not callable(function):
                raise ValueError(f"`{name}` is {function!r}; expected a callable (t, q, v)")
        atoms = [Atom(function, name, expressions.get(name), 2.0) for name, function in functions.items()]
        return Library(dof, atoms, [(), *(((atom.name, 1),) for atom in atoms)])

    def __add__(self, other: "Library") -> "Library":
        _same_dof(self, other)
        return Library(self.dof, (*self.atoms, *other.atoms), (*self.terms, *other.terms))

    def __mul__(self, other: "Library") -> "Library":
        _same_dof(self, other)
        terms = [_multiplied(one, two) for one in self.terms for two in other.terms]
        return Library(self.dof, (*self.atoms, *other.atoms), terms)

    def __pow__(self, exponent: int) -> "Library":
        """All products of `exponent` terms: `library**2` is `library * library`."""
        power = self
        for _ in range(positive_integer("exponent", exponent) - 1):
            power = power * self
        return power

    def __len__(self) -> int:
        return len(self.terms)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def select(self, terms: Sequence[int]) -> "Library":
        """The library of the terms with the given indices, in that order."""
        return Library(self.dof, self.atoms, [self.terms[k] for k in terms])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms, such as `"q0^2 v0 cos(q0 - q1)"`."""
        return tuple(" ".join(n if e == 1 else f"{n}^{e}" for n, e in term) or "1" for term in self.terms)

    @property
    def expressions(self) -> tuple[str, ...]:
        """The terms as texts that sympy parses."""
        text = {atom.name: atom.expression or atom.name for atom in self.atoms}
        return tuple("*".join(f"({text[n]})**({e})" for n, e in term) or "1" for term in self.terms)

    @property
    def complexity(self) -> Float[np.ndarray, " term"]:
        """Complexity of each term: the sum of its atoms' complexities times the absolute exponents.

        A product costs `PRODUCT_COMPLEXITY` more for each further atom, so a square is simpler than a product of two.
        It costs as much again for each further velocity, because a product of velocities couples the accelerations.
        """
        size = {atom.name: atom.complexity for atom in self.atoms}
        rates = {a.name for a in self.atoms if isinstance(a.function, Component) and a.function.argument == 2}
        factors = np.array([max(len(term) - 1, 0) for term in self.terms], float)
        factors += [max(sum(name in rates for name, _ in term) - 1, 0) for term in self.terms]
        return (
            np.array([sum(size[n] * abs(e) for n, e in term) for term in self.terms], float)
            + PRODUCT_COMPLEXITY * factors
        )

    @property
    def symbols(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the coordinates and of the velocities; default names for those that do not appear."""
        components = ((a.function, a.name) for a in self.atoms)
        called = {(f.argument, f.index): name for f, name in components if isinstance(f, Component)}
        coordinates, velocities = [], []
        for i, (q, v) in enumerate(zip(coordinate_names(self.dof), velocity_names(self.dof), strict=True)):
            named = called.get((2, i), v)
            coordinates.append(called.get((1, i), named.removesuffix("_dot") if named.endswith("_dot") else q))
            velocities.append(called.get((2, i), v if coordinates[i] == q else f"{coordinates[i]}_dot"))
        return tuple(coordinates), tuple(velocities)

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Float[Array, " term"]:
        if q.shape != (self.dof,):
            raise ValueError(f"`q` has shape {q.shape}; expected ({self.dof},)")
        exponents = np.array([[dict(term).get(atom.name, 0) for atom in self.atoms] for term in self.terms], int)
        values = jnp.ones(len(self), q.dtype)
        # Multiplication is differentiable at zero to any order, and no exponent becomes an array that could be trained.
        for atom, column in zip(self.atoms, exponents.T, strict=True):
            x, powers = atom(t, q, v), [jnp.ones((), q.dtype)]
            for _ in range(max(column.max(), 0)):
                powers.append(powers[-1] * x)
            inverse = [jnp.ones((), q.dtype)]
            for _ in range(max(-column.min(), 0)):
                inverse.append(inverse[-1] / x)
            values = values * jnp.stack([powers[e] if e >= 0 else inverse[-e] for e in column])
        return values

    def __repr__(self) -> str:
        shown = ", ".join(self.names if len(self) <= 12 else (*self.names[:10], "...", self.names[-1]))
        return f"Library of {len(self)} terms, dof={self.dof}: {shown}"


def _monomials(
    dof: int, degree: int, indices: Sequence[int] | None, symbols: Sequence[str], argument: int, size: float
) -> Library:
    indices = _indices(dof, indices)
    positive_integer("degree", degree)
    atoms = [Atom(Component(argument, i), symbols[i], symbols[i], size) for i in indices]
    chosen = (c for k in range(degree + 1) for c in combinations_with_replacement([a.name for a in atoms], k))
    return Library(dof, atoms, [tuple(Counter(names).items()) for names in chosen])


def _indices(dof: int, indices: Sequence[int] | None) -> tuple[int, ...]:
    positive_integer("dof", dof)
    indices = tuple(range(dof)) if indices is None else tuple(indices)
    if any(i not in range(dof) for i in indices) or len(set(indices)) != len(indices) or not indices:
        raise ValueError(f"`indices` is {indices}; expected distinct indices from 0 to {dof - 1}")
    return indices


def _multiplied(one: Powers, two: Powers) -> Powers:
    exponents = Counter(dict(one))
    exponents.update(dict(two))
    return tuple((name, e) for name, e in exponents.items() if e)


def _same_dof(one: Library, two: Library) -> None:
    if not isinstance(two, Library):
        raise ValueError(f"`other` is {two!r}; expected a Library")
    if one.dof != two.dof:
        raise ValueError(f"the libraries have {one.dof} and {two.dof} degrees of freedom; expected the same number")
