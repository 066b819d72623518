r"""Scaling to natural units, in which coordinates and time are of order one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from ..numerics import AbstractFrozen, root_mean_square
from .container import Trajectories


class Scaling(AbstractFrozen):
    r"""A scaling to natural units: a change of units that keeps the equations of motion.

    $$\tilde q_i = (q_i - c_i) / s_i, \qquad \tilde t = t / \tau, \qquad
      \tilde v_i = v_i \tau / s_i, \qquad \tilde a_i = a_i \tau^2 / s_i.$$

    Velocities have no separate scale. If they were divided by their standard deviations (feature scaling),
    $\tilde v = d\tilde q / d\tilde t$ would be wrong, and no Lagrangian could describe the data. Physical constants
    change too: gravity becomes $g \tau^2 / s$. So a law learned from scaled data holds in scaled units only. Wrap the
    model as `Scaled(model, scaling)` to use it in physical units. Training does not change the scaling.

    **Arguments:**

    - `centre`: $c$, shape `(dof,)`, in the units of the coordinates.
    - `q_scale`: $s > 0$, shape `(dof,)`, in the units of the coordinates.
    - `t_scale`: $\tau > 0$, a scalar, in seconds.

    **Raises:** `ValueError` if the shapes do not match, or if a scale is not positive and finite.

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
        """The scaling for which coordinates and velocities of these trajectories have a root mean square of one.

        Each coordinate has its own scale, and there is one scale of time, so the root mean square of one holds for all
        velocities together. A coordinate that is always zero is not scaled. Periodic angles are not scaled either. They
        contribute to the scale of time by their rates and their range, which counts as at most one radian.

        **Arguments:**

        - `trajectories`: the motion. Use the training set only.
        - `centre`: whether to subtract the mean of each coordinate (default: no). The origin of a coordinate usually
          has a meaning (the vertical, the Sun, a wall), and centring destroys symmetry about it.
        - `periodic`: indices or names of angles that enter the model by `PeriodicEmbedding`. They stay in radians and
          are not centred.
        """
        dof = trajectories.dof
        try:
            angles = [trajectories.index(coordinate) for coordinate in periodic]
        except ValueError:  # its message names another argument
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
        """Number of degrees of freedom n."""
        return self.q_scale.shape[0]

    @property
    def inverse(self) -> "Scaling":
        """The inverse scaling, from scaled to physical units."""
        return Scaling(-self.centre / self.q_scale, 1 / self.q_scale, 1 / self.t_scale)

    def scale(self, trajectories: Trajectories) -> Trajectories:
        r"""Convert motion to scaled units. The precision and the controls do not change.

        The force of scaled motion is $\tilde Q_i = s_i Q_i$, so the matrix of a `ControlForce` is $s_i G_{ij}$.
        """
        if trajectories.dof != self.dof:
            raise ValueError(f"`trajectories` has dof {trajectories.dof}; expected {self.dof}, as the scaling has")
        s, tau, dtype = self.q_scale, self.t_scale, trajectories.ys.dtype
        q, v = np.split(trajectories.ys, 2, axis=2)
        ys = np.concatenate([(q - self.centre) / s, v * (tau / s)], axis=2).astype(dtype)
        a = trajectories.accelerations
        a = None if a is None else (a * (tau**2 / s)).astype(dtype)
        ts = (trajectories.ts / tau).astype(trajectories.ts.dtype)
        gap = None if trajectories.gap is None else trajectories.gap / float(tau)
        return replace(trajectories, ts=ts, ys=ys, accelerations=a, gap=gap)

    def unscale(self, trajectories: Trajectories) -> Trajectories:
        """Convert scaled motion back to physical units."""
        return self.inverse.scale(trajectories)


def spread(trajectories: Trajectories, periodic: Sequence[int] = ()) -> Float[np.ndarray, " two_dof"]:
    """The standard deviation of each component of the state, shape `(2 dof,)`.

    For periodic angles it is the circular one, about the mean direction. It is about pi / sqrt(3) at most, for any
    number of turns.
    """
    ys = trajectories.ys[trajectories.mask].astype(np.float64)
    found = root_mean_square(ys - ys.mean(axis=0))
    for i in periodic:
        mean = np.angle(np.mean(np.exp(1j * ys[:, i])))
        found[i] = min(found[i], np.sqrt(np.mean(((ys[:, i] - mean + np.pi) % (2 * np.pi) - np.pi) ** 2)))
    return found
