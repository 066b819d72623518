"""Angles without jumps of a turn."""

from collections.abc import Sequence

import numpy as np


def continuous(qs: Sequence[np.ndarray], angles: Sequence[int], *, step: float = 0.5) -> list[np.ndarray]:
    """Unwrap angles: coordinates without jumps of a turn.

    Angles with a range of more than one turn were not wrapped, so they do not change: with few samples per turn, a step
    of more than half a turn can be real.

    **Arguments:**

    - `qs`: coordinates of each trajectory, in radians, shape `(time, dof)`. `angles`: indices of the angles.
    - `step`: a step between samples larger than this, in turns, is a jump.
    """
    qs = list(qs)
    for i in angles:
        least, most = min(q[:, i].min() for q in qs), max(q[:, i].max() for q in qs)
        if most - least <= 2 * np.pi * (1 + 1e-6):
            for k, q in enumerate(qs):
                unwrapped = np.unwrap(q[:, i], discont=2 * np.pi * step * (1 + 1e-9))
                if not np.array_equal(unwrapped, q[:, i]):
                    qs[k] = np.concatenate([q[:, :i], unwrapped[:, None], q[:, i + 1 :]], axis=1)
    return qs
