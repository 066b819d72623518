"""The circle on which points lie."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

STRAIGHT = 100.0
"""Radius from which points are on a line, in RMS distances from their mean: an arc of about a degree."""


class Circle(NamedTuple):
    """A circle through points, in their unit.

    `centre`: shape `(2,)`. `error`: standard error of the radius; infinite for points on a line. `misfit`: RMS distance
    of the points from the circle.
    """

    centre: np.ndarray
    radius: float
    error: float
    misfit: float


def circle_through(points: np.ndarray) -> Circle:
    r"""The circle with the least squared distances from points, $\sum_i (|x_i - c| - r)^2$.

    The first guess is that of Taubin (1991), which short arcs do not bias, in the form of Chernov (2010), section 5.9.

    **Arguments:**

    - `points`: shape `(sample, 2)`.
    """
    mean = points.mean(axis=0)
    scale = float(np.sqrt(np.mean(np.sum((points - mean) ** 2, axis=1))))
    x = (points - mean) / (scale or 1.0)  # mean square one
    _, _, axes = np.linalg.svd(np.column_stack([(np.sum(x**2, axis=1) - 1) / 2, x]), full_matrices=False)
    bend, *slope = axes[-1]
    start = -np.array(slope) / (bend or 1.0)

    def distances(c: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x - c[:2], axis=1) - c[2]

    def jacobian(c: np.ndarray) -> np.ndarray:
        away = x - c[:2]
        return np.column_stack([-away / np.linalg.norm(away, axis=1, keepdims=True), -np.ones(len(x))])

    guess = [*start, np.linalg.norm(x - start, axis=1).mean()]
    fit = least_squares(distances, guess, jacobian, method="lm")  # pyright: ignore[reportArgumentType]
    variance = 2 * fit.cost / max(len(x) - 3, 1)
    _, sizes, axes = np.linalg.svd(fit.jac, full_matrices=False)
    known = len(x) > 3 and fit.x[2] < STRAIGHT and sizes[-1] > np.finfo(float).eps * sizes[0]
    error = float(np.sqrt(variance * np.sum((axes[:, 2] / sizes) ** 2))) if known else np.inf
    misfit = float(np.sqrt(2 * fit.cost / len(x)))
    return Circle(mean + scale * fit.x[:2], scale * float(fit.x[2]), scale * error, scale * misfit)
