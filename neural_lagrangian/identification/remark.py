"""Sentences on a recording or a fit, with the options that would help."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..trajectories import Trajectories


class Remark(NamedTuple):
    """A sentence with options of `identify` in it that would help.

    The sentence is `before`, then the `options`, then `after`. `str` writes the options as Python arguments;
    `with_options` writes them in another form.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> remark = nl.identification.Remark("phi: jumps by a turn (", {"angles": ["phi"]}, ")")
    >>> print(remark)
    phi: jumps by a turn (angles=['phi'])
    >>> remark.with_options(lambda name, value: f"--{name} {' '.join(value)}")
    'phi: jumps by a turn (--angles phi)'
    ```
    """

    before: str
    options: Mapping[str, Any] = {}
    after: str = ""

    def with_options(self, written: Callable[[str, Any], str], between: str = ", ") -> str:
        """The sentence, with each option written by `written(name, value)`."""
        return f"{self.before}{between.join(written(*option) for option in self.options.items())}{self.after}"

    def about(self, name: str) -> "Remark":
        """The same remark with the name of the recording before it."""
        return self._replace(before=f"{name}: {self.before}")

    def __str__(self) -> str:
        """The sentence, with options as Python arguments."""
        return self.with_options(lambda name, value: f"{name}={value!r}")


def counted(what: Remark, wrong: list[np.ndarray], trajectories: Trajectories) -> list[Remark]:
    """The remark with the number of wrong samples and the time of the first; no remark if there are none."""
    count = int(sum(rows.sum() for rows in wrong))
    if not count:
        return []
    i = next(i for i, rows in enumerate(wrong) if rows.any())
    time = list(trajectories)[i][0][int(np.argmax(wrong[i]))]
    where = f" of trajectory {i}" if len(trajectories) > 1 else ""
    return [what._replace(after=f"{what.after}: {count} in all, the first at {time:.6g} s{where}")]
