r"""Natural units: coordinates and time of order one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from ..numerics import AbstractFrozen, root_mean_square
from .container import Trajectories


class Scaling(AbstractFrozen):
    r"""A change of units that leaves the physics as it is.

    $$\tilde q_i = (q_i - c_i) / s_i, \qquad \tilde t = t / \tau, \qquad
      \tilde v_i = v_i \tau / s_i, \qquad \tilde a_i = a_i \tau^2 / s_i.$$

    Velocities have no scale of their own: dividing them by their standard deviation, as one does with features,
    would break $\tilde v = d\tilde q / d\tilde t$, and no Lagrangian describes such data. Constants of the motion
    scale too: gravity becomes $g \tau^2 / s$, so a law learned from scaled data holds in scaled units only. Wrap the
    model as `Scaled(model, scaling)` to have it in physical units. No training changes it.

    **Arguments:**

    - `centre`: $c$, shape `(dof,)`, in the units of the coordinates.
    - `q_scale`: $s > 0$, shape `(dof,)`, in the units of the coordinates.
    - `t_scale`: $\tau > 0$, a scalar, in seconds.

    **Raises:** `ValueError` for shapes that do not fit, or scales that are not positive and finite.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> motion = nl.Trajectories(np.array([0.0, 0.1]), np.array([[0.02, 0.2], [0.04, 0.2]]))
    >>> scaling = nl.trajectories.Scaling(centre=[0.0], q_scale=[0.01], t_scale=0.1)  # 1 cm and 0.1 s
    >>> print(scaling.scale(motion).ys[0].round(3))
    [[2. 2.]
     [4. 2.]]
    ```
    """

    centre: Float[np.ndarray, " dof"]
    q_scale: Float[np.ndarray, " dof"]
    t_scale: Float[np.ndarray, ""]

    def __init__(self, centre: Any, q_scale: Any, t_scale: Any):
        self.centre = np.asarray(centre, np.float64)
        self.q_scale = np.asarray(q_scale, np.float64)
        self.t_scale = np.asarray(t_scale, np.float64)
        if self.q_scale.ndim != 1 or self.centre.shape != self.q_scale.shape or self.t_scale.ndim != 0:
            raise ValueError(
                f"`centre` has shape {self.centre.shape}, `q_scale` {self.q_scale.shape}, `t_scale` "
                f"{self.t_scale.shape}; expected (dof,), (dof,) and ()"
            )
        for name, value in (("q_scale", self.q_scale), ("t_scale", self.t_scale)):
            if not np.all((value > 0) & np.isfinite(value)):
                raise ValueError(f"`{name}` is {value}; expected positive numbers")
        if not np.all(np.isfinite(self.centre)):
            raise ValueError(f"`centre` is {self.centre}; expected finite numbers")

    @classmethod
    def of(cls, trajectories: Trajectories, *, centre: bool = False, periodic: Sequence[int | str] = ()) -> "Scaling":
        """The scaling that brings coordinates and velocities of these trajectories to a root mean square of one.

        Each coordinate has its scale, time one for all, so the velocities do so together, not one by one. A
        coordinate that is zero throughout keeps its unit. Periodic angles keep theirs; the scale of time follows from
        their rates and from how far they go, one radian at most, however often they went round.

        **Arguments:**

        - `trajectories`: the motion, of the training part alone.
        - `centre`: whether to subtract the mean of each coordinate. Off unless asked for: the origin of a coordinate
          mostly means something (the vertical, the Sun, a wall), and symmetry about it is lost when it moves.
        - `periodic`: indices or names of angles that enter the model by `PeriodicEmbedding`, which only knows radians:
          they are neither centred nor scaled.
        """
        dof = trajectories.dof
        try:
            angles = [trajectories.index(coordinate) for coordinate in periodic]
        except ValueError:  # which names another argument
            named = "" if trajectories.names is None else f", or names of {', '.join(map(repr, trajectories.names))}"
            raise ValueError(f"`periodic` is {tuple(periodic)}; expected indices from 0 to {dof - 1}{named}") from None
        q, v = np.split(trajectories.ys[trajectories.mask].astype(np.float64), 2, axis=1)
        free = np.array([i not in angles for i in range(dof)])
        c = np.where(free & centre, q.mean(axis=0), 0.0)
        s = root_mean_square(q - c)
        s = np.where(free & (s > 0), s, 1.0)
        around = spread(trajectories, angles)[:dof]
        reach = np.where(free | (around == 0), s, np.minimum(around, 1.0))
        rate = root_mean_square((v / reach).reshape(-1, 1))[0]
        return cls(c, s, 1 / rate if rate > 0 else 1.0)

    @property
    def dof(self) -> int:
        """Degrees of freedom n."""
        return self.q_scale.shape[0]

    @property
    def inverse(self) -> "Scaling":
        """The scaling that takes scaled motion back."""
        return Scaling(-self.centre / self.q_scale, 1 / self.q_scale, 1 / self.t_scale)

    def scale(self, trajectories: Trajectories) -> Trajectories:
        r"""The same motion in scaled units, in the precision it has; controls as they are, in their own units.

        A `ControlForce` of the scaled motion gives $\tilde Q_i = s_i Q_i$, so its matrix is $s_i G_{ij}$.
        """
        if trajectories.dof != self.dof:
            raise ValueError(f"`trajectories` has dof {trajectories.dof}; expected {self.dof}, as the scaling")
        s, tau, dtype = self.q_scale, self.t_scale, trajectories.ys.dtype
        q, v = np.split(trajectories.ys, 2, axis=2)
        ys = np.concatenate([(q - self.centre) / s, v * (tau / s)], axis=2).astype(dtype)
        a = trajectories.accelerations
        a = None if a is None else (a * (tau**2 / s)).astype(dtype)
        ts = (trajectories.ts / tau).astype(trajectories.ts.dtype)
        gap = None if trajectories.gap is None else trajectories.gap / float(tau)
        return replace(trajectories, ts=ts, ys=ys, accelerations=a, gap=gap)

    def unscale(self, trajectories: Trajectories) -> Trajectories:
        """The same motion in physical units: undoes `scale`."""
        return self.inverse.scale(trajectories)


def spread(trajectories: Trajectories, periodic: Sequence[int] = ()) -> Float[np.ndarray, " two_dof"]:
    """Standard deviation of each component of the state, shape `(2 dof,)`.

    That of a periodic angle is taken around the circle, about its mean direction: pi / sqrt(3) at most, or a little
    more, however often it went round.
    """
    ys = trajectories.ys[trajectories.mask].astype(np.float64)
    found = root_mean_square(ys - ys.mean(axis=0))
    for i in periodic:
        mean = np.angle(np.mean(np.exp(1j * ys[:, i])))
        found[i] = min(found[i], np.sqrt(np.mean(((ys[:, i] - mean + np.pi) % (2 * np.pi) - np.pi) ** 2)))
    return found
