r"""Integrals of equations of motion that are linear in their constants, without accelerations.

The equations are integrated over short windows with a weight $\psi$ that vanishes at both ends:

$$-\int \psi' \frac{\partial L}{\partial \dot\theta}\, dt
  = \int \psi \left(\frac{\partial L}{\partial \theta} + Q\right) dt$$
"""

from collections.abc import Iterable

import numpy as np

TEST_DURATION, MIN_TEST_SAMPLES = 1.5, 9
"""Length of a window in natural units of time (a period is 6.3), and the least number of its samples."""


def weak_rows(pieces: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], constants: int) -> np.ndarray:
    """A row for each coordinate and window, a column for each constant; shape `(row, constant)`.

    **Arguments:**

    - `pieces`: times, then momenta and forces at unit constants, shape `(time, coordinate, constant)` each.
    """
    rows = [np.zeros((0, constants))]
    for t, momentum, force in pieces:
        length = max(MIN_TEST_SAMPLES, int(np.ceil(TEST_DURATION / np.median(np.diff(t)))))
        for first in range(0, len(t) - length + 1, max(1, length // 2)):
            at = slice(first, first + length)
            half = (t[at][-1] - t[at][0]) / 2
            s = (t[at] - t[at][0]) / half - 1
            weights = np.gradient(t[at])
            test, slope = (1 - s**2) ** 3, -6 * s * (1 - s**2) ** 2 / half
            rows.append(-np.einsum("t,tbc->bc", weights * slope, momentum[at]))
            rows[-1] -= np.einsum("t,tbc->bc", weights * test, force[at])
    return np.concatenate(rows)


def solved(X: np.ndarray) -> np.ndarray:
    """The coefficients $c$ with $c_0 = 1$ that make $X c$ smallest. Columns are scaled, so that units do not matter."""
    size = np.linalg.norm(X, axis=0)
    size = np.where(size > 0, size, 1.0)
    return np.concatenate([[1.0], np.linalg.lstsq(X[:, 1:] / size[1:], -X[:, 0], rcond=1e-10)[0] / size[1:]])
