"""Train the networks of an identification: on the best known system, alone, and without mechanics."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..models import NeuralLagrangian, NeuralODE, Scaled, with_precision
from ..training import Callback, DivergenceError, FitResult, json_lines
from .budget import TRAINING_SHARE, Budget
from .candidates import Contest, Known, candidate_of, prior_of
from .folders import CHECKPOINTS, HISTORY, ON_KNOWN_SYSTEM
from .learning import train
from .preparation import Task
from .prior import Prior
from .trained import Trained
from .wanted import Wanted


class Networks(NamedTuple):
    """Trained networks that have a Lagrangian, the best on the validation set first.

    `leave_noise`: whether the errors of the best one are as small as the noise of the recording.
    """

    trained: tuple[Trained, ...] = ()
    leave_noise: bool = False

    @staticmethod
    def of(trained: Sequence[Trained], known: Known | None) -> "Networks":
        """Compare networks on the validation set, in units of the noise of the best known system."""
        if known is None or known.cut_short:
            return Networks(tuple(trained))
        found = [(candidate_of(one.name, one.model, known.fitted.noise, known.trial), one) for one in trained]
        found.sort(key=lambda pair: pair[0].misfit)
        return Networks(tuple(one for _, one in found), bool(found) and found[0][0].leaves_noise)

    @property
    def best(self) -> Trained | None:
        """The best network; `None` if none was trained."""
        return next(iter(self.trained), None)

    def chosen(self, contest: Contest) -> Trained | None:
        """The best network of a comparison of all candidates; `None` if no network was trained."""
        by_name = {one.name: one for one in self.trained}
        named = (by_name[one.name] for one in contest.candidates if one.name in by_name)
        return next(named, self.best)


def networks_of(task: Task, wanted: Wanted, known: Known | None, budget: Budget) -> Networks:
    """Train the networks that are needed, in single precision; they are returned in JAX's default precision.

    The first one is added to the best known system; it is left out if its training diverges. There is no network alone
    if that one leaves nothing but noise, or if no time is left.
    """
    if not task.trains:
        return Networks()
    prior = prior_of(task, known)
    first = []
    if prior is not None:
        wanted.said("network", f"added to the {prior.name}, which lacks something")
        try:
            first = [_trained_with_mechanics(task, wanted, budget, prior)]
        except DivergenceError as error:
            wanted.said("network", f"left out: {error}")
    networks = Networks.of(first, known)
    if networks.leave_noise or (first and budget.is_spent(TRAINING_SHARE)):
        return networks
    if prior is not None:
        wanted.said("network", "alone")
    return Networks.of([*first, _trained_with_mechanics(task, wanted, budget)], known)


def null_of(task: Task, wanted: Wanted, budget: Budget) -> Scaled:
    """Train the network without mechanics, the null hypothesis."""
    network = task.architecture.without_mechanics(jax.random.key(wanted.seed))
    return _in_si(_fit(network, task, wanted, [lambda _: budget.ends_refinement()]), task)


def is_whole(trained: Trained, task: Task) -> bool:
    """Whether the training was not cut short."""
    return len(trained.history.loss) >= sum(task.plan.steps)


def _trained_with_mechanics(task: Task, wanted: Wanted, budget: Budget, prior: Prior | None = None) -> Trained:
    """Train a network with a Lagrangian, alone or added to a known system."""
    architecture = task.architecture if prior is None else task.architecture.beside_known_system()
    network = architecture.model(jax.random.key(wanted.seed), prior)
    callbacks: list[Callback] = [budget.ends_training]
    checkpoints = None
    if wanted.folder is not None:
        place = wanted.folder if prior is None else wanted.folder / ON_KNOWN_SYSTEM
        checkpoints = place / CHECKPOINTS
        checkpoints.mkdir(parents=True, exist_ok=True)
        callbacks = [json_lines(place / HISTORY), *callbacks]
    result = _fit(network, task, wanted, callbacks, checkpoints)
    return Trained(_in_si(result, task), result.history, architecture, prior)


def _fit(
    network: NeuralLagrangian | NeuralODE,
    task: Task,
    wanted: Wanted,
    callbacks: Sequence[Callback],
    checkpoints: Path | None = None,
) -> FitResult:
    return train(
        network,
        task.parts,
        task.scaling,
        task.plan,
        periodic=task.columns.periodic,
        seed=wanted.seed,
        callbacks=callbacks,
        checkpoints=checkpoints,
        progress=wanted.tell is not None,
    )


def _in_si(result: FitResult, task: Task) -> Scaled:
    return Scaled(with_precision(result.model, jnp.result_type(float)), task.scaling)
