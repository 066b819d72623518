"""Compare a model with a recording, or two models with each other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..discovery import Comparison, compare_lagrangians
from ..trajectories import Trajectories, headings_of
from .chaos import lyapunov_time
from .choices import Predictor
from .faults import NoAnswerError, UsageError
from .folders import Learned, is_folder, read_folder
from .inspection import IN_MEMORY
from .judging import Errors, better_than_baselines, rollout_errors
from .learning import rows_apart, shortest_piece
from .plain_text import aligned
from .recordings import (
    Columns,
    Measure,
    Region,
    Starts,
    beyond,
    cut,
    of_another_file,
    read_recording,
    sampling_summary,
    starts_of,
)
from .reports import NOT_BETTER, verdict_on, why

MAX_COMPARED_STATES = 500
"""Largest number of states at which two Lagrangians are compared."""
DIFFERS_BY_SYSTEM = "not compared: each system has its own"
"""What is said of the Lagrangians of two models if the systems in the recording differ."""


class Compared(NamedTuple):
    """The result of a comparison.

    `facts`: pairs of a topic and a text. `refused`: why a model should not be used; empty if all models may be used.
    """

    facts: list[tuple[str, str]]
    refused: str


def compared(
    names: Sequence[str], predictor: Predictor | None = None, parameters: Mapping[str, float] | None = None
) -> Compared:
    """Compute errors by horizon and a verdict for each model. For two models, compare the Lagrangians too.

    **Arguments:**

    - `names`: the folder of a model, then the folder of another model, a recording, or both. The default recording is
      the one that the first model was learned from.
    - `predictor`: as for `load_model`.
    - `parameters`: those of the system of the recording, if the models have parameters. The default are the columns of
      the recording with their names, so that each trajectory is predicted with its own.

    **Raises:** `UsageError` for too many names or for parameters that do not fit; `NoAnswerError` if the models and
    the recording do not fit together.
    """
    path, models = _named(names)
    learned = [read_folder(name, predictor) for name in models]
    first = learned[0]
    for other in learned[1:]:
        if other.columns.dof != first.columns.dof:
            raise NoAnswerError(
                f"{models[-1]} has {other.columns.dof} degrees of freedom; "
                f"expected {first.columns.dof}, as {models[0]} has"
            )
    if path is None and first.settings["recording"] == IN_MEMORY:
        raise NoAnswerError(f"{models[0]} was learned from {IN_MEMORY}: name a recording to compare it with")
    own = Path(first.settings["recording"])
    path = own if path is None else path
    columns = _with_parameters(path, learned, parameters)
    if parameters is not None:
        learned = [one.of_system(parameters) if one.parameters else one for one in learned]
    first, *others = learned
    by_name = dict(zip(models, learned, strict=True))
    recording = read_recording(path, columns if path == own else of_another_file(path, columns))
    motion = recording.trajectories
    pieces = cut(str(path), motion, shortest_piece(motion, first.scaling)).astype(jnp.result_type(float))
    starts = starts_of(pieces, rows_apart(motion, first.scaling))
    measure = Measure.of(pieces, first.columns)
    measure = measure._replace(lyapunov_time=lyapunov_time(first.model, starts, measure))
    errors, _ = rollout_errors({name: one.model for name, one in by_name.items()}, starts, first.columns, measure)
    states = motion.ys[motion.mask]
    facts = [
        ("recording", f"{path}: {sampling_summary(recording.recorded)}"),
        *recording.facts,
        ("predictor", "\n".join(f"{name}: {one.predictor}" for name, one in by_name.items())),
        ("motion", str(measure)),
        ("errors", aligned(errors.table(first.columns))),
        *(("verdict", _verdict(name, one, errors, starts, motion)) for name, one in by_name.items()),
    ]
    if others:
        same = DIFFERS_BY_SYSTEM if motion.parameters else str(_difference(first, others[0], states))
        facts.append(("Lagrangians", same))
    bad = [name for name in by_name if not better_than_baselines(errors, name)]
    return Compared(facts, f"{bad[0]}, on {path}, {NOT_BETTER} there" if bad else "")


def _with_parameters(path: Path, learned: Sequence[Learned], given: Mapping[str, float] | None) -> Columns:
    """The columns of the first model, with the parameters of the models unless their values are given.

    **Raises:** `UsageError` for values of parameters that no model has or that the recording holds, and for parameters
    that are neither given nor recorded; `NoAnswerError` for models with different parameters.
    """
    columns, conditioned = learned[0].columns, [one for one in learned if one.parameters]
    if not conditioned:
        if given is not None:
            learned[0].of_system(given)  # refuses them
        return columns
    titles = [[one.title for one in model.parameters] for model in conditioned]
    if titles[0] != titles[-1]:
        raise NoAnswerError(
            f"{conditioned[-1].folder} has the parameters {', '.join(titles[-1])}; "
            f"expected {', '.join(titles[0])}, as {conditioned[0].folder} has"
        )
    names = conditioned[0].columns.parameters
    recorded = [heading.name for heading in headings_of(path)]
    for name in names:
        if given is not None and name in recorded:
            raise UsageError(f"`parameters` are given, but {path} has a column {name!r}; expected one of them")
        if given is None and name not in recorded:
            raise UsageError(f"{path} has no column {name!r}; give its value for this recording with `parameters`")
    if given is not None:
        label = columns.trajectory if columns.trajectory in recorded else None  # one run of one system needs no label
        return replace(columns, parameters=(), units=columns.converted_units, trajectory=label)
    units = {name: unit for name, unit in conditioned[0].columns.units.items() if name in names}
    return replace(columns, parameters=names, units=columns.units | units)


def _named(names: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Split names into the recording, if one is named, and the folders of models."""
    models = [name for name in names if is_folder(Path(name))]
    recordings = [name for name in names[1:] if name not in models]
    if names[0] not in models:
        raise NoAnswerError(f"{names[0]} is not a folder that `identify` has written; name the folder of a model first")
    if len(models) > 2 or len(recordings) > 1:
        raise UsageError(
            f"got {len(models)} models and {len(recordings)} recordings; "
            "expected one or two models and at most one recording"
        )
    return Path(recordings[0]) if recordings else None, models


def _verdict(name: str, one: Learned, errors: Errors, starts: Starts, motion: Trajectories) -> str:
    """How long a model predicts, why rollouts fail, and how much of the recording is outside its training data."""
    reasons = f"failed rollouts: {why(one.model, starts)}" if errors.failures(name) else ""
    systems = beyond(motion.parameters, one.parameters) if motion.parameters else []
    outside = [_outside(one, motion.ys[motion.mask]), *systems]
    lines = [verdict_on(errors, name, "this recording", reasons), reasons, *outside]
    return "\n".join(line for line in lines if line)


def _difference(one: Learned, other: Learned, states: np.ndarray) -> Comparison:
    """Compare two Lagrangians at states of the recording."""
    chosen = states[np.linspace(0, len(states) - 1, min(MAX_COMPARED_STATES, len(states))).astype(int)]
    return compare_lagrangians(
        one.model.lagrangian, other.model.lagrangian, jnp.asarray(chosen, jnp.result_type(float))
    )


def _outside(one: Learned, states: np.ndarray) -> str:
    """How much of the recording is outside the training data; empty if the model's settings do not hold its region."""
    region = Region.read(one.settings)
    return "" if region is None else region.outside(states, (*one.columns.coordinates, *one.columns.rates))
