"""Training callbacks."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Progress(NamedTuple):
    """How a training goes.

    `step`, the steps taken, of `steps` in all; the `horizon` of their windows; the `loss` of the last step; how many
    windows have `diverged` so far; the `held_out` loss of the last step, NaN where it was not computed; `seconds` since
    the start; and `model()`, the model that `fit` would return now: the best on held-out motion, else the latest.
    """

    step: int
    steps: int
    horizon: int
    loss: float
    diverged: int
    held_out: float
    seconds: float
    model: Callable[[], Any]


Callback = Callable[[Progress], Any]
"""A function that gets a `Progress` every few steps; training ends once it returns `True`."""


def json_lines(path: str | Path) -> Callback:
    """A callback that adds a line of JSON to a file each time: step, horizon, loss, diverged, held_out, seconds.

    A training that goes on after it was killed may write some steps a second time: the later lines hold. What is not
    finite is `null`.
    """
    names = ("step", "steps", "horizon", "loss", "diverged", "held_out", "seconds")

    def write(progress: Progress) -> None:
        values = {name: getattr(progress, name) for name in names}
        known = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with Path(path).open("a") as file:
            file.write(json.dumps(known) + "\n")

    return write


def scalars(writer: Any) -> Callback:
    """A callback that passes `loss`, `held_out`, `diverged` and `horizon` on to a writer of scalars, by the step.

    **Arguments:**

    - `writer`: anything with `add_scalar(name, value, step)`, such as the `SummaryWriter` of tensorboardX or PyTorch,
      whose files TensorBoard shows.
    """

    def write(progress: Progress) -> None:
        for name in ("loss", "held_out", "diverged", "horizon"):
            value = getattr(progress, name)
            if math.isfinite(value):
                writer.add_scalar(name, value, progress.step)

    return write
