"""Sentences on a recording or a fit, with what would help."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Remark(NamedTuple):
    """A sentence, in the middle of which stand the `options` of `identify` that would help, with their values.

    `str` writes them as arguments of Python, `with_options` in another way.

    **Example:**

    ```python
    remark = nl.identification.Remark("phi: jumps of a turn (", {"angles": ["phi"]}, ")")
    print(remark)  # phi: jumps of a turn (angles=['phi'])
    remark.with_options(lambda name, value: f"--{name} {' '.join(value)}")  # phi: jumps of a turn (--angles phi)
    ```
    """

    before: str
    options: Mapping[str, Any] = {}
    after: str = ""

    def with_options(self, written: Callable[[str, Any], str], between: str = ", ") -> str:
        """The sentence, each option as `written(name, value)`."""
        return f"{self.before}{between.join(written(*option) for option in self.options.items())}{self.after}"

    def about(self, name: str) -> "Remark":
        """The same on the recording of a name."""
        return self._replace(before=f"{name}: {self.before}")

    def __str__(self) -> str:
        return self.with_options(lambda name, value: f"{name}={value!r}")
