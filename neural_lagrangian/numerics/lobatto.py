r"""Gauss-Lobatto quadrature on the unit interval, and the polynomials through its nodes.

Nodes, weights and matrices are constants of a method. They are NumPy arrays in double precision.
"""

import functools
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


@functools.cache
def gauss_lobatto(points: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Nodes $c_0 = 0 < c_1 < \dots < c_{m-1} = 1$ and weights $b_i$ of the m-point Gauss-Lobatto rule.

    The rule is exact for polynomials up to degree 2 m - 3. The inner nodes are the roots of $P'_{m-1}$. They are
    computed as eigenvalues of the Jacobi(1, 1) matrix (Golub and Welsch 1969), then improved by Newton's method. The
    weights on [-1, 1] are $2 / (m (m-1) P_{m-1}(x_i)^2)$.

    **Arguments:**

    - `points`: m, at least 2.
    """
    m = points
    k = np.arange(1.0, m - 2)
    beta = np.sqrt(k * (k + 2) / ((2 * k + 1) * (2 * k + 3)))
    inner = np.linalg.eigvalsh(np.diag(beta, 1) + np.diag(beta, -1)) if m > 2 else np.empty(0)
    x = np.concatenate([[-1.0], inner, [1.0]])
    for _ in range(3):
        last, before = _legendre(m - 1, x)
        x[1:-1] += ((before - x * last) / (m * last))[1:-1]
    x = (x - x[::-1]) / 2
    last, _ = _legendre(m - 1, x)
    weights = 1 / (m * (m - 1) * last**2)
    return (1 + x) / 2, (weights + weights[::-1]) / 2


def _legendre(degree: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Legendre polynomials of degree `degree` and `degree - 1`."""
    before, last = np.ones_like(x), x.copy()
    for k in range(1, degree):
        before, last = last, ((2 * k + 1) * x * last - k * before) / (k + 1)
    return last, before


def barycentric_weights(nodes: np.ndarray) -> np.ndarray:
    r"""Barycentric weights $w_j \propto 1 / \prod_{i \ne j} (c_j - c_i)$, scaled to at most one.

    (Berrut and Trefethen 2004, eq. 3.2.)
    """
    differences = nodes[:, None] - nodes[None] + np.eye(len(nodes))
    logarithms = -np.log(np.abs(differences)).sum(axis=1)
    signs = np.prod(np.sign(differences), axis=1)
    return signs * np.exp(logarithms - logarithms.max())


def differentiation_matrix(nodes: np.ndarray) -> np.ndarray:
    r"""The differentiation matrix $D_{ij} = \ell_j'(c_i)$ of polynomial interpolation.

    It maps values at the nodes to derivatives of the interpolating polynomial at the nodes. The rows sum to zero by
    construction, so the derivative of a constant is zero up to round-off (Berrut and Trefethen 2004, section 9.3).
    """
    weights = barycentric_weights(nodes)
    differences = nodes[:, None] - nodes[None] + np.eye(len(nodes))
    D = weights[None] / weights[:, None] / differences
    np.fill_diagonal(D, 0.0)
    np.fill_diagonal(D, -D.sum(axis=1))
    return D


def interpolant(nodes: tuple[float, ...], values: Float[Array, "m dof"]) -> Callable[[Array], Float[Array, " dof"]]:
    """The polynomial through `values` at the nodes, by the barycentric formula (Berrut and Trefethen 2004, eq. 4.2).

    It can be differentiated to any order, also at the nodes. The derivative is the polynomial through the slopes at the
    nodes.
    """
    return partial(_interpolate, nodes, values)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _interpolate(nodes: tuple[float, ...], values: Float[Array, "m dof"], s: Array) -> Float[Array, " dof"]:
    c = jnp.asarray(nodes, values.dtype)
    weights = jnp.asarray(barycentric_weights(np.asarray(nodes)), values.dtype)
    at_node = s == c
    terms = weights / jnp.where(at_node, 1, s - c)
    return jnp.where(jnp.any(at_node), at_node.astype(terms.dtype), terms / jnp.sum(terms)) @ values


@_interpolate.defjvp
def _(nodes, primals, tangents):
    (values, s), (values_dot, s_dot) = primals, tangents
    slopes = jnp.asarray(differentiation_matrix(np.asarray(nodes)), values.dtype) @ values
    return _interpolate(nodes, values, s), _interpolate(nodes, values_dot, s) + _interpolate(nodes, slopes, s) * s_dot
