"""What else a training may be told: how windows are rolled out, what is watched, and how it is run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jax.sharding import Mesh

from ..integrators import Controller
from .progress import Callback


@dataclass(frozen=True, kw_only=True)
class Rollouts:
    """How `fit` cuts windows and rolls them out.

    **Arguments:**

    - `stride`: samples from one row of a window to the next.
    - `stepsize_controller`: how rollouts step during training, or a sequence of them, one for each stage: cheap fixed
      steps first, adaptive ones later. `None` means as the model says, or `StepsPerSample(1)` where the model has
      neither `stepsize_controller` nor `dt0`. Adaptive steps may be as many as successful rollouts need, within the
      model's `max_steps`. `StepsPerSample` takes more steps where samples are far apart. The trained model has its own
      controller again.
    - `estimate_states`: whether the true states of the trajectories are trained too, from the recorded ones on: for
      noisy recordings. Losses with rollouts start from them (`window.states`).

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> rollouts = nl.training.Rollouts(stride=2, stepsize_controller=nl.StepsPerSample(4))
    >>> rollouts.stride, rollouts.estimate_states
    (2, False)
    ```
    """

    stride: int = 1
    stepsize_controller: Controller | Sequence[Controller | None] | None = None
    estimate_states: bool = False


@dataclass(frozen=True, kw_only=True)
class Watching:
    """What `fit` looks at on its way, and what ends it early.

    **Arguments:**

    - `look_every`: steps from one look at the held-out motion to the next.
    - `patience`: looks in a row without a better model, after which a stage ends; `None` for never. It needs held-out
      motion.
    - `largest_divergence`: the share of the windows of the last 100 steps that may diverge, from 0 to 1; beyond it
      `fit` raises `DivergenceError`.
    - `callbacks`: functions that get a `Progress` every few steps, such as `json_lines(path)`. Training ends once one
      of them returns `True`.
    - `progress`: whether progress is shown: a bar on a terminal and in a notebook, elsewhere a line every few seconds.

    **Raises:** `ValueError` for numbers below 1.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> watching = nl.training.Watching(look_every=20, patience=3, progress=False)
    >>> watching.look_every, watching.largest_divergence
    (20, 0.9)
    ```
    """

    look_every: int = 100
    patience: int | None = None
    largest_divergence: float = 0.9
    callbacks: Sequence[Callback] = ()
    progress: bool = True

    def __post_init__(self):
        check_at_least_one(look_every=self.look_every, patience=self.patience)


@dataclass(frozen=True, kw_only=True)
class Running:
    """As how many members, on which devices and from which checkpoint `fit` runs.

    **Arguments:**

    - `members`: number of models of an ensemble, trained side by side in one compiled step, each on batches of its
      own; one that diverges does not touch the others. `model` is then a stack of so many,
      `eqx.filter_vmap(make)(keys)`, and so is the trained one; each has its own best on held-out motion. Losses and
      optimisers may differ between members: `jax.lax.axis_index(training.MEMBER)` is the number of the member.
    - `mesh`: devices along one axis, such as `jax.make_mesh((4,), ("data",))`, that share the windows of each step. The
      trajectories are dealt out over them, so that none holds all. With several processes (`jax.distributed`) all
      call `fit`, each with its own trajectories and with the same for all else; the first one writes files and calls
      the callbacks.
    - `resume`: a folder of checkpoints, for one training at a time. A training that was interrupted or killed goes on
      from the newest sound checkpoint, to weights that are bit for bit those it would have had. Without checkpoints it
      begins.
    - `checkpoint_every`: seconds from one checkpoint to the next; an interrupt writes one too.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> running = nl.training.Running(resume="runs/pendulum", checkpoint_every=60.0)
    >>> running.resume, running.members
    ('runs/pendulum', None)
    ```
    """

    members: int | None = None
    mesh: Mesh | None = None
    resume: str | Path | None = None
    checkpoint_every: float = 30.0


def check_at_least_one(**numbers: int | None) -> None:
    """`ValueError` for a number below 1, by its name."""
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise ValueError(f"`{name}` is {value}; expected at least 1")
