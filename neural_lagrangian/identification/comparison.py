"""A model beside a recording, or two models beside each other."""

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
from .judging import Errors, predicts, rollout_errors
from .learning import rows_apart, shortest_piece
from .measure import Measure, lyapunov_time
from .model_folder import Learned, is_folder, read_folder
from .outcome import why
from .pieces import cut
from .recording import read_recording
from .region import Region
from .starts import Starts, starts_of
from .suspicious import described
from .tables import aligned
from .verdict import NOT_BETTER, judged

MAX_STATES = 500
"""Largest number of states at which two Lagrangians are compared."""


class Compared(NamedTuple):
    """Topics, and what there is to say on each; `refused` says why a model should not be used, empty where none is."""

    facts: list[tuple[str, str]]
    refused: str


def compared(names: Sequence[str], predictor: Predictor = "network") -> Compared:
    """Errors by horizon and a verdict on each model; of two models also whether they have the same Lagrangian.

    **Arguments:**

    - `names`: a folder of a model, then another one, a recording, or both; the recording that the first model was
      learned from unless there is one.
    - `predictor`: the network, or the formula with its friction.

    **Raises:** `UsageError` for too many names; `NoAnswerError` where these do not fit together.
    """
    path, models = _named(names)
    learned = [read_folder(name, predictor) for name in models]
    first, *others = learned
    by_name = dict(zip(models, learned, strict=True))
    for other in others:
        if other.columns.dof != first.columns.dof:
            raise NoAnswerError(
                f"{models[-1]} has {other.columns.dof} degrees of freedom; expected {first.columns.dof}, as {models[0]}"
            )
    if path is None and first.settings["recording"] == IN_MEMORY:
        raise NoAnswerError(f"{models[0]} was learned from {IN_MEMORY}: name a recording to compare with")
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
        ("recording", f"{path}: {described(recording.recorded)}"),
        ("motion", str(measure)),
        ("errors", aligned(errors.table(first.columns))),
        *(("verdict", _verdict(name, one, errors, starts, states)) for name, one in by_name.items()),
    ]
    if others:
        facts.append(("Lagrangians", str(_difference(first, others[0], states))))
    bad = [name for name in by_name if not predicts(errors, name)]
    return Compared(facts, f"on {path} {bad[0]} {NOT_BETTER} there" if bad else "")


def _named(names: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The recording, if one is named, and the folders of models."""
    models = [name for name in names if is_folder(Path(name))]
    recordings = [name for name in names[1:] if name not in models]
    if names[0] not in models:
        raise NoAnswerError(f"{names[0]} is no folder that `identify` has written")
    if len(models) > 2 or len(recordings) > 1:
        raise UsageError(f"expected one or two models, and a recording; got {len(models)} and {len(recordings)}")
    return Path(recordings[0]) if recordings else None, models


def _verdict(name: str, one: Learned, errors: Errors, starts: Starts, states: np.ndarray) -> str:
    """How long a model predicts, why its rollouts fail, and what of the recording it was not trained on."""
    reasons = f"rollouts that fail: {why(one.model, starts)}" if errors.failures(name) else ""
    lines = [judged(errors, name, "this recording", reasons), reasons, _outside(one, states)]
    return "\n".join(line for line in lines if line)


def _difference(one: Learned, other: Learned, states: np.ndarray) -> Comparison:
    """Of two Lagrangians, at states of the recording."""
    chosen = states[np.linspace(0, len(states) - 1, min(MAX_STATES, len(states))).astype(int)]
    return compare_lagrangians(
        one.model.lagrangian, other.model.lagrangian, jnp.asarray(chosen, jnp.result_type(float))
    )


def _outside(one: Learned, states: np.ndarray) -> str:
    """What the recording has that the model was not trained on; nothing of a model that does not say."""
    region = one.settings.get("region")
    if not isinstance(region, dict):
        return ""
    least, most = (np.array(region[name], float) for name in ("least", "most"))
    return Region(least, most).outside(states, (*one.columns.coordinates, *one.columns.rates))
