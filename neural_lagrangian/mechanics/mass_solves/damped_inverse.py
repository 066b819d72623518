"""A smooth substitute for the pseudoinverse."""

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..._types import ComplexVector, Coordinates, MassMatrix
from ...numerics import equilibrated, power_of_two, symmetric_scales
from .mass_solve import AbstractDenseSolve, MassProducts


class DampedInverse(AbstractDenseSolve):
    r"""Solve $M a = b$ with a damped inverse, a smooth substitute for the pseudoinverse that is never singular:

    $$a = \mathrm{Re}\,(M + i \epsilon \Lambda)^{-1} b, \qquad \Lambda = \mathrm{diag}(r_i^2), \quad
      |M_{ij}| \le r_i r_j,$$

    with one scale $r_i$ for each coordinate; $\Lambda_{ii} = M_{ii}$ if M is positive semidefinite. The acceleration
    does not change under $L \to \alpha L$ and $L \to -L$, and does not depend on the units of the coordinates. Damping
    acts on combinations of coordinates with little mass compared with the masses of each. The relative bias along an
    eigenvalue $\mu$ of $\Lambda^{-1/2} M \Lambda^{-1/2}$ is $\epsilon^2 / \mu^2$, so prefer an undamped solve for
    evaluation. A coordinate whose row of M is zero is not accelerated. The complex shifted system is solved directly,
    without normal equations.

    **Arguments:**

    - `eps`: relative damping; `None` means 1e-3 in single and 1e-6 in double precision.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v @ v - 2.0 * q @ q  # 1 kg on a spring of 4 N/m
    >>> a = nl.acceleration(spring, 0.0, jnp.ones(1), jnp.zeros(1), mass_solve=nl.mechanics.DampedInverse(0.1))
    >>> round(float(a[0]), 3)  # 4 / (1 + 0.1^2)
    -3.96
    ```
    """

    eps: float | None = None

    def factor(self, M: MassMatrix) -> PyTree:
        return M, self._damping(M)

    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        M, damping = factor
        return _shifted_solve(M, damping, jax.lax.complex(b, jnp.zeros_like(b))).real

    def tangent(
        self, factor: PyTree, a: Coordinates, r: Coordinates, dr: Coordinates, products: MassProducts
    ) -> Coordinates:
        # (M + i lam) z = b, a = Re z:  dz = (M + i lam)^-1 (db - dM z - i dlam z).
        M, damping = factor
        b = r + M @ a
        z = _shifted_solve(M, damping, jax.lax.complex(b, jnp.zeros_like(b)))
        _, dM_W = products(jnp.concatenate([z.imag[None], jnp.eye(M.shape[0], dtype=M.dtype)]))
        _, ddamping = jax.jvp(self._damping, (M,), (dM_W[1:],))
        rest = jax.lax.complex(dr + ddamping * z.imag, -dM_W[0] - ddamping * z.real)
        return _shifted_solve(M, damping, rest).real

    def _damping(self, M: MassMatrix) -> Coordinates:
        relative = self.eps
        if relative is None:
            relative = 1e-3 if M.dtype == jnp.float32 else 1e-6
        A, d = equilibrated(M)  # entries of order one: derivatives of its scales do not overflow or underflow
        return relative * (symmetric_scales(A) / d) ** 2


def _shifted_solve(M: MassMatrix, shift: Coordinates, b: ComplexVector) -> ComplexVector:
    """(M + i diag(shift))^-1 b. The result is zero for coordinates with zero shift: their row of M is zero."""
    n = M.shape[0]
    lost = shift == 0
    # Scale to entries of order one, so that products do not overflow or underflow. The solution does not change.
    d = jnp.where(lost, 0, power_of_two(jnp.sqrt(shift)))
    A = jax.lax.complex(M * d[:, None] * d[None], jnp.diag(jnp.where(lost, 1, shift * d * d)))
    b = jax.lax.complex(b.real * d, b.imag * d)
    if n == 1:
        x = b / A[0]
    elif n == 2:
        x = jnp.stack([A[1, 1] * b[0] - A[0, 1] * b[1], A[0, 0] * b[1] - A[1, 0] * b[0]]) / (
            A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0]
        )
    else:
        x = jnp.linalg.solve(A, b)
    return jax.lax.complex(x.real * d, x.imag * d)
