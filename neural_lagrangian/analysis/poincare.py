"""Poincare sections: a motion seen each time it passes through a surface."""

import numpy as np
from jaxtyping import ArrayLike, Float


def poincare_section(
    ts: ArrayLike, ys: ArrayLike, *, coordinate: int = 0, level: float = 0.0, rising: bool = True
) -> tuple[Float[np.ndarray, " crossing"], Float[np.ndarray, "crossing two_dof"]]:
    """Times and states at which one coordinate passes through `level`, in one direction.

    Linear interpolation between samples: the error is of second order in their distance.

    **Arguments:**

    - `ts`: times, shape `(time,)`. `ys`: states, shape `(time, 2 dof)`.
    - `coordinate`: index into the state, velocities included. `level`: its value on the surface.
    - `rising`: whether the coordinate must be increasing there, else decreasing.

    **Returns:** times, shape `(crossing,)`, and states, shape `(crossing, 2 dof)`.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.linspace(0.0, 20.0, 2001)
    >>> times, states = nl.analysis.poincare_section(t, np.stack([np.sin(t), np.cos(t)], axis=1))
    >>> (times / (2 * np.pi)).round(3).tolist()  # once a period
    [1.0, 2.0, 3.0]
    ```
    """
    times, states = np.asarray(ts), np.asarray(ys)
    if states.ndim != 2 or times.shape != states.shape[:1]:
        raise ValueError(f"`ys` has shape {states.shape}, `ts` {times.shape}; expected (time, 2 dof) and (time,)")
    height = (states[:, coordinate] - level) * (1 if rising else -1)
    i = np.flatnonzero((height[:-1] < 0) & (height[1:] >= 0))
    fraction = height[i] / (height[i] - height[i + 1])
    return times[i] + fraction * np.diff(times)[i], states[i] + fraction[:, None] * np.diff(states, axis=0)[i]
