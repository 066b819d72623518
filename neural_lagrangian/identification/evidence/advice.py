"""Which motion to record next: the direction in which the constants are least certain."""

from collections.abc import Sequence

import numpy as np

from ..candidates import Candidate
from ..families import FamilyFit, labels_of_forces
from ..formulas import Constant
from .undecided import Undecided

WELL_KNOWN = 0.02
"""Relative standard error below which a constant is well known."""
MIN_SIZE, MIN_FRICTION = 0.1, 1e-4
"""Smallest sizes of an unknown and of a constant of friction, in natural units, relative to which errors count."""
FREE_SCALE = "Constants are ratios: free motion cannot determine the scale of the Lagrangian, such as masses in kg."
"""Said of the constants that are fitted to free motion."""
DRIVEN_SCALE = (
    "Constants are ratios. If a control is a known force or torque, its gain should be 1: divide the Lagrangian, the "
    "friction and the gains by it to get all of them in SI units."
)
"""Said of the constants that are fitted to driven motion."""
ADVICE = {
    "offset": "record swings to both sides of the rest position",
    "linear": "record one long decay from the largest motion to rest",
    "dry": "record the last, slow swings until the system stops",
    "drag": "record faster motion, from the largest amplitude that is possible",
    "gain": "drive it with larger controls, each at a time of its own, and record free motion too",
    "constants": "record larger motions, and motions that start at different coordinates one after another",
}
"""What to record if a kind of constant is not certain."""


def weakest(fit: FamilyFit) -> tuple[str, list[int]]:
    """The kind of the constants that are least certain together, and their indices.

    They are the largest entries of the eigenvector of the information matrix with the smallest eigenvalue, with each
    unknown divided by its size.
    """
    free = np.flatnonzero(fit.free)
    size = _sizes(fit)[free]
    _, vectors = np.linalg.eigh(fit.covariance[np.ix_(free, free)] / np.outer(size, size))
    weak = np.abs(vectors[:, -1])
    chosen = free[np.flatnonzero(weak > 0.5 * weak.max())]
    return fit.family.slices.kind(int(free[np.argmax(weak)]), len(fit.x)), chosen.tolist()


def what_next(one: Candidate, controls: Sequence[str] = (), undecided: Sequence[Undecided] = ()) -> str:
    """A sentence on the next recording. `controls`: their names. `undecided`: friction that is likely, but not
    shown.
    """
    assert one.fit is not None
    if undecided:
        return f"Another motion would show whether there is {undecided[0].name}: {ADVICE[undecided[0].kind]}."
    if not one.fit.free.any():
        return "All constants are known."
    kind, chosen = weakest(one.fit)
    free = np.flatnonzero(one.fit.free)
    errors = np.sqrt(np.maximum(np.diagonal(one.fit.covariance), 0.0))[free] / _sizes(one.fit)[free]
    if errors.max() < WELL_KNOWN:
        return "All constants are known to better than 2 %. Another recording should cover states beyond this one."
    named = _named(one, chosen, controls)
    what = f" ({', '.join(named)})" if named else ""
    return f"The least certain constants{what} would profit most from another motion: {ADVICE[kind]}."


def _sizes(fit: FamilyFit) -> np.ndarray:
    """Sizes of the unknowns, relative to which their errors count."""
    least = np.full(len(fit.x), MIN_SIZE)
    least[fit.family.slices.of_friction] = MIN_FRICTION
    return np.maximum(np.abs(fit.x), least)


def _named(one: Candidate, chosen: list[int], controls: Sequence[str]) -> list[str]:
    """Names of the friction, gains and offsets among unknowns; others are mixed in the constants of a formula."""
    assert one.fit is not None
    family, at = one.fit.family, one.fit.family.slices
    words = [name for name, _ in labels_of_forces(family, controls)]
    offsets = [name for name, _ in family.labels[len(family.labels) - (at.offset.stop - at.offset.start) :]]
    names = dict(zip(range(at.offset.start, len(one.fit.x)), [*offsets, *words], strict=True))
    return [names[i] for i in chosen if i in names]


def uncertain(
    constants: tuple[Constant, ...], controls: Sequence[str] = (), undecided: Sequence[Undecided] = ()
) -> list[str]:
    """Sentences on constants that are hardly known, and on friction that is not excluded. `controls`: names of those
    that drive the motion.
    """
    weak = [one.name for one in constants if one.error > 0.5 * abs(one.value) and one.unit != "deg"]
    hardly = [f"Hardly known, with an error of more than half the value: {', '.join(weak)}."] if weak else []
    most = [f"{one.name} up to {one.most:.2g}" for one in undecided]
    excluded = [f"Not excluded: {', '.join(most)} (one in twenty is larger)."] if most else []
    return [DRIVEN_SCALE if controls else FREE_SCALE, *hardly, *excluded]
