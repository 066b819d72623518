"""The rarer options of `fit`: `Rollouts`, `Watching` and `Running`."""

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

    - `stride`: number of samples from one row of a window to the next.
    - `stepsize_controller`: step sizes of rollouts during training, or one controller for each stage: cheap constant
      steps first, adaptive ones later. The default is the model's own, or `StepsPerSample(1)` if the model has neither
      `stepsize_controller` nor `dt0`. Adaptive rollouts may take as many steps as successful rollouts need, within the
      model's `max_steps`. `StepsPerSample` takes more steps if samples are far apart. The trained model gets its own
      controller back.
    - `estimate_states`: whether to train the true states of the trajectories too, for noisy recordings. They begin as
      the recorded states. Losses with rollouts start from them (`window.states`).

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
    """Validation, early stopping, callbacks and progress of `fit`.

    **Arguments:**

    - `look_every`: number of steps from one validation loss to the next.
    - `patience`: early stopping: a stage ends after this number of validation losses in a row without a better model
      (default: no early stopping). It needs the argument `held_out` of `fit`.
    - `largest_divergence`: largest share of windows that may diverge over the last 100 steps, from 0 to 1. Above it,
      `fit` raises `DivergenceError`.
    - `callbacks`: functions `callback(progress)` that are called every few steps with a `Progress`, such as
      `json_lines(path)`. Training ends when one of them returns `True`.
    - `progress`: whether to show progress: a bar on a terminal or in a notebook, otherwise a line every few seconds.

    **Raises:** `ValueError` if `look_every` or `patience` is below 1.

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
    """Ensemble members, devices and checkpoints of `fit`.

    **Arguments:**

    - `members`: number of models in an ensemble (default: one model, no ensemble). They are trained together in one
      compiled step, each on its own batches. A member that diverges does not affect the others. `model` is then a stack
      of models, `eqx.filter_vmap(make)(keys)`, and so is the trained model. Each member keeps its own best validation
      loss. Losses and optimisers may differ between members: `jax.lax.axis_index(training.MEMBER)` is the index of the
      member.
    - `mesh`: devices along one axis, such as `jax.make_mesh((4,), ("data",))`. They share the windows of each step, and
      the trajectories are sharded over them. With several processes (`jax.distributed`) all call `fit`, each with its
      own trajectories and otherwise the same arguments. Only the first one writes files and calls the callbacks.
      Default: all CPU devices of this process, if there are several and their number divides `batch_size`.
    - `resume`: a folder of checkpoints, for one training at a time. An interrupted training continues from the newest
      sound checkpoint, and ends with exactly the same weights as without the interruption. If there are no checkpoints,
      training starts from the beginning.
    - `checkpoint_every`: interval between two checkpoints, in seconds. An interrupt writes one too.

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
    """**Raises:** `ValueError` for a number below 1, with its name."""
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise ValueError(f"`{name}` is {value}; expected at least 1")
