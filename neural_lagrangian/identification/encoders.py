"""Angles in steps of an encoder whose number of steps in a turn is not known: the motion of a pendulum tells it."""

from collections.abc import Callable, Sequence

import numpy as np

from ..trajectories import Scaling, Trajectories
from .families import solved, weak_rows
from .recordings import Angles, Recording

LINES = (100, 200, 300, 360, 400, 500, 600, 1000, 1200, 1250, 1500, 1800, 2000, 2500, 3000, 3600, 5000, 9000)
STEPS_OF_A_TURN = sorted({2**k for k in range(8, 17)} | {lines * edges for lines in LINES for edges in (1, 2, 4)})
"""Usual numbers of steps in a turn: powers of two of absolute encoders, and lines of incremental ones, of which one,
two or four edges count.
"""
MIN_STEPS = 50
"""Range of a coordinate, in steps, from which on whole numbers are taken for those of a sensor."""
MIN_GAIN, TOLERANCE = 1.5, 0.06
"""Factor by which the force of a pendulum must fit better than that of a linear spring, and relative error of
the number of steps: noise makes it inexact.
"""
MAX_FOUND = 3
"""Largest number of possible numbers of steps."""


def angles_in_steps(recording: Recording, open: Sequence[str]) -> list[Angles]:
    """The only coordinate as an angle in steps of an encoder, once for each possible size of a step.

    There are none if it is not in whole numbers.

    **Arguments:** `open`: the coordinates of which nothing says whether they are angles.
    """
    recorded = recording.recorded
    q = recorded.ys[recorded.mask][:, 0]
    if recorded.dof > 1 or not open or not (np.all(q == np.round(q)) and np.ptp(q) >= MIN_STEPS):
        return []
    found = steps_of_a_turn(recording.trajectories)
    return [Angles(tuple(open), f"{360 / n:.10g} deg", is_usual=False) for n in found]


def steps_of_a_turn(motion: Trajectories) -> list[int]:
    r"""Usual numbers of steps with which one coordinate moves like a pendulum, the most likely first.

    The equation of motion of a pendulum with friction, for $n$ steps in a turn and $\kappa = 2 \pi / n$,

    $$a = c_1 \sin(\kappa q) + c_2 \cos(\kappa q) - c_3 v - c_4 \operatorname{sign} v,$$

    is integrated over short windows. There are none if small swings, or another force, do not tell the number.

    **Arguments:** `motion`: one smoothed coordinate in steps, and its velocity.
    """
    time = float(Scaling.of(motion, centre=True).t_scale)
    pieces = [(t / time, q, v * time) for t, (q, v) in ((t, y.T) for t, y in motion)]

    def left(force: Callable[[np.ndarray], list[np.ndarray]]) -> float:
        parts = []
        for t, q, v in pieces:
            forces = np.stack([*force(q), v, np.sign(v)], axis=1)
            momentum = np.concatenate([v[:, None], 0 * forces], axis=1)
            parts.append((t, momentum[:, None], np.concatenate([0 * v[:, None], forces], axis=1)[:, None]))
        X = weak_rows(parts, parts[0][1].shape[2])
        return float(np.sum((X @ solved(X)) ** 2))

    errors = {n: left(lambda q, k=2 * np.pi / n: [np.sin(k * q), np.cos(k * q)]) for n in STEPS_OF_A_TURN}
    best = min(errors, key=lambda n: errors[n])
    if not MIN_GAIN * errors[best] <= left(lambda q: [q, np.ones_like(q)]):
        return []
    near = [n for n in STEPS_OF_A_TURN if abs(n - best) <= TOLERANCE * best]
    return sorted(near, key=lambda n: errors[n])[:MAX_FOUND]
