r"""Is a motion Lagrangian at all? The Helmholtz conditions of any field of accelerations.

$\ddot q = f(t, q, \dot q)$ are the Euler-Lagrange equations of some Lagrangian if and only if there is a regular mass
matrix $M(t, q, v)$ (a multiplier) that is symmetric, with $\partial M_{ij} / \partial v_k$ symmetric in all three, and

$$D = -\Bigl(\dot M + \tfrac12 (M A + A^\top M)\Bigr) = 0, \qquad C = M \Phi - (M \Phi)^\top = 0,$$
$$A = \frac{\partial f}{\partial v}, \qquad
  \Phi = \tfrac12 \dot A - \frac{\partial f}{\partial q} - \tfrac14 A^2, \qquad
  \dot{} = \partial_t + v \cdot \partial_q + f \cdot \partial_v.$$

(Helmholtz 1887; Douglas 1941; in this form Crampin 1981.) The mass matrices of a library of Lagrangian terms have the
symmetries by themselves, and the rest is linear in $M$. What is left says what acts: with $M$ that of the inertia, $D$
is the matrix of a damping force $-D v$, and $C$ the curl of a force that depends on position.
"""

from dataclasses import KW_ONLY

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._types import VectorFunction
from .columns import BLOCK
from .double_precision import double_precision, refuse_single
from .elimination import solve
from .equations import Scales, checked_states, mass_inverses
from .errors import EquationsError
from .library import Library

PRIOR = 1e-8
"""Weight, against the conditions, of a wish that M be constant and diagonal: it settles what they leave open."""


class HelmholtzReport(eqx.Module):
    r"""How far a field of accelerations is from Lagrangian, for the multiplier of a library that comes nearest.

    `damping`: root mean square of $\tau M^{-1} D$; `curl`, of $\tau^2 M^{-1} C$, with $\tau$ a radian of the motion,
    the spread of the coordinates over the speed: a force of friction over one of inertia. `violation`: both together;
    zero for a Lagrangian field. `dissipative_share`: $|D v| / |M a|$, root mean squares over the states. `definite`:
    whether all kinetic energies have one sign; a field may be Lagrangian for an indefinite $M$ alone, as a linear one
    with a curl is in two dimensions. `coefficients`: of the terms of the library, whose mass matrix $M$ is. `M`, `D`
    and `C`: at the states, `(state, dof, dof)`, at a scale that is free.
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
    r"""Whether accelerations are those of a Lagrangian whose mass matrix is in a library's, and what else acts.

    In one dimension every motion is Lagrangian for some mass matrix, a damped one for one that grows in time or is
    singular at rest. The library says which are meant: without explicit time and singular terms, damping shows.

    **Arguments:**

    - `acceleration`: callable `(t, q, v) -> (dof,)`, twice differentiable: a system's, or `model.acceleration` of a
      second-order `NeuralODE` or any fitted model.
    - `library`: terms; those quadratic and higher in the velocities matter.
    - `states`: `[q, v]`, shape `(state, 2 dof)`. `ts`: their times, shape `(state,)`, or one for all.

    All is computed in double precision.

    **Raises:** `EquationsError` if the library has no mass matrix, or something is not finite; `ValueError` for wrong
    shapes, and if the accelerations are of single precision whatever the states are.
    """
    with double_precision():
        times, states = checked_states(states, ts)
        if states.shape[1] != 2 * library.dof:
            raise ValueError(f"`states` has {states.shape[1]} columns; expected {2 * library.dof}, as `library` has")
        of_one = eqx.filter_eval_shape(acceleration, times[0], *jnp.split(states[0], 2))
        refuse_single("acceleration", of_one.dtype)
        if of_one.shape != (library.dof,):
            raise ValueError(f"`acceleration` returned shape {of_one.shape}; expected ({library.dof},)")
        a, M, D, C = map(np.asarray, _conditions(acceleration, library, times, states))
    if not all(np.isfinite(x).all() for x in (a, M, D, C)):
        raise EquationsError("`acceleration` or a term of `library` is not finite, or not smooth, at some states")
    massive = [k for k in range(len(library)) if np.abs(M[:, k]).max() > 0]
    if not massive:
        raise EquationsError("`library` has no term with a mass matrix; expected some quadratic in the velocities")
    ys = np.asarray(states)
    scales = Scales.of(ys, a)
    c = _nearest(M[:, massive], D[:, massive], C[:, massive], scales)
    M, D, C = (np.tensordot(x[:, massive], c, (1, 0)) for x in (M, D, C))
    named = {library.names[k]: float(x) for k, x in zip(massive, c, strict=True)}
    return _report(named, M, D, C, ys, a, scales)


def _nearest(M: np.ndarray, D: np.ndarray, C: np.ndarray, scales: Scales) -> np.ndarray:
    """Coefficients of the terms, `(term,)`, whose mass matrix comes nearest to the conditions."""
    states, terms, dof, _ = M.shape
    tau, unit = scales.radian, np.outer(scales.length, scales.length)
    inertia, damping, curl = (np.moveaxis(x * unit, 1, -1).reshape(-1, terms) for x in (M, D, C))
    rows = np.vstack([tau * damping, tau**2 * curl, PRIOR**0.5 * inertia])
    prior = np.tile(np.eye(dof).reshape(-1), states)
    return solve(rows, np.concatenate([np.zeros(2 * len(inertia)), PRIOR**0.5 * prior]))[0]


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
    signs = np.sign(np.linalg.eigvalsh(M * np.outer(scales.length, scales.length)))  # those of M, in any units
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
    """f, and of each term M, D and C."""

    def one(t, y):
        q, v = jnp.split(y, 2)

        def along(fn):  # the derivative along the motion
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

    return jax.lax.map(lambda x: one(*x), (ts, states), batch_size=BLOCK)
