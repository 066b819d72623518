"""What repeats an identification: its call as text, and all of its settings."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..trajectories import Trajectories
from .folders import formula_as_json
from .preparation import Task
from .recordings import Declared, Region
from .trained import Trained
from .wanted import Wanted

PACKAGES = ("neural_lagrangian", "jax", "equinox", "diffrax", "optax", "numpy", "scipy")
"""Packages whose versions are written to the settings."""


def call_of(source: str | Path | Trajectories, declared: Declared, wanted: Wanted) -> str:
    """The call of `identify` that gives the same result, as text."""
    options = {name: getattr(wanted, name) for name in ("structure", "friction", "steps", "seed", "float32")}
    named = [f"{name}={value!r}" for name, value in (vars(declared) | options).items() if value is not None]
    first = "trajectories" if isinstance(source, Trajectories) else repr(str(source))
    return f"identify({', '.join([first, *named])})"


def settings_of(task: Task, wanted: Wanted, trained: Trained | None = None) -> dict[str, Any]:
    """All settings that are needed to repeat the call and, with the network `trained`, to build that."""
    prior = None if trained is None else trained.prior
    scaling = {"centre": task.scaling.centre, "q_scale": task.scaling.q_scale, "t_scale": task.scaling.t_scale}
    return {
        "command": wanted.command,
        "recording": task.name,
        "columns": task.columns.settings,
        "velocity_window": task.window,
        "velocity_lag": task.lag,
        "control_timing": task.timing.settings,
        "architecture": (task if trained is None else trained).architecture.settings,
        "known_system": None if prior is None else formula_as_json(prior.found),
        "region": Region.of(task.parts.train, task.columns).settings,
        "scaling": {name: value.tolist() for name, value in scaling.items()},
        "parameters": {one.name: one.settings for one in task.architecture.parameters},
        "training": {"seed": wanted.seed, **(task.plan._asdict() if task.trains else {"steps": []})},
        "precision": "single" if wanted.float32 else "trained in single, judged in double",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
