r"""Gaussian beliefs: prediction, correction by a measurement, and the noise of accelerations."""

import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float

from .._types import Scalar

Vector = Float[Array, " n"]
Matrix = Float[Array, "n n"]


def acceleration_covariance(dt: Array, density: Array) -> Matrix:
    r"""Covariance of the state after a time `dt` of white noise in the accelerations, shape `(2 dof, 2 dof)`.

    With the root spectral density $s$ of each coordinate (its unit times s^-3/2):

    $$Q = s^2 \begin{pmatrix} \Delta t^3 / 3 & \Delta t^2 / 2 \\ \Delta t^2 / 2 & \Delta t \end{pmatrix}$$
    """
    dt, S = jnp.abs(dt), jnp.diag(density**2)
    return jnp.block([[S * dt**3 / 3, S * dt**2 / 2], [S * dt**2 / 2, S * dt]])


def corrected(x: Vector, P: Matrix, error: Float[Array, " m"], H: Float[Array, "m n"]) -> tuple[Vector, Matrix, Scalar]:
    r"""Mean and covariance after a measurement with unit noise, and the normalised innovation squared.

    $$S = H P H^\top + 1, \quad K = P H^\top S^{-1}, \quad x^+ = x + K e, \quad
      P^+ = (1 - K H) P (1 - K H)^\top + K K^\top$$

    A missing value has a zero `error` and a zero row of `H`, and so no effect.
    """
    S = cho_factor(H @ P @ H.T + jnp.eye(len(H), dtype=x.dtype))
    # One solve for both: jaxlib 0.10 may hang when two batched LAPACK calls run at once, as they would under `vmap`.
    solved = cho_solve(S, jnp.concatenate([H @ P, error[:, None]], axis=1))
    K, of_error = solved[:, :-1].T, solved[:, -1]
    rest = jnp.eye(len(x), dtype=x.dtype) - K @ H
    return x + K @ error, rest @ P @ rest.T + K @ K.T, error @ of_error


def smoothing_gain(P: Matrix, F: Matrix, ahead: Matrix) -> Matrix:
    r"""The gain $G = P F^\top P_{+}^{-1}$ by which a later estimate corrects an earlier one (Rauch et al. 1965)."""
    size = jnp.sqrt(jnp.diagonal(ahead))  # natural units, since those of the components differ
    scaled = cho_factor(ahead / jnp.outer(size, size))
    return (cho_solve(scaled, (F @ P) / size[:, None]) / size[:, None]).T
