"""`identify`: read a recording, fit known systems, train a network, search for a formula, and compare them all."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, cast

from ..numerics import make_room_for_programs, precision
from ..trajectories import Trajectories
from .budget import Budget
from .candidates import (
    NULL,
    Candidate,
    Contest,
    Known,
    compared_candidates,
    with_formula_terms,
)
from .chaos import lyapunov_time
from .choices import Structure
from .evidence import energies_of, examined, lacking, sensors_of
from .families import Family
from .faults import UsageError
from .fitting import fitted, timed
from .folders import CHECKPOINTS, claim, is_folder, left_in, read_settings, write_model, write_settings
from .formulas import Attempt, Evidence, RefinedFormula, best_formula, library_for, look_for_formulas
from .hypotheses import hypotheses_of
from .identified import Identified, write_outcome
from .judging import Errors, better_than_baselines, predicts_a_period, rollout_errors
from .learning import DEFAULT_STEPS
from .networks import Networks, is_whole, networks_of, null_of
from .preparation import Task
from .recordings import Declared, Measure, starts_of
from .reports import Outcome, models_of
from .settings import call_of, settings_of
from .trained import Trained
from .wanted import Tell, Wanted


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
    parameters: Sequence[str] | None = None,
    observations: Mapping[str, str] | None = None,
    controls: Sequence[str] | None = None,
    tracked: Mapping[str, Sequence[str]] | None = None,
    structure: Structure = "mechanical",
    friction: bool = False,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    float32: bool = False,
    folder: str | Path | None = None,
    resume: bool = False,
    command: str | None = None,
    candidates: Sequence[Family] = (),
    tell: Tell | None = None,
) -> Identified:
    r"""Learn the Lagrangian of a recorded motion, search for its formula, and test both on held-out motion.

    Rests are left out, since something may hold the system, and so are pushes, if a system of known form describes the
    rest of the motion.
    The recording is cut into pieces. Seven of ten are for training, one is the validation set, two are held out.
    Systems of known form with unknown constants are fitted first: chains of rigid bodies, a cart with a pendulum,
    masses on springs, ..., each with several kinds of friction. If one of them leaves nothing but the noise of the
    recording, no other model can be much better, and this is the answer. Otherwise a network is added to the
    Lagrangian of the best one, and learns what that lacks. If this leaves more than noise, or if no known system
    predicts at all, a network $L(q, \dot q)$ is trained alone. Networks have natural units and are trained with
    gradients through their rollouts, in single precision; everything else is computed in double precision. The search
    for a formula uses the recording and the better network; rollouts refine the coefficients. The last candidate, if
    none leaves nothing but noise, is a network without mechanics. All candidates are compared on the validation set,
    with their initial states estimated.
    If `parameters` differ between the runs, one network learns all systems, with the parameters as further inputs, and
    nothing else is tried: a formula holds for one system. The pieces held out are then of systems that are not in the
    training set, if there are at least five.
    `neural_lagrangian fit` does the same, with the same result for the same seed. By default nothing is printed and
    nothing is written.

    **Arguments:**

    - `source`, `dof`, `time`, `coordinates`, `velocities`, `trajectory`, `units`, `angles`, `gap`, `parameters`,
      `observations`, `controls`, `tracked`: the recording and its columns, as for `inspect`. Gain, offset, delay and
      noise of `observations` are found with the best model, which does not depend on them. The force of each control at
      each joint is proportional to it, with a gain that is found.
    - `structure`: that of the network alone: `"mechanical"`, kinetic minus potential energy, each a network; or
      `"free"`, one network.
    - `friction`: whether the network alone learns linear damping in addition to the Lagrangian. It always does for
      driven motion, whose energy does not show whether there is friction, and so does one beside a known system.
    - `steps`: total number of gradient steps of each network. By default they are 2400, or none if a system of known
      form leaves nothing but noise.
    - `minutes`: time limit for everything, in minutes (default: none). The best result so far is tested and returned.
    - `seed`: random seed for initial weights and batches.
    - `float32`: whether to compute everything in single precision, as for a GPU.
    - `folder`: a new folder for checkpoints, the model, the formula and the report, written during the call (default:
      none). `Identified.save` can write it later.
    - `resume`: whether to continue an interrupted call. Give the same arguments and its `folder`.
    - `command`: text for the settings that says how to repeat the call (default: the call in Python).
    - `candidates`: Lagrangians with unknown constants that are compared with all others, each a `Family`.
    - `tell`: function that gets messages during the call as `tell(topic, text)`, such as `print`. Training then shows
      its progress too.

    **Returns:** an `Identified`: the model, the formula, the errors of prediction, the verdict.

    **Raises:** these subclasses of `NeuralLagrangianError`: `UsageError` for options that contradict each other or are
    not used; `NoAnswerError` if nothing can be learned from the recording, or if the folder already holds a fit;
    `DataFileError` or `TrajectoryError` if the recording cannot be read; `DivergenceError` if training diverges;
    `CheckpointError` if it cannot be resumed. `ValueError` for an impossible value. `OSError` for a file that cannot be
    opened.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.arange(0.0, 6.0, 0.02)
    >>> spring = nl.Trajectories(t, np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1))  # k / m = 4
    >>> nl.trajectories.write_trajectories("spring.csv", spring, positions=["x"], velocities=["v"])
    >>> found = nl.identification.identify("spring.csv", dof=1)
    >>> print(found.formula)
    0.5 x_dot^2 - 2 x^2
    >>> found.save("spring-fit")
    ```
    """
    roles = (dof, time, coordinates, velocities, trajectory)
    declared = Declared(*roles, units, angles, gap, parameters, observations, controls, tracked)
    place = None if folder is None else Path(folder)
    users = tuple(candidates)
    wanted = Wanted(structure, friction, steps, minutes, seed, float32, place, resume, command, users, tell)
    wanted.check()
    make_room_for_programs()
    if command is None:
        wanted = wanted._replace(command=call_of(source, declared, wanted))
    with precision(double=not float32):
        return Identified.of(_identified(source, declared, wanted, Budget(minutes)))


def _identified(source: str | Path | Trajectories, declared: Declared, wanted: Wanted, budget: Budget) -> Outcome:
    """Read the recording, report remarks and facts to `tell`, and compute the outcome."""
    steps = DEFAULT_STEPS if wanted.steps is None else wanted.steps
    plan = {"structure": wanted.structure, "friction": wanted.friction, "steps": steps}
    hypotheses = hypotheses_of(source, declared, plan)
    first = next(hypotheses)
    task = first.task
    for remark in (*first.inspection.found_roles, *first.inspection.remarks):
        wanted.said("note", remark)
    for topic, text in task.facts:
        wanted.said(topic, text)
    if task.columns.parameters and wanted.candidates:
        raise UsageError(f"`candidates` are given, but {task.columns.differing}; a `Family` holds for one system")
    if wanted.folder is not None:
        claim(wanted.folder, resume=wanted.resume)
    known = None
    if not task.columns.parameters:  # a family or a formula holds for one system
        task, known = fitted(chain([first], hypotheses), wanted, budget, plan)
    explains = None if known is None else known.explains
    if explains is not None:
        wanted.said("families", f"{explains.title}: its errors are as small as the noise; no search is needed")
    task = task._replace(trains=_trains(wanted, explains))
    if task.trains:
        wanted.said("training", task.training)
    if wanted.folder is None:
        return _judged(task, wanted, known, networks_of(task, wanted, known, budget), budget)
    return _written(task, wanted, wanted.folder, known, budget)


def _trains(wanted: Wanted, explains: Candidate | None) -> bool:
    """Whether a network is trained: if no family explains the motion, if `steps` are wanted, or if the call that is
    continued did.
    """
    if wanted.steps is not None or explains is None:
        return True
    continues = wanted.resume and wanted.folder is not None and is_folder(wanted.folder)
    return continues and bool(read_settings(cast(Path, wanted.folder))["training"]["steps"])


def _written(task: Task, wanted: Wanted, folder: Path, known: Known | None, budget: Budget) -> Outcome:
    """Compute the outcome. Each file of the folder is written as soon as its content is known."""
    try:
        if not is_folder(folder):
            write_settings(folder, settings_of(task, wanted))
        networks = networks_of(task, wanted, known, budget)
        trained = networks.best
        write_settings(folder, settings_of(task, wanted, trained))  # only after training has accepted the checkpoints
        if trained is not None:
            write_model(folder, trained.model)
        outcome = _judged(task, wanted, known, networks, budget)
        if outcome.trained is not None and outcome.trained is not trained:
            write_model(folder, outcome.trained.model)
        write_outcome(folder, outcome)
        if not any((folder / CHECKPOINTS).iterdir()):
            (folder / CHECKPOINTS).rmdir()  # there is nothing to resume
        return outcome
    except KeyboardInterrupt as error:
        error.add_note(left_in(folder))
        raise


def _judged(task: Task, wanted: Wanted, known: Known | None, networks: Networks, budget: Budget) -> Outcome:
    """Search for a formula, and compute the errors of all models on held-out motion.

    If a known family leaves nothing but noise, no formula is searched for, and there is no null hypothesis. There is
    none either if a network does, and none beside a network whose training was cut short: the one that was trained
    longer would seem better.
    """
    motion = task.parts.train
    attempts: list[Attempt] = []
    formula, trained = None, networks.best
    models = {one.name: one.model for one in networks.trained}
    if task.columns.parameters:
        attempts = [Attempt("the recording", None, f"{task.columns.differing}, and a formula holds for one system")]
    elif trained is not None and (known is None or known.explains is None):
        searched = task.observed.train if task.columns.velocities else motion  # the search treats noise itself
        attempts = look_for_formulas(trained.model, searched, library_for(task.columns), budget.ends_search)
        evidence = Evidence(task.parts, task.observed, task.plan, bool(task.columns.velocities), task.columns.periodic)
        formula = best_formula(attempts, trained.model, evidence, budget.ends_refinement)
        if task.columns.controls and formula is not None and known is not None and not budget.ends_refinement():
            known = with_formula_terms(task, known, formula, budget.ends_refinement)
            task, known = timed(task, wanted, known, budget)
        needs_null = is_whole(trained, task) and not networks.leave_noise
        if known is not None and needs_null and not budget.ends_refinement():
            models[NULL] = null_of(task, wanted, budget)
    starts = starts_of(task.parts.held_out, task.plan.stride)
    contest = compared_candidates(task, known, models, formula, budget.ends_refinement)
    trained = networks.chosen(contest)
    formula = contest.formula if contest.candidates else formula
    attempts += contest.refused
    predictors = models_of(trained, formula, contest)
    best = predictors[contest.predictor]
    measure = Measure.of(motion, task.columns)
    if not budget.ends_refinement():
        measure = measure._replace(lyapunov_time=lyapunov_time(best, starts, measure))
    errors, rollouts = rollout_errors(predictors, starts, task.columns, measure)
    energies = energies_of(best, starts, rollouts[contest.predictor])
    contest = contest._replace(energy_lost=_energy_lost(contest, best, errors, energies.lost_to_friction(starts)))
    learned = (settings_of(task, wanted, trained), task.columns, str(task.parts), trained)
    cut_short = _cut_short(task, known, trained, attempts, formula)
    examination = examined(contest, task) if not budget.ends_refinement() else None
    lacks = None if examination is not None or budget.ends_refinement() else lacking(contest, task)
    why_not = "" if better_than_baselines(errors, contest.predictor) else "no model is better than the baselines"
    if examination is not None and examination.candidate is contest.winner:
        contest = contest._replace(undecided=examination.likely)
    sensors = sensors_of(best, task, "the time limit left no time" if budget.ends_refinement() else why_not)
    results = (attempts, formula, starts, errors, rollouts, energies, contest, examination)
    return Outcome(*learned, *results, task.read, cut_short, sensors, lacks)


def _energy_lost(contest: Contest, best: Any, errors: Errors, lost: float) -> float:
    """The energy lost, if that says that friction is missing: not of a family, which was fitted with friction too, and
    not of a model that predicts badly, whose energy means nothing.
    """
    other = bool(contest.candidates) and (contest.winner.fit is not None or not contest.winner.is_mechanical)
    tried = best.force is not None or other
    return 0.0 if tried or not predicts_a_period(errors, contest.predictor) else lost


def _cut_short(
    task: Task, known: Known | None, trained: Trained | None, attempts: list[Attempt], formula: RefinedFormula | None
) -> tuple[str, ...]:
    """What was cut short by the time limit, or left out because it was not needed; one sentence each."""
    lines = []
    if trained is not None and not is_whole(trained, task):
        done, steps = len(trained.history.loss), sum(task.plan.steps)
        lines.append(f"The time limit ended training after {done} of {steps} steps. More may give a better network.")
    if any(attempt.cut_short for attempt in attempts):
        lines.append("The time limit ended the search for a formula. A longer search may find one.")
    if known is not None and known.explains is not None:
        searched = "no formula was searched for" + ("" if task.trains else ", and no network was trained")
        lines.append(
            f"The errors of the {known.explains.name} are as small as the noise of the recording, so {searched}."
        )
    if formula is not None and not formula.refined:
        lines.append("The time limit left no time to refine the coefficients of the formula.")
    return tuple(lines)
