"""Which constants a candidate of a family has, and how it differs from another candidate of the family, in words."""

from typing import NamedTuple

import numpy as np

from .family import AbstractFamily
from .friction import WORDS


class Variant(NamedTuple):
    """A family with some of its constants; the others are zero.

    `joints`: names of all joints. `friction`: pairs of a kind of friction and a joint. `offsets`: number of fitted
    sensor offsets; others are whole multiples of a right angle, or zero. `left_out`: constants of the Lagrangian that
    are zero. `controls`: names of all controls. `driven`: pairs of a control and a joint that it drives.
    """

    joints: tuple[str, ...]
    friction: frozenset[tuple[str, str]]
    offsets: int
    left_out: tuple[str, ...]
    controls: tuple[str, ...] = ()
    driven: frozenset[tuple[str, str]] = frozenset()

    @staticmethod
    def of(family: AbstractFamily, free: np.ndarray, controls: tuple[str, ...] = ()) -> "Variant":
        """The variant of a family with these unknowns. `free`: one for a fitted one, zero for a fixed one. `controls`:
        their names.
        """
        at, joints = family.slices, tuple(family.joint_names)
        friction = frozenset(
            (words, joint)
            for kind, words in WORDS.items()
            for joint, is_free in zip(joints, free[getattr(at, kind)], strict=True)
            if is_free
        )
        left_out = tuple(family.labels[i][0] for i in np.flatnonzero(free[at.constants] == 0))
        gains = free[at.gain].reshape(len(joints), len(controls))
        driven = frozenset((controls[k], joints[i]) for i, k in np.argwhere(gains))
        return Variant(joints, friction, int(np.sum(free[at.offset] != 0)), left_out, controls, driven)

    def __str__(self) -> str:
        """The friction, what drives it, the sensor offsets if they are fitted, and what is left out."""
        driven = self._placed(self.driven, self.controls)
        parts = [f"driven by {' and '.join(driven)}"] if driven else []
        parts += [f"with {self._offsets}"] if self.offsets else []
        idle = [control for control in self.controls if control not in {name for name, _ in self.driven}]
        left_out = [*self.left_out, *idle]
        parts += [f"without {' and '.join(left_out)}"] if left_out else []
        return ", ".join([*self._named(self.friction), *parts])

    def unlike(self, other: "Variant") -> str:
        """What this variant has and another one of the same family lacks, and the reverse."""
        more = self._named(self.friction - other.friction) if self.friction - other.friction else []
        less = self._named(other.friction - self.friction) if other.friction - self.friction else []
        less = ["friction"] if less and not self.friction else less
        if bool(self.offsets) != bool(other.offsets):
            (more if self.offsets else less).append((self if self.offsets else other)._offsets)
        more += self._placed(self.driven - other.driven, self.controls)
        less += self._placed(other.driven - self.driven, self.controls)
        more += [name for name in other.left_out if name not in self.left_out]
        less += [name for name in self.left_out if name not in other.left_out]
        parts = {"with": more, "without": less}
        return " and ".join(f"{word} {', '.join(names)}" for word, names in parts.items() if names)

    @property
    def _offsets(self) -> str:
        return "a sensor offset" if self.offsets == 1 else "sensor offsets"

    def _named(self, friction: frozenset[tuple[str, str]]) -> list[str]:
        """Each kind of friction with its joints."""
        return self._placed(friction, tuple(WORDS.values())) or ["no friction"]

    def _placed(self, pairs: frozenset[tuple[str, str]], names: tuple[str, ...]) -> list[str]:
        """Each of the names with its joints, which are named if there are several."""
        parts = []
        for name in names:
            at = [joint for joint in self.joints if (name, joint) in pairs]
            every = len(at) == len(self.joints)
            where = "" if len(self.joints) == 1 else " at every joint" if every else f" at {' and '.join(at)}"
            parts += [f"{name}{where}"] if at else []
        return parts
