"""The words in the names of columns, and what they are usual for."""

import re
from typing import Literal, TypeAlias

WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
NameKind: TypeAlias = Literal["velocity", "other", "control", "coordinate", "control, maybe"]
USUAL: dict[NameKind, str] = {
    "velocity": r"omega|vel|velocity|velocities|speed|rate|gyro|gyroscope|dot|\w+dot|[vwg][xyz]?"
    r"|d(theta|phi|psi|alpha|angle|pos|[xyzqr])",
    "other": r"acc|accel|acceleration|a[xyz]|status|valid|temp|temperature|likelihood|confidence|quality|battery"
    r"|humidity|pressure|rssi|energy|ke|pe",
    "control": r"torque|tau|force|effort|voltage|volt|current|pwm|duty|command|cmd|setpoint|reference|ref|desired|des"
    r"|target|goal",
    "coordinate": r"angle|theta|phi|psi|pos|position|displacement|distance|height|pitch|roll|yaw",
    "control, maybe": r"motor|input|control|u",
}
"""Words that are usual for velocities, for columns with no role, for controls, and for coordinates."""
ANGLES = {"theta", "phi", "psi", "angle", "azimuth", "pitch", "roll", "yaw"}
"""Words that are usual for angles."""
TREATED = {"deg", "degrees", "rad", "radians", "m", "cm", "mm", "raw", "filt", "filtered", "smooth", "smoothed"}
"""Words that tell columns of one quantity apart."""
STEPS = {"count", "counts", "tick", "ticks", "step", "steps", "pulses", "encoder", "enc", "adc", "pot", "raw", "lsb"}
"""Words that are usual for numbers as a sensor writes them."""


def words_of(name: str) -> list[str]:
    """The words of a name in lower case, without digits and marks: `motor`, `angle` for `motorAngle_2`."""
    return [word.lower() for word in WORD.findall(name)]


def without_marks_of_treatment(name: str) -> str:
    """The words of a name and its digits, without those that say in which unit a quantity is, or how it was treated."""
    kept = [word for word in words_of(name) if word not in TREATED]
    return " ".join([*kept, *re.findall(r"\d+", name)])


def kind_of_name(name: str) -> NameKind | None:
    """The kind of column for which a name is usual: the first kind of which it has a word; `None` if it has none."""
    words = words_of(name)
    return next((kind for kind, usual in USUAL.items() if any(re.fullmatch(usual, word) for word in words)), None)


def is_named_as_angle(name: str) -> bool:
    """Whether a name is usual for angles."""
    return not ANGLES.isdisjoint(words_of(name))


def is_named_as_steps(name: str) -> bool:
    """Whether a name is usual for numbers as a sensor writes them."""
    return not STEPS.isdisjoint(words_of(name))
