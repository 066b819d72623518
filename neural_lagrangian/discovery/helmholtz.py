r"""The Helmholtz conditions: tests whether accelerations come from any Lagrangian.

The equations $\ddot q = f(t, q, \dot q)$ are the Euler-Lagrange equations of some Lagrangian if and only if there is a
regular, symmetric mass matrix $M(t, q, v)$ (a multiplier) with three properties: $\partial M_{ij} / \partial v_k$ is
symmetric in all indices, and

$$D = -\Bigl(\dot M + \tfrac12 (M A + A^\top M)\Bigr) = 0, \qquad C = M \Phi - (M \Phi)^\top = 0,$$
$$A = \frac{\partial f}{\partial v}, \qquad
  \Phi = \tfrac12 \dot A - \frac{\partial f}{\partial q} - \tfrac14 A^2, \qquad
  \dot{} = \partial_t + v \cdot \partial_q + f \cdot \partial_v.$$

(Helmholtz 1887; Douglas 1941; in this form Crampin 1981.) Mass matrices of Lagrangian terms have these symmetries
automatically, and the other two conditions are linear in $M$. So a least-squares fit over a library finds the nearest
multiplier. The residuals have a meaning: $D$ is the matrix of a damping force $-D v$, and $C$ is the curl of a force
that depends on position.
"""

from dataclasses import KW_ONLY

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._types import VectorFunction
from .double_precision import double_precision, refuse_single
from .elimination import solve
from .equations import Scales, checked_states, mass_inverses
from .errors import EquationsError
from .library import Library
from .term_columns import BLOCK_STATES

PRIOR_WEIGHT = 1e-8
"""Weight, relative to the conditions, of the prior M = identity, which settles what the conditions leave open."""


class HelmholtzReport(eqx.Module):
    r"""How strongly accelerations violate the Helmholtz conditions; returned by `helmholtz_report`.

    - `violation`: root sum of squares of `damping` and `curl`; zero if the accelerations come from a Lagrangian.
    - `damping`: root mean square of $\tau M^{-1} D$. `curl`: root mean square of $\tau^2 M^{-1} C$. Both are ratios of
      a non-Lagrangian force to inertia; $\tau$ is the spread of the coordinates over the speed, in seconds.
    - `dissipative_share`: $|D v| / |M a|$, root mean squares over the states.
    - `definite`: whether the kinetic energy has one sign. Some accelerations have an indefinite $M$ only, such as a
      linear force with a curl in two dimensions.
    - `coefficients`: coefficients of the library terms that give $M$, by name.
    - `M`, `D`, `C`: the matrices at the states, shape `(state, dof, dof)`, up to a common scale.
    """

    _: KW_ONLY
    violation: float
    damping: float
    curl: float
    dissipative_share: float
    definite: bool
    coefficients: dict[str, float]
    M: Float[np.ndarray, "state dof dof"]
    D: Float[np.ndarray, "state dof dof"]
    C: Float[np.ndarray, "state dof dof"]

    def __str__(self) -> str:
        kind = "definite" if self.definite else "indefinite"
        return (
            f"Helmholtz conditions violated by {self.violation:.2g} (damping {self.damping:.2g}, curl {self.curl:.2g} "
            f"per radian of the motion); kinetic energy {kind}; "
            f"damping is {100 * self.dissipative_share:.2g} % of the inertial force"
        )


def helmholtz_report(
    acceleration: VectorFunction, library: Library, states: ArrayLike, *, ts: ArrayLike = 0.0
) -> HelmholtzReport:
    r"""Tests whether accelerations come from a Lagrangian with terms of a library, and measures damping and curl.

    In one dimension every motion has a Lagrangian: for a damped motion its mass grows in time or is singular at rest.
    So choose a library without explicit time and without singular terms; then damping shows. All is computed in double
    precision.

    **Arguments:**

    - `acceleration`: callable `(t, q, v) -> (dof,)`, twice differentiable, such as `model.acceleration` of a
      second-order `NeuralODE` or of any fitted model.
    - `library`: candidate terms; only those with a mass matrix are used, quadratic or higher in the velocities.
    - `states`: `[q, v]`, shape `(state, 2 dof)`.
    - `ts`: times of the states, shape `(state,)`, or one number for all.

    **Returns:** a `HelmholtzReport`.

    **Raises:** `EquationsError` if the library has no mass matrix, or if accelerations or terms are not finite;
    `ValueError` for wrong shapes, and for accelerations that are always in single precision.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> library, states = nl.discovery.Library.velocities(1, 2), np.random.default_rng(0).normal(size=(50, 2))
    >>> for d in (0.0, 0.3):  # damping force over mass, in 1/s
    ...     report = nl.discovery.helmholtz_report(lambda t, q, v: -q - d * v, library, states)
    ...     print(report.violation < 1e-6, round(float((report.D / report.M).mean()), 3))
    True 0.0
    False 0.3
    ```
    """
    with double_precision():
        times, states = checked_states(states, ts)
        if states.shape[1] != 2 * library.dof:
            raise ValueError(
                f"`states` has {states.shape[1]} columns; expected {2 * library.dof}, twice the dof of `library`"
            )
        of_one = eqx.filter_eval_shape(acceleration, times[0], *jnp.split(states[0], 2))
        refuse_single("acceleration", of_one.dtype)
        if of_one.shape != (library.dof,):
            raise ValueError(f"`acceleration` returned shape {of_one.shape}; expected ({library.dof},)")
        a, M, D, C = map(np.asarray, _conditions(acceleration, library, times, states))
    if not all(np.isfinite(x).all() for x in (a, M, D, C)):
        raise EquationsError(
            "`acceleration` or a term of `library`, or one of its derivatives, is not finite at some states; leave "
            "such states out"
        )
    massive = [k for k in range(len(library)) if np.abs(M[:, k]).max() > 0]
    if not massive:
        raise EquationsError(
            "`library` has no term with a mass matrix; add terms quadratic in the velocities, such as "
            "Library.velocities(dof, 2)"
        )
    ys = np.asarray(states)
    scales = Scales.of(ys, a)
    c = _nearest(M[:, massive], D[:, massive], C[:, massive], scales)
    M, D, C = (np.tensordot(x[:, massive], c, (1, 0)) for x in (M, D, C))
    named = {library.names[k]: float(x) for k, x in zip(massive, c, strict=True)}
    return _report(named, M, D, C, ys, a, scales)


def _nearest(M: np.ndarray, D: np.ndarray, C: np.ndarray, scales: Scales) -> np.ndarray:
    """Coefficients of the terms, `(term,)`, by least squares of the Helmholtz conditions."""
    states, terms, dof, _ = M.shape
    tau, unit = scales.radian, np.outer(scales.length, scales.length)
    inertia, damping, curl = (np.moveaxis(x * unit, 1, -1).reshape(-1, terms) for x in (M, D, C))
    rows = np.vstack([tau * damping, tau**2 * curl, PRIOR_WEIGHT**0.5 * inertia])
    prior = np.tile(np.eye(dof).reshape(-1), states)
    return solve(rows, np.concatenate([np.zeros(2 * len(inertia)), PRIOR_WEIGHT**0.5 * prior]))[0]


def _report(
    named: dict[str, float], M: np.ndarray, D: np.ndarray, C: np.ndarray, ys: np.ndarray, a: np.ndarray, scales: Scales
) -> HelmholtzReport:
    inverse, v = mass_inverses(M, rcond=1e-10), np.split(ys, 2, axis=1)[1]
    damping, curl = (
        float(np.sqrt(np.mean(np.abs(np.einsum("sij,sji->s", inverse @ x, inverse @ x))) / M.shape[1]))
        for x in (scales.radian * D, scales.radian**2 * C)
    )
    friction, inertial = (np.linalg.norm(np.einsum("sij,sj->si", *x) * scales.length) for x in ((D, v), (M, a)))
    share = friction / inertial if inertial > 0 else np.inf if friction > 0 else 0.0
    signs = np.sign(
        np.linalg.eigvalsh(M * np.outer(scales.length, scales.length))
    )  # scaled, so that units do not matter
    definite = bool((signs == signs[0, 0]).all())
    return HelmholtzReport(
        violation=float(np.hypot(damping, curl)),
        damping=damping,
        curl=curl,
        dissipative_share=float(share),
        definite=definite,
        coefficients=named,
        M=M,
        D=D,
        C=C,
    )


@eqx.filter_jit
def _conditions(
    acceleration: VectorFunction, library: Library, ts: Array, states: Array
) -> tuple[Array, Array, Array, Array]:
    """The accelerations f, and M, D and C of each term."""

    def one(t, y):
        q, v = jnp.split(y, 2)

        def along(fn):  # value and derivative along the motion
            return jax.jvp(fn, (t, q, v), (jnp.ones_like(t), v, acceleration(t, q, v)))

        def mass(t, q, v):
            return jax.jacfwd(jax.jacfwd(library, 2), 2)(t, q, v)

        A, A_dot = along(jax.jacfwd(acceleration, 2))
        M, M_dot = along(mass)
        Phi = A_dot / 2 - jax.jacfwd(acceleration, 1)(t, q, v) - A @ A / 4
        MA, MPhi = M @ A, M @ Phi
        transposed = (0, 2, 1)
        D = -(M_dot + (MA + jnp.transpose(MA, transposed)) / 2)
        return acceleration(t, q, v), M, D, MPhi - jnp.transpose(MPhi, transposed)

    return jax.lax.map(lambda x: one(*x), (ts, states), batch_size=BLOCK_STATES)
