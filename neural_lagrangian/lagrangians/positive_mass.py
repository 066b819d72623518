r"""Test whether the mass matrix of a formula stays positive semidefinite for all positive coefficients."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from .._types import ScalarFunction
from ..numerics import depends


def has_positive_parts(
    formula: ScalarFunction, dof: int, coefficients: Mapping[str, Array], positive: Sequence[str]
) -> bool:
    r"""Whether $M = M_0 + \sum_k c_k M_k$ with constant, positive semidefinite $M_0, M_k$ and positive $c_k$.

    The dependence of M is read from the elementary steps of the formula, so a dependence that cancels still counts.

    **Arguments:**

    - `formula`: callable `(t, q, v, **coefficients)`, without arrays of its own.
    - `coefficients`: arrays with the shapes of the coefficients. Their values do not matter.
    - `positive`: names of the coefficients that stay positive.
    """
    try:
        with jax.ensure_compile_time_eval():
            parts = _parts(formula, dof, coefficients, positive)
    except jax.errors.JAXTypeError:  # the formula contains traced arrays, so its values are not known
        return False
    return parts is not None and all(map(_is_semidefinite, parts))


def _parts(
    formula: ScalarFunction, dof: int, coefficients: Mapping[str, Array], positive: Sequence[str]
) -> np.ndarray | None:
    """The matrices $M_0$ and $M_k$, shape `(1 + k, dof, dof)`. `None` if M is not such a sum."""
    dtype = jnp.result_type(*coefficients.values())
    ones = {name: np.ones(value.shape, dtype) for name, value in coefficients.items()}
    scales, scales_by_name = ravel_pytree({name: ones[name] for name in ones if name in positive})
    others, others_by_name = ravel_pytree({name: ones[name] for name in ones if name not in positive})
    state = jnp.zeros(1 + 2 * dof, dtype)

    def mass(state: Array, others: Array, scales: Array) -> Array:
        def L(v: Array) -> Array:
            given = others_by_name(others) | scales_by_name(scales)
            return jnp.asarray(formula(state[0], state[1 : dof + 1], v, **given)).reshape(())

        return jax.jacfwd(jax.grad(L))(state[dof + 1 :])

    def by_scale(scales: Array) -> Array:
        return jnp.moveaxis(jax.jacfwd(lambda scales: mass(state, others, scales))(scales), -1, 0)

    varies = depends(lambda state: mass(state, others, scales), state)
    varies = varies or (others.size > 0 and depends(lambda others: mass(state, others, scales), others))
    if varies or (scales.size > 0 and depends(by_scale, scales)):
        return None
    constant = np.asarray(mass(state, others, 0 * scales))[None]
    return np.concatenate([constant, by_scale(scales)]) if scales.size else constant


def _is_semidefinite(M: np.ndarray) -> bool:
    """Whether M is positive semidefinite. M is scaled to a unit diagonal first, so units do not matter."""
    d = np.diagonal(M).astype(np.float64)
    if not np.all(np.isfinite(M)) or np.any(d < 0) or np.any(M[d == 0]):
        return False
    r = np.sqrt(np.where(d > 0, d, 1))
    lowest = np.linalg.eigvalsh(M / r[:, None] / r[None])[0]
    return bool(lowest >= -8 * len(M) * np.finfo(M.dtype).eps)
