"""The whole way from a recording to a judged model."""

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp

from .._checks import positive_integer
from ..models import Scaled, with_precision
from ..numerics import precision
from ..training import History, json_lines
from ..trajectories import Trajectories
from .budget import Budget
from .candidates import library_for
from .choices import Structure
from .declared import Declared
from .energies import energies_of
from .faults import UsageError
from .formulas import TIME_IS_UP, Attempt, look_for_formulas
from .identified import Identified, write_outcome
from .inspection import inspected
from .judging import rollout_errors
from .learning import train
from .measure import Measure, lyapunov_time
from .model_folder import CHECKPOINTS, HISTORY, claim, is_folder, left_in, write_model, write_settings
from .outcome import Outcome
from .preparation import Task, prepared
from .refinement import Evidence, Refined, best_formula
from .region import Region
from .remark import Remark
from .starts import starts_of

PACKAGES = ("neural_lagrangian", "jax", "equinox", "diffrax", "optax", "numpy", "scipy")
MAX_SEED = 2**63

Tell = Callable[[str, str | Remark], None]
"""`tell(topic, text)`: what `identify` says while it works, such as `print`; remarks come on the topic `"note"`."""


class _Wanted(NamedTuple):
    """The options of `identify` that are not of the recording."""

    structure: str
    friction: bool
    steps: int
    minutes: float | None
    seed: int
    float32: bool
    folder: Path | None
    resume: bool
    command: str | None
    tell: Tell | None

    def check(self) -> None:
        """`ValueError` for values that make no sense; `UsageError` for one that would not be used."""
        if self.structure not in get_args(Structure):
            known = ", ".join(map(repr, get_args(Structure)))
            raise ValueError(f"`structure` is {self.structure!r}; expected one of {known}")
        positive_integer("steps", self.steps)
        if self.minutes is not None and not self.minutes > 0:
            raise ValueError(f"`minutes` is {self.minutes}; expected a positive number")
        if not isinstance(self.seed, int) or not -MAX_SEED <= self.seed < MAX_SEED:
            raise ValueError(f"`seed` is {self.seed!r}; expected an integer of at most 63 bits")
        if self.resume and self.folder is None:
            raise UsageError("`resume` is True, but `folder` is None; expected that of the call that was interrupted")

    def said(self, topic: str, text: str | Remark) -> None:
        """Say something to whoever wants to know."""
        if self.tell is not None:
            self.tell(topic, text)


def identify(
    source: str | Path | Trajectories,
    *,
    dof: int | None = None,
    time: str | None = None,
    coordinates: Sequence[str] | None = None,
    velocities: Sequence[str] | None = None,
    trajectory: str | None = None,
    units: Mapping[str, str] | None = None,
    angles: Sequence[str | int] | None = None,
    gap: float | None = None,
    structure: Structure = "mechanical",
    friction: bool = False,
    steps: int = 2400,
    minutes: float | None = None,
    seed: int = 0,
    float32: bool = False,
    folder: str | Path | None = None,
    resume: bool = False,
    command: str | None = None,
    tell: Tell | None = None,
) -> Identified:
    r"""Learn the Lagrangian of a recorded motion, look for its formula, and judge both by motion that was held out.

    The recording is cut into pieces: of ten, seven train, one is the validation set and two are held out. A network
    $L(q, \dot q)$ in units of the motion is trained by gradients through its rollouts, in single precision; all else is
    computed in double. The formula is looked for in the recording and in the network, and refined by rollouts. This is
    what `neural_lagrangian fit` does, with the same result for the same seed. Nothing is printed or written unless
    asked for.

    **Arguments:**

    - `source`, `dof`, `time`, `coordinates`, `velocities`, `trajectory`, `units`, `angles`, `gap`: the recording, as
      for `inspect`; of a file, `dof` or `coordinates` is needed.
    - `structure`: `"mechanical"`, kinetic minus potential energy, each a network; or `"free"`, one network of all.
    - `friction`: whether to learn linear damping too.
    - `steps`: gradient steps in all.
    - `minutes`: how long all of it may take, in minutes: what was found by then is judged. No limit unless given.
    - `seed`: random seed for initial weights and batches.
    - `float32`: whether to compute in single precision throughout, as on a GPU without fast double precision.
    - `folder`: a new folder to write to while it works: checkpoints, the model, its formula, the report. Nothing is
      written unless given; `Identified.save` writes it later.
    - `resume`: whether to go on with an interrupted call, with the same arguments, whose `folder` it is.
    - `command`: how to do it again, noted in the settings; the options as Python writes them unless given.
    - `tell`: called as `tell(topic, text)` with what happens, such as `print`; the training then shows its progress.

    **Returns:** an `Identified`: the model, its formula, the errors of prediction, a verdict.

    **Raises:** `NeuralLagrangianError`: `UsageError` for options that contradict each other or are not used,
    `NoAnswerError` for a recording that nothing can be learned from or a folder that holds another fit, `DataFileError`
    or `TrajectoryError` for a recording that cannot be read, `DivergenceError` if training diverges, `CheckpointError`
    if it cannot be resumed. `ValueError` for values that make no sense, `OSError` for files that cannot be opened.

    **Example:**

    ```python
    import pathlib
    if pathlib.Path("pendulum.csv").exists():  # columns t, theta
        found = nl.identification.identify("pendulum.csv", dof=1, angles=["theta"], minutes=5)
        print(found)  # errors of prediction, formula, verdict
        found.save("pendulum-fit")  # and nl.load_model("pendulum-fit")
    ```
    """
    declared = Declared(
        dof=dof,
        time=time,
        coordinates=coordinates,
        velocities=velocities,
        trajectory=trajectory,
        units=units,
        angles=angles,
        gap=gap,
    )
    place = None if folder is None else Path(folder)
    wanted = _Wanted(structure, friction, steps, minutes, seed, float32, place, resume, command, tell)
    wanted.check()
    if command is None:
        wanted = wanted._replace(command=_call(source, declared, wanted))
    with precision(double=not float32):
        return Identified.of(_identified(source, declared, wanted, Budget(minutes)))


def _identified(source: str | Path | Trajectories, declared: Declared, wanted: _Wanted, budget: Budget) -> Outcome:
    inspection = inspected(source, declared)
    task = prepared(inspection, structure=wanted.structure, friction=wanted.friction, steps=wanted.steps)
    for remark in inspection.remarks:
        wanted.said("note", remark)
    for topic, text in task.facts:
        wanted.said(topic, text)
    if wanted.folder is None:
        return _judged(task, _settings(task, wanted), *_learned(task, wanted, budget), budget)
    claim(wanted.folder, resume=wanted.resume)
    return _written(task, wanted, wanted.folder, budget)


def _call(source: str | Path | Trajectories, declared: Declared, wanted: _Wanted) -> str:
    """How `identify` is to be called for the same result."""
    named = {name: value for name, value in vars(declared).items() if value is not None}
    named |= {name: getattr(wanted, name) for name in ("structure", "friction", "steps", "seed", "float32")}
    first = "trajectories" if isinstance(source, Trajectories) else repr(str(source))
    return f"identify({', '.join([first, *(f'{name}={value!r}' for name, value in named.items())])})"


def _written(task: Task, wanted: _Wanted, folder: Path, budget: Budget) -> Outcome:
    """The outcome, with all that there is of it written as soon as it is known."""
    settings = _settings(task, wanted)
    try:
        if not is_folder(folder):
            write_settings(folder, settings)
        model, history = _learned(task, wanted, budget)
        write_model(folder, model)
        write_settings(folder, settings)  # of a fit that went on, once it is known to be the same
        outcome = _judged(task, settings, model, history, budget)
        write_outcome(folder, outcome)
        return outcome
    except KeyboardInterrupt as error:
        error.add_note(left_in(folder))
        raise


def _learned(task: Task, wanted: _Wanted, budget: Budget) -> tuple[Scaled, History]:
    """The network, trained, in the precision of what follows."""
    folder = wanted.folder
    history = [] if folder is None else [json_lines(folder / HISTORY)]
    result = train(
        task.architecture.model(jax.random.key(wanted.seed)),
        task.parts,
        task.scaling,
        task.plan,
        periodic=task.columns.periodic,
        seed=wanted.seed,
        callbacks=[*history, budget.ends_training],
        checkpoints=None if folder is None else folder / CHECKPOINTS,
        progress=wanted.tell is not None,
    )
    return Scaled(with_precision(result.model, jnp.result_type(float)), task.scaling), result.history


def _judged(task: Task, settings: dict[str, Any], model: Scaled, history: History, budget: Budget) -> Outcome:
    starts, motion = starts_of(task.parts.judged, task.plan.stride), task.parts.train
    attempts = look_for_formulas(model, motion, library_for(task.columns), budget.ends_search)
    evidence = Evidence(task.parts, task.observed, task.plan, task.window is None, task.columns.periodic)
    formula = best_formula(attempts, model, evidence, budget.ends_refinement)
    models = {"network": model} | ({} if formula is None else {"formula": formula.model})
    measure = Measure.of(motion, task.columns)
    if not budget.ends_refinement():
        measure = measure._replace(lyapunov_time=lyapunov_time(model, starts, measure))
    errors, rollouts = rollout_errors(models, starts, task.columns, measure)
    energies = energies_of(model, starts, rollouts["network"])
    learned = (settings, task.columns, str(task.parts), model, history)
    cut_short = _cut_short(task, history, attempts, formula)
    return Outcome(*learned, attempts, formula, starts, errors, rollouts, energies, task.read, cut_short)


def _cut_short(task: Task, history: History, attempts: list[Attempt], formula: Refined | None) -> tuple[str, ...]:
    """What the time given left undone."""
    done, steps = len(history.loss), sum(task.plan.steps)
    lines = [] if done >= steps else [f"What more training gives: {done} of {steps} steps were taken."]
    if any(one.fault == TIME_IS_UP for one in attempts):
        lines.append("Whether a longer search finds a formula: the time was up before it ended.")
    if formula is not None and not formula.refined:
        lines.append("The best coefficients of the formula: there was no time to refine them.")
    return tuple(lines)


def _settings(task: Task, wanted: _Wanted) -> dict[str, Any]:
    """All that is to be known to do it again."""
    scaling = {"centre": task.scaling.centre, "q_scale": task.scaling.q_scale, "t_scale": task.scaling.t_scale}
    return {
        "command": wanted.command,
        "recording": task.name,
        "columns": task.columns.settings,
        "velocity_window": task.window,
        "architecture": task.architecture.settings,
        "region": Region.of(task.parts.train, task.columns).settings,
        "scaling": {name: value.tolist() for name, value in scaling.items()},
        "training": {"seed": wanted.seed, **task.plan._asdict()},
        "precision": "single" if wanted.float32 else "trained in single, judged in double",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
