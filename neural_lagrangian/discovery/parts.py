"""Parts of a formula that do not interact: motion does not determine the ratio of their scales."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .formula import NORMAL_95

SAME_CHANGE = 1e-5
"""Relative difference below which the changes of two coefficients count as equal."""


class Part(NamedTuple):
    """Indices of coefficients with a common scale, `members`; the `pivot` among them sets this scale."""

    members: tuple[int, ...]
    pivot: int


def parts_of(changes: Float[np.ndarray, "coefficient direction"]) -> list[tuple[int, ...]]:
    """Groups coefficients into parts: within a part all changes without effect keep the ratios of coefficients.

    **Arguments:**

    - `changes`: relative changes of the coefficients that do not change the motion, as columns.
    """
    if changes.shape[1] < 2:
        return [tuple(range(len(changes)))]
    basis = np.linalg.qr(changes)[0]
    parts: list[list[int]] = []
    for k, row in enumerate(basis):
        same = (p for p in parts if np.abs(basis[p[0]] - row).max() <= SAME_CHANGE * np.abs(basis).max())
        found = next(same, None)
        if found is None:
            parts.append([k])
        else:
            found.append(k)
    return [tuple(part) for part in parts]


def notes_on_parts(names: Sequence[str], parts: Sequence[Part], errors: np.ndarray, c: np.ndarray) -> list[str]:
    """Notes on the parts: which scales are free, then intervals within each part except the first.

    **Arguments:**

    - `names`: names of all coefficients. `c`: coefficients.
    - `errors`: standard errors relative to the pivot of the part.
    """
    if len(parts) < 2:
        return []
    sets = "; ".join(", ".join(names[k] for k in part.members) for part in parts)
    lines = [f"parts that do not interact, so motion does not determine the ratio of their scales: {sets}"]
    for part in parts[1:]:
        ratios = [
            f"{names[k]}: {c[k]:.6g} +- {NORMAL_95 * errors[k]:.2g} (95 %)" for k in part.members if k != part.pivot
        ]
        if ratios:
            lines.append(f"if {names[part.pivot]} has the coefficient {c[part.pivot]:.4g}: {', '.join(ratios)}")
    return lines
