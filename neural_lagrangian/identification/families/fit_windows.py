"""Windows of recorded motion for the fit of a family, in natural units."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...trajectories import Trajectories
from ..recordings import thinned

ROW_INTERVAL = 0.08
"""Longest time between two rows of a window, and longest integration step, in natural units (a period is 6.3)."""
WINDOW_DURATION = 10.0
"""Length of a window in natural units of time."""
MAX_ROWS, MIN_ROWS = 6000, 8
"""Largest number of rows of all windows, which bounds the run time, and least number of rows of a window."""


class FitWindows(NamedTuple):
    """Windows of recorded motion.

    `ts`: shape `(window, row)`. `us`: controls, linear between rows, shape `(window, row, m)`. `ys`: as recorded, shape
    `(window, row, 2 dof)`. `y0s`: estimated initial states. `counts`: one for a row that counts. `size`: typical size
    of each channel. `substeps`: integration steps from one row to the next.
    """

    ts: np.ndarray
    us: np.ndarray
    ys: np.ndarray
    y0s: np.ndarray
    counts: np.ndarray
    size: np.ndarray
    substeps: int

    def padded(self, windows: int) -> "FitWindows":
        """The same number of windows as others have, so that one program serves both: more do not count."""
        return self._at(np.arange(windows))

    def groups(self, windows: int) -> Iterator["FitWindows"]:
        """All windows, so many at a time, so that one program serves them: more in the last group do not count."""
        for first in range(0, len(self.ts), windows):
            yield self._at(np.arange(first, first + windows))

    def _at(self, numbers: np.ndarray) -> "FitWindows":
        """The windows of these numbers; those that do not exist do not count."""
        real = (numbers < len(self.ts))[:, None]
        parts = (self.ts, self.us, self.ys, self.y0s, self.counts)
        ts, us, ys, y0s, counts = (part[numbers % len(self.ts)] for part in parts)
        return FitWindows(ts, us, ys, y0s, counts * real, self.size, self.substeps)

    def only(self, windows: np.ndarray) -> "FitWindows":
        """The same windows, of which only some count: booleans, shape `(window,)`."""
        return self._replace(counts=self.counts * windows[:, None])

    def mean_squares(self, squares: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Mean square residual of each window that counts, from the sums of squares of all windows.

        Channels of infinite noise are not used.
        """
        rows = self.counts.sum(axis=1)
        return squares[rows > 0] / (rows[rows > 0] * np.isfinite(noise).sum())


class WindowPlan(NamedTuple):
    """`stride`: samples from one row to the next. `rows`: of a window. `substeps`: steps between two rows."""

    stride: int
    rows: int
    substeps: int

    @staticmethod
    def of(*parts: Trajectories) -> "WindowPlan":
        """A plan for windows that fit into the longest piece of every part."""
        step = float(np.median(np.concatenate([np.diff(t) for t, _ in parts[0]])))
        stride = max(1, int(ROW_INTERVAL / step))
        most = min((int(part.lengths.max()) - 1) // stride + 1 for part in parts)
        rows = min(round(WINDOW_DURATION / (stride * step)) + 1, most)
        return WindowPlan(stride, rows, max(1, int(np.ceil(stride * step / ROW_INTERVAL * (1 - 1e-9)))))

    @property
    def span(self) -> int:
        """Number of samples of a window."""
        return (self.rows - 1) * self.stride + 1

    def places(self, motion: Trajectories, overlapping: int = 1) -> list[tuple[int, int]]:
        """The piece and the first sample of each window that fits into a motion. `overlapping`: how many overlap."""
        apart = max(1, self.span // overlapping)
        return [(i, k) for i, (t, _) in enumerate(motion) for k in range(0, len(t) - self.span + 1, apart)]

    def spread(self, motion: Trajectories, most: int) -> list[tuple[int, int]]:
        """The places of at most `most` windows, spread evenly over the pieces."""
        places = self.places(motion)
        return [places[k] for k in np.linspace(0, len(places) - 1, min(most, len(places))).astype(int)]

    def windows(
        self, estimated: Trajectories, observed: Trajectories, places: Sequence[tuple[int, int]], size: np.ndarray
    ) -> FitWindows:
        """The windows at these places."""
        pairs, signals = list(zip(estimated, observed, strict=True)), thinned(estimated, self.stride).controls
        rows = [(i, slice(k, k + self.span, self.stride)) for i, k in places]
        (of_estimate, of_record) = zip(*pairs, strict=True)
        ts = np.stack([of_estimate[i][0][at] - of_estimate[i][0][at][0] for i, at in rows])
        us = np.zeros((*ts.shape, 0)) if signals is None else np.stack([signals[i][at] for i, at in rows])
        ys = np.stack([of_record[i][1][at] for i, at in rows])
        y0s = np.stack([of_estimate[i][1][at][0] for i, at in rows])
        ts, us, ys, y0s = (np.asarray(part, np.float64) for part in (ts, us, ys, y0s))
        return FitWindows(ts, us, ys, y0s, np.ones(ts.shape), size, self.substeps)
