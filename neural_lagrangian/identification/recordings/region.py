"""The range of states that a model was trained on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...trajectories import Trajectories
from .columns import Columns


class Region(NamedTuple):
    """Minimum and maximum of coordinates and velocities in the training data, in SI units; NaN for angles."""

    least: np.ndarray
    most: np.ndarray

    @staticmethod
    def of(motion: Trajectories, columns: Columns) -> "Region":
        """The region of a motion."""
        ys = np.array(motion.ys[motion.mask], float)
        ys[:, list(columns.periodic)] = np.nan
        return Region(ys.min(axis=0), ys.max(axis=0))

    @property
    def settings(self) -> dict[str, list[float]]:
        """The fields as lists."""
        return {name: row.tolist() for name, row in self._asdict().items()}

    @staticmethod
    def read(settings: dict[str, Any]) -> "Region | None":
        """The region in the settings of a model; `None` if they do not hold it."""
        region = settings.get("region")
        if not isinstance(region, dict):
            return None
        return Region(*(np.array(region[name], float) for name in Region._fields))

    def outside(self, ys: np.ndarray, names: Sequence[str], what: str = "recording") -> str:
        """Text: the share of states outside by more than a tenth of the range, and where; empty if none is outside."""
        margin = 0.1 * (self.most - self.least)
        beyond = (ys < self.least - margin) | (ys > self.most + margin)
        share = beyond.any(axis=1).mean()
        if share == 0:
            return ""
        k = int(np.argmax(beyond.mean(axis=0)))
        return (
            f"{max(share, 0.01):.0%} of the {what} lies outside of the training data of the model: {names[k]} from "
            f"{ys[:, k].min():.3g} to {ys[:, k].max():.3g}; trained on {self.least[k]:.3g} to {self.most[k]:.3g}"
        )
