"""Poincare sections: the states of a motion each time it crosses a surface."""

import numpy as np
from jaxtyping import ArrayLike, Float


def poincare_section(
    ts: ArrayLike, ys: ArrayLike, *, coordinate: int = 0, level: float = 0.0, rising: bool = True
) -> tuple[Float[np.ndarray, " crossing"], Float[np.ndarray, "crossing two_dof"]]:
    """Poincare section: times and states at which one component of the state crosses `level`, in one direction.

    Interpolation between samples is linear, so the error is of second order in the sampling interval.

    **Arguments:**

    - `ts`: times, shape `(time,)`. `ys`: states, shape `(time, 2 dof)`.
    - `coordinate`: index of the component in the state `[q, v]`. `level`: its value on the surface.
    - `rising`: whether crossings with increasing (true) or decreasing (false) values count.

    **Returns:** times, shape `(crossing,)`, and states, shape `(crossing, 2 dof)`.

    **Raises:** `ValueError` if the shapes do not match.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.linspace(0.0, 20.0, 2001)
    >>> times, states = nl.analysis.poincare_section(t, np.stack([np.sin(t), np.cos(t)], axis=1))
    >>> (times / (2 * np.pi)).round(3).tolist()  # once per period
    [1.0, 2.0, 3.0]
    ```
    """
    times, states = np.asarray(ts), np.asarray(ys)
    if states.ndim != 2 or times.shape != states.shape[:1]:
        raise ValueError(
            f"`ys` has shape {states.shape}, `ts` has shape {times.shape}; expected (time, 2 dof) and (time,)"
        )
    height = (states[:, coordinate] - level) * (1 if rising else -1)
    i = np.flatnonzero((height[:-1] < 0) & (height[1:] >= 0))
    fraction = height[i] / (height[i] - height[i + 1])
    return times[i] + fraction * np.diff(times)[i], states[i] + fraction[:, None] * np.diff(states, axis=0)[i]
