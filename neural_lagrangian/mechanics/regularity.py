"""Rank and condition number of a mass matrix along a path: tests whether the Lagrangian is regular."""

from dataclasses import KW_ONLY

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from .._checks import floating
from .._types import Force, Lagrangian
from ..numerics import cutoff, has_derivatives, symmetric_scales
from .arguments import scalar_valued, vector_valued
from .euler_lagrange import mass_matrix

PARTS = (
    "the derivative of the Lagrangian with respect to the coordinates (potential energy)",
    "the derivative of the Lagrangian with respect to the velocities (kinetic energy)",
    "the derivative of the force with respect to the coordinates",
    "the derivative of the force with respect to the velocities",
)
"""Names of the derivatives that are checked, in the order of `MassMatrixReport.finite`."""


class MassMatrixReport(eqx.Module):
    """Eigenvalues, rank and condition number of the mass matrix at each row of a path. Print it for a summary.

    - `eigenvalues`: eigenvalues of $M$, ascending, shape `(time, dof)`. They depend on the units of the coordinates.
    - `rank`: rank of $M$ as in `PseudoInverse`, shape `(time,)`: the number of nonzero eigenvalues of the equilibrated
      matrix.
    - `condition`: condition number of the equilibrated matrix, shape `(time,)`; infinite if $M$ is singular. It does
      not depend on units.
    - `ts`, `ys`: the path.
    - `finite`: whether derivatives exist, shape `(time, 4)`: of the Lagrangian with respect to coordinates and
      velocities, then of the force with respect to both. `faults` describes them in words.
    """

    _: KW_ONLY
    eigenvalues: Float[Array, "time dof"]
    rank: Int[Array, " time"]
    condition: Float[Array, " time"]
    ts: Float[Array, " time"]
    ys: Float[Array, "time two_dof"]
    finite: Bool[Array, "time 4"]

    @property
    def faults(self) -> list[str]:
        """One line for each derivative that does not exist at some rows, with the first such row."""
        found = []
        for part, finite in zip(PARTS, np.asarray(self.finite).T, strict=True):
            if not finite.all():
                row = int(np.argmin(finite))
                q, v = np.split(np.asarray(self.ys[row]), 2)
                place = f"t = {float(self.ts[row]):.6g}, q = {q}, v = {v}"
                found.append(f"{part} is not finite at {int(np.sum(~finite))} states, first at {place}")
        return found

    def __str__(self) -> str:
        dof = self.eigenvalues.shape[1]
        lost = int(jnp.sum(self.rank < dof))
        indefinite = int(jnp.sum((self.eigenvalues[:, 0] < 0) & (self.eigenvalues[:, -1] > 0)))
        summary = (
            f"mass matrix at {self.rank.shape[0]} states: rank lost at {lost}, indefinite at {indefinite}, condition "
            f"median {float(jnp.median(self.condition)):.3g}, worst {float(jnp.max(self.condition)):.3g}, "
            f"eigenvalues {float(self.eigenvalues.min()):.3g} to {float(self.eigenvalues.max()):.3g}"
        )
        return "\n".join([summary, *self.faults])


def mass_matrix_report(
    lagrangian: Lagrangian,
    ts: ArrayLike,
    ys: ArrayLike,
    *,
    rcond: float | None = None,
    force: Force | None = None,
) -> MassMatrixReport:
    r"""Rank, condition number and eigenvalues of the mass matrix $M = \partial^2 L / \partial v^2$ along a trajectory.

    The report also says where a derivative does not exist, for example that of the potential energy of a charge at the
    origin, or of dry friction at rest.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `ts`: times, shape `(time,)`. `ys`: states `[q, v]`, shape `(time, 2 dof)`.
    - `rcond`: relative cut-off of the rank. `None` means `10 n eps`, the default of `jax.numpy.linalg.pinv`.
    - `force`: optional callable `(t, q, v) -> (dof,)`, whose derivatives are checked too.

    **Raises:** `ValueError` if `ys` does not have one row for each time.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> oscillator = nl.systems.HarmonicOscillator(mass=2.0)
    >>> ts, ys = jnp.linspace(0.0, 1.0, 3), jnp.array([[1.0, 0.0], [0.8, -0.4], [0.4, -0.8]])
    >>> print(nl.mechanics.mass_matrix_report(oscillator.lagrangian, ts, ys))
    mass matrix at 3 states: rank lost at 0, indefinite at 0, condition median 1, worst 1, eigenvalues 2 to 2
    ```
    """
    ts, ys = floating("ts", ts, ("time",)), floating("ys", ys, ("time", "2 dof"))
    if ts.shape[0] != ys.shape[0]:
        raise ValueError(f"`ys` has {ys.shape[0]} rows; expected {ts.shape[0]}, one for each of `ts`")

    def spectra(t, y):
        M = mass_matrix(lagrangian, t, *jnp.split(y, 2))
        M = (M + M.T) / 2
        r = symmetric_scales(M)
        per_scale = jnp.where(r > 0, 1 / jnp.where(r > 0, r, 1), 0)
        return jnp.linalg.eigvalsh(M), jnp.linalg.eigvalsh(M * per_scale[:, None] * per_scale[None])

    def finite(t, y):
        q, v = jnp.split(y, 2)
        by = has_derivatives(lambda q, v: scalar_valued(lagrangian)(t, q, v), 2, q, v)
        if force is None:
            return jnp.stack([*by, *[jnp.ones((), bool)] * 2])
        Q = vector_valued(force)
        return jnp.stack([*by, *has_derivatives(lambda q, v: Q(t, q, v), 1, q, v)])

    eigenvalues, natural = jax.vmap(spectra)(ts, ys)
    size = jnp.abs(natural)
    largest, smallest = size.max(axis=1), size.min(axis=1)
    rank = jnp.sum(size > cutoff(rcond, natural) * largest[:, None], axis=1)
    condition = jnp.where(smallest == 0, jnp.inf, largest / jnp.where(smallest == 0, 1, smallest))
    return MassMatrixReport(
        eigenvalues=eigenvalues, rank=rank, condition=condition, ts=ts, ys=ys, finite=jax.vmap(finite)(ts, ys)
    )
