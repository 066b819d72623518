"""The words in the names of columns."""

import re

WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def words_of(name: str) -> list[str]:
    """The words of a name in lower case, without digits and marks: `motor`, `angle` for `motorAngle_2`."""
    return [word.lower() for word in WORD.findall(name)]
