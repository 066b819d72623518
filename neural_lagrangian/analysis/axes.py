"""Helper functions for figures."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes


def axes(ax: Axes | None) -> Axes:
    """The given axes, or those of a new figure."""
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def legend_below(ax: Axes, *, columns: int = 3, background: str | None = None) -> None:
    """Put the legend below the axes, where it hides nothing. `layout="constrained"` makes room for it."""
    frame: dict[str, Any] = {"frameon": False} if background is None else {"facecolor": background}
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns, fontsize="small", **frame)


def nan_where_infinite(values: Any) -> np.ndarray:
    """Replace values that are not finite by NaN, which matplotlib shows as a gap."""
    values = np.asarray(values, float)
    return np.where(np.isfinite(values), values, np.nan)
