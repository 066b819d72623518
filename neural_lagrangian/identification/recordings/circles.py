"""The circle on which points lie."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from ...numerics import DEVIATION_OF_MEDIAN

STRAIGHT = 100.0
"""Radius from which points are on a line, in RMS distances from their mean: an arc of about a degree."""
OUTLIER = 6.0
"""Distance of an outlier from the median, in standard deviations (by the median absolute deviation)."""
MAX_OUTLIERS = 0.05
"""Largest share of outliers, such as frames in which another thing was tracked. If there are more, there are none."""
MAX_ROUNDS = 10
"""Largest number of fits, each without the outliers of the one before."""
TRIPLES, SAMPLES = 300, 1000
"""Numbers of circles through three points that are tried first, and of points that are compared with each."""


class Circle(NamedTuple):
    """A circle through points, in their unit.

    `centre`: shape `(2,)`. `error`: standard error of the radius; infinite for points on a line. `misfit`: RMS distance
    of the points from the circle. `outliers`: number of points that do not count.
    """

    centre: np.ndarray
    radius: float
    error: float
    misfit: float
    outliers: int = 0


def circle_through(points: np.ndarray) -> Circle:
    r"""The circle with the least squared distances from points, $\sum_i (|x_i - c| - r)^2$, without outliers.

    **Arguments:**

    - `points`: shape `(sample, 2)`.
    """
    circle = _fitted(points[_near_a_circle(points)])
    kept = np.ones(len(points), bool)
    for _ in range(MAX_ROUNDS):
        before, kept = kept, usual(np.linalg.norm(points - circle.centre, axis=1) - circle.radius)
        circle = _fitted(points[kept])._replace(outliers=int((~kept).sum()))
        if np.array_equal(before, kept):
            break
    return circle


def _near_a_circle(points: np.ndarray) -> np.ndarray:
    """The points nearest to the best circle through three of them: all but `MAX_OUTLIERS`.

    Unlike least squares, this finds the circle if a few points are far away (Fischler and Bolles 1981).
    """
    first, *others = points[np.random.default_rng(0).integers(len(points), size=(3, TRIPLES))]
    (bx, by), (cx, cy) = ((other - first).T for other in others)
    b, c = bx**2 + by**2, cx**2 + cy**2
    with np.errstate(divide="ignore", invalid="ignore"):  # three points on a line
        to_centre = np.column_stack([cy * b - by * c, bx * c - cx * b]) / (2 * (bx * cy - by * cx))[:, None]
    radii = np.linalg.norm(to_centre, axis=1)
    some = points[:: -(-len(points) // SAMPLES), None]
    errors = np.abs(np.linalg.norm(some - first - to_centre, axis=2) - radii)
    each = np.quantile(errors, 1 - MAX_OUTLIERS, axis=0)
    best = int(np.argmin(np.where(np.isfinite(each), each, np.inf)))
    apart = np.abs(np.linalg.norm(points - first[best] - to_centre[best], axis=1) - radii[best])
    return np.argsort(apart)[: int(np.ceil((1 - MAX_OUTLIERS) * len(points)))]


def usual(errors: np.ndarray) -> np.ndarray:
    """Which errors are no outliers. If more than `MAX_OUTLIERS` are, all count."""
    apart = np.abs(errors - np.median(errors))
    kept = apart <= OUTLIER * DEVIATION_OF_MEDIAN * np.median(apart)
    return kept if kept.mean() >= 1 - MAX_OUTLIERS else np.ones(len(errors), bool)


def _fitted(points: np.ndarray) -> Circle:
    """The circle of all points.

    The first guess is that of Taubin (1991), which short arcs do not bias, in the form of Chernov (2010), section 5.9.
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
