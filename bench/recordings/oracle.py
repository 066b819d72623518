"""The oracle: the true family alone, started from the true constants, and fitted by the package to the same data."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from neural_lagrangian.identification import Family
from neural_lagrangian.identification.candidates.trial import Trial, width_of
from neural_lagrangian.identification.families.family import Pieces, forces_of
from neural_lagrangian.identification.families.family_fit import FamilyFit, fit_family, with_each_friction
from neural_lagrangian.identification.preparation import Task

from .systems import System

LEAST_FRICTION = 1e-6
"""Start of a kind of friction that the system does not have, as a share of its natural unit."""


def fitted(system: System, shift: np.ndarray, task: Task) -> tuple[FamilyFit, Trial] | None:
    """The true family, fitted; `None` if its rollouts fail.

    **Arguments:**

    - `shift`: what the sensors show too much, in SI units, shape `(dof,)`. It is an unknown of the oracle too.
    """
    trial = Trial.of(task)
    if trial is None:
        return None
    motion = task.parts.train
    pieces = trial.pieces(np.eye(motion.dof))
    family = with_offset(system, shift).on(task.columns, trial.units, motion.ys[motion.mask].mean(axis=0)[: motion.dof])
    rates = np.concatenate([v @ family.joints.T for _, _, v, _ in pieces])
    family = eqx.tree_at(lambda one: one.width, family, jnp.asarray(width_of(rates)))
    fit = fit_family(trial.fitted, family, start_of(family, system, trial, pieces), trial.noise)
    found = with_each_friction(fit, trial.fitted, lambda: False).get(system.kind)
    return None if found is None else (found, trial)


def with_offset(system: System, shift: np.ndarray) -> Family:
    """The true family in the coordinates that the sensors show."""
    if not shift.any():
        return system.oracle
    names = [f"offset {i}" for i in np.flatnonzero(shift)]

    def lagrangian(c: Any, q: Any, v: Any) -> Any:
        for i, name in zip(np.flatnonzero(shift).tolist(), names, strict=True):
            q = q.at[i].add(-c[name])
        return system.lagrangian(c, q, v)

    start = {**system.constants, **dict(zip(names, shift[shift != 0].tolist(), strict=True))}
    return Family("the true family", lagrangian, start, joints=system.joints)


def start_of(family: Any, system: System, trial: Trial, pieces: Pieces) -> np.ndarray:
    """The true constants, friction and gains as unknowns of the family."""
    at, x = family.slices, family.start(pieces)
    x[at.of_friction], x[at.gain] = 1.0, 1.0
    of_one = forces_of(family, jnp.asarray(x), trial.units)  # the forces in SI units of unknowns of one
    for kind in ("linear", "dry", "drag"):
        true = np.array(getattr(system, kind) or (0.0,) * len(family.at))
        x[getattr(at, kind)] = np.maximum(true / np.asarray(getattr(of_one.friction, kind)), LEAST_FRICTION)
    if system.motor:
        x[at.gain] = np.array(system.motor) / np.asarray(of_one.gain)[:, 0]
    x[at.drag] = 0.0 if not system.drag else x[at.drag]
    return x
