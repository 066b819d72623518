"""Compare a model with a recording, or two models with each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..discovery import Comparison, compare_lagrangians
from .choices import Predictor
from .columns import of_another_file
from .faults import NoAnswerError, UsageError
from .inspection import IN_MEMORY
from .judging import Errors, better_than_baselines, rollout_errors
from .learning import rows_apart, shortest_piece
from .measure import Measure, lyapunov_time
from .model_folder import Learned, is_folder, read_folder
from .outcome import why
from .pieces import cut
from .plain_text import aligned
from .recording import read_recording
from .region import Region
from .starts import Starts, starts_of
from .suspicious import sampling_summary
from .verdict import NOT_BETTER, verdict_on

MAX_COMPARED_STATES = 500
"""Largest number of states at which two Lagrangians are compared."""


class Compared(NamedTuple):
    """The result of a comparison.

    `facts`: pairs of a topic and a text. `refused`: why a model should not be used; empty if all models may be used.
    """

    facts: list[tuple[str, str]]
    refused: str


def compared(names: Sequence[str], predictor: Predictor | None = None) -> Compared:
    """Compute errors by horizon and a verdict for each model. For two models, compare the Lagrangians too.

    **Arguments:**

    - `names`: the folder of a model, then the folder of another model, a recording, or both. The default recording is
      the one that the first model was learned from.
    - `predictor`: as for `load_model`.

    **Raises:** `UsageError` for too many names; `NoAnswerError` if the models and the recording do not fit together.
    """
    path, models = _named(names)
    learned = [read_folder(name, predictor) for name in models]
    first, *others = learned
    by_name = dict(zip(models, learned, strict=True))
    for other in others:
        if other.columns.dof != first.columns.dof:
            raise NoAnswerError(
                f"{models[-1]} has {other.columns.dof} degrees of freedom; "
                f"expected {first.columns.dof}, as {models[0]} has"
            )
    if path is None and first.settings["recording"] == IN_MEMORY:
        raise NoAnswerError(f"{models[0]} was learned from {IN_MEMORY}: name a recording to compare it with")
    own = Path(first.settings["recording"])
    path = own if path is None else path
    recording = read_recording(path, first.columns if path == own else of_another_file(path, first.columns))
    motion = recording.trajectories
    pieces = cut(str(path), motion, shortest_piece(motion, first.scaling)).astype(jnp.result_type(float))
    starts = starts_of(pieces, rows_apart(motion, first.scaling))
    measure = Measure.of(pieces, first.columns)
    measure = measure._replace(lyapunov_time=lyapunov_time(first.model, starts, measure))
    errors, _ = rollout_errors({name: one.model for name, one in by_name.items()}, starts, first.columns, measure)
    states = motion.ys[motion.mask]
    facts = [
        ("recording", f"{path}: {sampling_summary(recording.recorded)}"),
        ("predictor", "\n".join(f"{name}: {one.predictor}" for name, one in by_name.items())),
        ("motion", str(measure)),
        ("errors", aligned(errors.table(first.columns))),
        *(("verdict", _verdict(name, one, errors, starts, states)) for name, one in by_name.items()),
    ]
    if others:
        facts.append(("Lagrangians", str(_difference(first, others[0], states))))
    bad = [name for name in by_name if not better_than_baselines(errors, name)]
    return Compared(facts, f"{bad[0]}, on {path}, {NOT_BETTER} there" if bad else "")


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


def _verdict(name: str, one: Learned, errors: Errors, starts: Starts, states: np.ndarray) -> str:
    """How long a model predicts, why rollouts fail, and how much of the recording is outside its training data."""
    reasons = f"failed rollouts: {why(one.model, starts)}" if errors.failures(name) else ""
    lines = [verdict_on(errors, name, "this recording", reasons), reasons, _outside(one, states)]
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
