"""Training callbacks."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Progress(NamedTuple):
    """The state of a training, as callbacks get it.

    - `step`, `steps`: number of steps taken, and total number.
    - `horizon`: horizon of the last windows.
    - `loss`: loss of the last step.
    - `diverged`: number of windows that have diverged so far.
    - `held_out`: validation loss of the last step; NaN if it was not computed.
    - `seconds`: time since the start.
    - `model()`: the model that `fit` would return now: the best on the validation set, otherwise the latest.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> enough = lambda progress: progress.loss < 1e-3  # a callback: `fit` ends once it is true
    >>> now = nl.training.Progress(100, 1000, 8, loss=5e-4, diverged=0, held_out=6e-4, seconds=3.0, model=lambda: None)
    >>> enough(now)
    True
    ```
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
"""A function that gets a `Progress` every few steps. Training ends when it returns `True`."""


def json_lines(path: str | Path) -> Callback:
    """A callback that appends a line of JSON to a file: step, horizon, loss, diverged, held_out, seconds.

    A resumed training may write some steps a second time; then the later lines are valid. A number that is not finite
    is written as `null`.

    **Arguments:**

    - `path`: the file, such as `"history.jsonl"`. New lines are added at its end.

    **Example:**

    ```python
    >>> import json, pathlib, neural_lagrangian as nl
    >>> write = nl.training.json_lines("log.jsonl")  # a callback of `fit`, by `Watching(callbacks=[write])`
    >>> write(nl.training.Progress(100, 1000, 8, loss=0.5, diverged=0, held_out=0.6, seconds=3.0, model=lambda: None))
    >>> json.loads(pathlib.Path("log.jsonl").read_text())["loss"]
    0.5
    ```
    """
    names = ("step", "steps", "horizon", "loss", "diverged", "held_out", "seconds")

    def write(progress: Progress) -> None:
        values = {name: getattr(progress, name) for name in names}
        known = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with Path(path).open("a") as file:
            file.write(json.dumps(known) + "\n")

    return write


def scalars(writer: Any) -> Callback:
    """A callback that writes `loss`, `held_out`, `diverged` and `horizon` to a writer such as TensorBoard's.

    **Arguments:**

    - `writer`: anything with `add_scalar(name, value, step)`, such as the `SummaryWriter` of tensorboardX or PyTorch,
      whose files TensorBoard shows.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> class Writer:
    ...     def add_scalar(self, name, value, step):
    ...         print(name, value, step)
    >>> write = nl.training.scalars(Writer())  # a callback of `fit`, by `Watching(callbacks=[write])`
    >>> write(nl.training.Progress(100, 1000, 8, loss=0.5, diverged=0, held_out=0.6, seconds=3.0, model=lambda: None))
    loss 0.5 100
    held_out 0.6 100
    diverged 0 100
    horizon 8 100
    ```
    """

    def write(progress: Progress) -> None:
        for name in ("loss", "held_out", "diverged", "horizon"):
            value = getattr(progress, name)
            if math.isfinite(value):
                writer.add_scalar(name, value, progress.step)

    return write
