"""Parts of a formula that do not act on each other: motion tells nothing of the ratio of their scales."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

LOCKED = 1e-5
"""Relative changes of two coefficients that differ by less than this are the same change."""


class Part(NamedTuple):
    """Coefficients in fixed proportions, `members`, and the one of them, `pivot`, that sets their scale."""

    members: tuple[int, ...]
    pivot: int


def parts_of(changes: Float[np.ndarray, "coefficient direction"]) -> list[tuple[int, ...]]:
    """Coefficients whose ratio no change without effect changes, together: of one part where all are in proportion.

    **Arguments:**

    - `changes`: relative changes of the coefficients that have no effect, as columns.
    """
    if changes.shape[1] < 2:
        return [tuple(range(len(changes)))]
    basis = np.linalg.qr(changes)[0]
    parts: list[list[int]] = []
    for k, row in enumerate(basis):
        same = (p for p in parts if np.abs(basis[p[0]] - row).max() <= LOCKED * np.abs(basis).max())
        found = next(same, None)
        if found is None:
            parts.append([k])
        else:
            found.append(k)
    return [tuple(part) for part in parts]


def described(names: Sequence[str], parts: Sequence[Part], errors: np.ndarray, c: np.ndarray) -> list[str]:
    """Notes on the parts: first which scales are free, then the errors within each part but the first.

    **Arguments:**

    - `names`: of all coefficients. `errors`: of each beside the pivot of its part. `c`: the coefficients.
    """
    if len(parts) < 2:
        return []
    sets = "; ".join(", ".join(names[k] for k in part.members) for part in parts)
    lines = [f"parts that do not act on each other, so that motion does not tell the ratio of their scales: {sets}"]
    for part in parts[1:]:
        ratios = [f"{names[k]}: {c[k]:.6g} +- {1.96 * errors[k]:.2g} (95 %)" for k in part.members if k != part.pivot]
        if ratios:
            lines.append(f"where {names[part.pivot]} has {c[part.pivot]:.4g}, {', '.join(ratios)}")
    return lines
