"""What the figures share."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes


def axes(ax: Axes | None) -> Axes:
    """The axes given, or those of a new figure."""
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def legend_below(ax: Axes, *, columns: int = 3, background: str | None = None) -> None:
    """Where it hides nothing; `layout="constrained"` makes room for it."""
    frame: dict[str, Any] = {"frameon": False} if background is None else {"facecolor": background}
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns, fontsize="small", **frame)


def finite(values: Any) -> np.ndarray:
    """`values` with gaps where they are not finite: a failed rollout ends, the figure goes on."""
    values = np.asarray(values, float)
    return np.where(np.isfinite(values), values, np.nan)
