"""Turn an inspected recording into a task: pieces, scaling, architecture and plan of the training."""

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp

from ..trajectories import Scaling, Trajectories
from .architecture import Architecture
from .faults import NoAnswerError
from .inspection import Inspection
from .learning import Plan, plan_of, shortest_piece, spacing
from .recordings import (
    Columns,
    Parts,
    Timing,
    by_system,
    controls_like_others,
    cut,
    dealt,
    dealt_by_system,
    delayed,
    sizes_of_controls,
    varied_of,
)


class Task(NamedTuple):
    """Everything that training and refinement need.

    `parts`: pieces with smoothed positions and estimated velocities, or as recorded. `observed`: the same pieces as
    recorded, as far as they were. `seen`: the training set with its observations and the coordinates as recorded, if
    observations are declared. `window`: samples of the polynomials that gave or improved the velocities; `None` if
    these are as recorded. `lag`: how late recorded velocities were, in seconds; they are moved.
    `timing`: when controls act; they are moved.
    `read`: sentences on the recording for the report. `facts`: the task as pairs of a topic and a text. `trains`:
    whether a network is trained.
    """

    name: str
    columns: Columns
    architecture: Architecture
    scaling: Scaling
    parts: Parts
    observed: Parts
    plan: Plan
    window: int | None
    lag: list[float] | None
    read: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    trains: bool = True
    timing: Timing = Timing()
    seen: Trajectories | None = None

    def with_timing(self, timing: Timing, said: str) -> "Task":
        """The task with controls at the time at which they act. `said`: why."""
        more = timing.delay - self.timing.delay
        parts, observed = (Parts(*(delayed(part, more) for part in each)) for each in (self.parts, self.observed))
        facts = (*self.facts, ("controls", said))
        read = (*self.read, f"{said[0].upper()}{said[1:]}.")
        return self._replace(parts=parts, observed=observed, read=read, facts=facts, timing=timing)

    @property
    def training(self) -> str:
        """The plan of the training in words."""
        row = self.plan.stride * spacing(self.parts.train)
        lengths = ", ".join(f"{horizon * row:.3g}" for horizon in self.plan.horizons)
        return f"{sum(self.plan.steps)} steps, windows of {lengths} s"


def prepared(inspection: Inspection, *, structure: str, friction: bool, steps: int) -> Task:
    """Cut a recording into training, validation and held-out pieces, and plan the training.

    **Raises:** `NoAnswerError` if nothing can be learned from the recording.
    """
    if inspection.refusals:
        raise NoAnswerError(inspection.refusals[0].about(inspection.name))
    columns, recording = inspection.columns, inspection.recording
    motion = by_system(recording.trajectories)
    scaling = Scaling.of(motion, centre=True, periodic=columns.periodic)
    shortest, dtype = shortest_piece(motion, scaling), jnp.result_type(float)

    def split(motion: Trajectories) -> Parts:
        pieces = cut(inspection.name, motion, shortest).astype(dtype)
        return dealt_by_system(inspection.name, pieces) if columns.parameters else dealt(pieces)

    (parts, observed), seen = (split(motion), split(by_system(recording.observed))), None
    if columns.observations:
        seen = _with_coordinates(parts.train, observed.train, columns)
        parts, observed = (Parts(*(replace(one, observations=None) for one in part)) for part in (parts, observed))
    if driving := controls_like_others(parts.train, columns):
        raise NoAnswerError(f"{inspection.name}: in the training set {driving[0]}")
    varied = varied_of(parts.train, columns)
    sizes = sizes_of_controls(parts.train)
    friction = friction or bool(sizes)  # the energy of driven motion does not show whether there is any
    architecture = Architecture(columns.dof, structure, friction, columns.periodic, parameters=varied, controls=sizes)
    plan = plan_of(parts, scaling, steps)
    found = "as recorded"
    if recording.window is not None:
        how = "as recorded, combined with" if columns.velocities else "estimated by"
        found = f"{how} local polynomials of {recording.window} samples"
    lag = None if recording.lag is None else recording.lag.seconds.tolist()
    facts = (
        ("recording", f"{inspection.name}: {inspection.described}"),
        ("columns", inspection.roles),
        *recording.facts,
        ("velocities", f"{', '.join(columns.rates)}, {found}"),
        ("pieces", str(parts)),
    )
    described = (inspection.described, inspection.roles, *recording.tracked)
    read = (*(f"{text}." for text in described), *map(str, (*inspection.found_roles, *inspection.remarks)))
    found = (architecture, scaling, parts, observed, plan, recording.window, lag, read, facts)
    return Task(inspection.name, columns, *found, seen=seen)


def _with_coordinates(train: Trajectories, observed: Trajectories, columns: Columns) -> Trajectories:
    """A training set with its channels, and each coordinate as recorded as one more channel."""
    recorded = {name: observed.ys[..., i, None] for i, name in enumerate(columns.coordinates)}
    return replace(train, observations={**(train.observations or {}), **recorded})
