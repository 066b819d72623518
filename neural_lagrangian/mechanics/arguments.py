"""Checks of the arguments of mechanics: coordinates `(t, q, v)`, Lagrangians and forces."""

import jax.numpy as jnp
from jaxtyping import ArrayLike

from .._checks import floating, same_shape
from .._types import Coordinates, Force, Lagrangian, Scalar
from ..numerics import regular_point


def as_coordinates(t: ArrayLike, q: ArrayLike, v: ArrayLike) -> tuple[Scalar, Coordinates, Coordinates]:
    """Check the shapes of `(t, q, v)`, and convert the time to the precision of the coordinates."""
    q, v = floating("q", q, ("dof",)), floating("v", v, ("dof",))
    same_shape("q", q, "v", v)
    if jnp.ndim(t) != 0:
        raise ValueError(f"`t` has shape {jnp.shape(t)}; expected a scalar time")
    return jnp.asarray(t, dtype=q.dtype), q, v


def regular_coordinates(
    t: ArrayLike, q: ArrayLike, v: ArrayLike, lagrangian: Lagrangian, force: Force | None = None
) -> tuple[Scalar, Coordinates, Coordinates]:
    """Check `(t, q, v)`, and move them by a rounding error if a derivative is 0/0 there although its limit exists."""
    t, q, v = as_coordinates(t, q, v)
    q, v = regular_point(lambda q, v: scalar_valued(lagrangian)(t, q, v), 2, q, v)
    if force is not None:
        q, v = regular_point(lambda q, v: vector_valued(force)(t, q, v), 1, q, v)
    return t, q, v


def scalar_valued(lagrangian: Lagrangian) -> Lagrangian:
    """Wrap `lagrangian` so that it raises `ValueError` if it does not return a real scalar."""

    def checked(t, q, v):
        L = jnp.asarray(lagrangian(t, q, v))
        if L.shape != () or not jnp.issubdtype(L.dtype, jnp.floating):
            raise ValueError(
                f"`lagrangian` returned shape {L.shape}, dtype {L.dtype}; expected a real scalar, such as `0.5 * v @ v`"
            )
        return L

    return checked


def vector_valued(force: Force) -> Force:
    """Wrap `force` so that it raises `ValueError` if its result does not have the shape of `q`."""

    def checked(t, q, v):
        Q = jnp.asarray(force(t, q, v))
        if Q.shape != q.shape:
            raise ValueError(f"`force` returned shape {Q.shape}; expected {q.shape}, that of `q`")
        return Q

    return checked
