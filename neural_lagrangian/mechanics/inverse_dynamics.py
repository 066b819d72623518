"""From motion to force."""

from jaxtyping import ArrayLike

from .._types import Coordinates, Force, Lagrangian
from .euler_lagrange import euler_lagrange_residual


def generalized_force(
    lagrangian: Lagrangian,
    t: ArrayLike,
    q: ArrayLike,
    v: ArrayLike,
    a: ArrayLike,
    *,
    force: Force | None = None,
) -> Coordinates:
    r"""The force that a motion needs beyond `force` (inverse dynamics):

    $$\tau = \frac{d}{dt} \frac{\partial L}{\partial v} - \frac{\partial L}{\partial q} - Q.$$

    For a mechanical system $\tau = M a + c(q, v) + g(q) - Q$, the torque of the motors where $Q$ is friction. No mass
    matrix is formed or solved with. (Lutter, Ritter and Peters 2019.)

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `t`: time, in seconds. `q`, `v`, `a`: coordinates, velocities and accelerations, shape `(dof,)`.
    - `force`: optional callable `(t, q, v) -> (dof,)`, a generalised force $Q$ that acts anyway.

    **Returns:** $\tau$, shape `(dof,)`, in joules per unit of `q`.
    """
    return -euler_lagrange_residual(lagrangian, t, q, v, a, force=force)
