"""A smooth substitute for the pseudoinverse."""

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..._types import ComplexMatrix, ComplexVector, Coordinates, MassMatrix
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
        return M, *_shifted_inverse(M, self._damping(M))

    def apply(self, factor: PyTree, b: Coordinates) -> Coordinates:
        *_, inverse, d = factor
        return _solved(inverse, d, b, jnp.zeros_like(b)).real

    def tangent(
        self, factor: PyTree, a: Coordinates, r: Coordinates, dr: Coordinates, products: MassProducts
    ) -> Coordinates:
        # (M + i lam) z = b, a = Re z:  dz = (M + i lam)^-1 (db - dM z - i dlam z).
        M, inverse, d = factor
        b = r + M @ a
        z = _solved(inverse, d, b, jnp.zeros_like(b))
        _, dM_W = products(jnp.concatenate([z.imag[None], jnp.eye(M.shape[0], dtype=M.dtype)]))
        _, ddamping = jax.jvp(self._damping, (M,), (dM_W[1:],))
        return _solved(inverse, d, dr + ddamping * z.imag, -dM_W[0] - ddamping * z.real).real

    def _damping(self, M: MassMatrix) -> Coordinates:
        relative = self.eps
        if relative is None:
            relative = 1e-3 if M.dtype == jnp.float32 else 1e-6
        A, d = equilibrated(M)  # entries of order one: derivatives of its scales do not overflow or underflow
        return relative * (symmetric_scales(A) / d) ** 2


def _shifted_inverse(M: MassMatrix, shift: Coordinates) -> tuple[ComplexMatrix, Coordinates]:
    """A^-1 and d, where (M + i diag(shift))^-1 = diag(d) A^-1 diag(d).

    A has entries of order one, so products do not overflow or underflow. A coordinate with zero shift, whose row of M
    is zero, has zero d.
    """
    n = M.shape[0]
    lost = shift == 0
    d = jnp.where(lost, 0, power_of_two(jnp.sqrt(shift)))
    A = jax.lax.complex(M * d[:, None] * d[None], jnp.diag(jnp.where(lost, 1, shift * d * d)))
    if n == 1:
        return 1 / A, d
    if n == 2:
        adjugate = jnp.stack([jnp.stack([A[1, 1], -A[0, 1]]), jnp.stack([-A[1, 0], A[0, 0]])])
        return adjugate / (A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0]), d
    return jnp.linalg.inv(A), d


def _solved(inverse: ComplexMatrix, d: Coordinates, real: Coordinates, imaginary: Coordinates) -> ComplexVector:
    x = inverse @ jax.lax.complex(real * d, imaginary * d)
    return jax.lax.complex(x.real * d, x.imag * d)
