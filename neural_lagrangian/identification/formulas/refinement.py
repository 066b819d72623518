"""Refine the coefficients of formulas by rollouts, and choose the best formula."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...discovery import Formula, FoundLagrangian, damping_force
from ...integrators import StepsPerSample
from ...mechanics import AbstractForce, ControlForce, LinearDamping, summed, terms_of
from ...models import NeuralLagrangian, control_sizes, with_held_control
from ...numerics import root_mean_square
from ...training import StartError, polish
from ...trajectories import spread
from ..learning import Plan, loss_for
from ..recordings import Parts, thinned
from .search import Attempt

POLISH_STEPS, POLISH_WINDOWS = 40, 64
"""Number of iterations of a refinement, and of windows whose error it minimises."""
MAX_LOSS_RATIO = 1.1
"""A formula with fewer terms is preferred if its loss is at most this factor times the smallest loss."""
MIN_CLEAR_GAP = 2.0
"""The number of terms is clear if leaving one out makes the residual at least this factor larger
(`FoundLagrangian.gap`). Formulas with fewer terms are then not tried.
"""
ESTIMATED_VELOCITY_WEIGHT = 1e-2
"""Weight of estimated velocities in the loss. It is small, since they come from the positions that the loss has too."""


class Evidence(NamedTuple):
    """Data for refinement: estimated states, states with positions as recorded, and the plan of the windows."""

    estimated: Parts
    observed: Parts
    plan: Plan
    recorded_velocities: bool
    periodic: tuple[int, ...] = ()


class Constant(NamedTuple):
    """A constant of a known family with its unit and standard error, which is zero if it is fixed."""

    name: str
    unit: str
    value: float
    error: float

    @property
    def text(self) -> str:
        """Name and value, with as many digits as are known."""
        digits = 2 - int(np.floor(np.log10(self.error / abs(self.value)))) if self.error > 0 and self.value else 6
        return f"{self.name} = {self.value:.{np.clip(digits, 2, 10)}g}"

    def __str__(self) -> str:
        return f"{self.text}{f' ± {self.error:.2g}' if self.error > 0 else ''}{self.unit and ' '}{self.unit}"


class RefinedFormula(NamedTuple):
    """A formula with its damping, as a rollout model, after refinement.

    `where`: what was searched, or the name of the family. `model`: the formula and the damping, scaled so that a
    squared velocity has the coefficient 1/2. `loss`: its loss. `refined`: whether there was time to refine the
    coefficients. `constants`: those of the family, friction included; empty for a formula of the search.
    """

    where: str
    model: NeuralLagrangian
    loss: float
    refined: bool = True
    constants: tuple[Constant, ...] = ()

    @property
    def is_formula(self) -> bool:
        """Whether the Lagrangian is a formula of terms."""
        return isinstance(self.model.network, Formula)

    @property
    def formula(self) -> Formula:
        """The Lagrangian, without the damping."""
        assert isinstance(self.model.network, Formula)
        return self.model.network

    @property
    def couples_joints(self) -> bool:
        """Whether the damping of one coordinate depends on the velocity of another one."""
        D = self._damping()
        return bool(np.any(D - np.diag(np.diagonal(D))))

    def _damping(self) -> Float[np.ndarray, "dof dof"]:
        dof = self.formula.dof
        return np.zeros((dof, dof)) if self.model.force is None else damping_matrix(self.model, jnp.zeros(dof))

    def _gains(self) -> Float[np.ndarray, "dof m"]:
        return gain_matrix(self.model, jnp.zeros(self.formula.dof))

    @property
    def constants_count(self) -> int:
        """Number of constants of the formula, its damping and its gains, without its scale."""
        forces = np.count_nonzero(np.triu(self._damping())) + np.count_nonzero(self._gains())
        return len(self.formula.support) - 1 + int(forces)

    def __str__(self) -> str:
        lines = [f"L = {self.formula}"]
        if self.constants:
            lines.append(f"{self.where}: {', '.join(map(str, self.constants))}")
            lines.append("constants fitted by rollouts; data cannot determine the scale, a constant in L or dF/dt")
            return "\n".join(lines)
        if self.model.force is not None:
            named = {"-D v, D": self._damping(), "G u, G": self._gains()}
            written = {name: np.array2string(A, precision=5, separator=", ") for name, A in named.items() if A.any()}
            lines += [f"with the force {name} = {' '.join(text.split())}" for name, text in written.items()]
        how = "coefficients refined by rollouts" if self.refined else "not refined: the time limit was reached"
        lines.append(f"found in {self.where}, {how}; data cannot determine its scale, a constant or dF/dt")
        return "\n".join(lines)


def best_formula(
    attempts: Sequence[Attempt], network: Any, evidence: Evidence, is_over: Callable[[], bool] = lambda: False
) -> RefinedFormula | None:
    """Choose the formula with the fewest terms among those with nearly the smallest loss; `None` if there is none.

    If the residual does not determine the number of terms clearly, shorter formulas are tried: the smallest term is
    left out, then the next. Once `is_over()`, no formula is refined; if none was refined before, the first is returned
    as found.
    """
    distinct = {attempt.support: attempt for attempt in reversed(attempts) if attempt.support}
    candidates: list[RefinedFormula] = []
    as_found: list[RefinedFormula] = []
    for attempt in distinct.values():
        found = attempt.found
        assert found is not None
        assert found.formula is not None
        model = NeuralLagrangian(found.formula, force=_force_beside(found, network, evidence))
        if is_over():
            as_found.append(RefinedFormula(attempt.where, _at_scale(model), np.nan, refined=False))
            continue
        candidates.append(_refined(attempt.where, model, evidence))
        if found.gap < MIN_CLEAR_GAP:
            candidates += _with_fewer_terms(candidates[-1], evidence, is_over)
    sound = [one for one in candidates if np.isfinite(one.loss)]
    if not sound:
        return next(iter(as_found), None)
    least = min(one.loss for one in sound)
    return min((one for one in sound if one.loss <= MAX_LOSS_RATIO * least), key=lambda one: len(one.formula.support))


def damping_matrix(model: Any, q: Array) -> Float[np.ndarray, "dof dof"]:
    r"""Damping matrix $D = -\partial Q / \partial v$ at zero velocity."""
    return np.asarray(-jax.jacfwd(lambda v: model.force(0.0, q, v))(jnp.zeros_like(q)))


def gain_matrix(model: Any, q: Array) -> Float[np.ndarray, "dof m"]:
    r"""Gains $G = \partial Q / \partial u$ of the controls of a model; without controls the shape is `(dof, 0)`."""
    sizes = control_sizes(model, len(q))
    if not sizes:
        return np.zeros((len(q), 0))
    return np.asarray(
        jax.jacfwd(lambda u: with_held_control(model, u).force(0.0, q, jnp.zeros_like(q)))(jnp.zeros(sizes[0], q.dtype))
    )


def _force_beside(found: FoundLagrangian, network: Any, evidence: Evidence) -> AbstractForce | None:
    """The damping and the gains of a formula: as found in the data; for a formula of the network, the network's, scaled
    alike.
    """
    if found.scale is None or found.formula is None or network.force is None:
        return found.force
    motion, dtype = evidence.estimated.train, found.formula.coefficients.dtype
    q = jnp.asarray(motion.ys[motion.mask].mean(axis=0)[: motion.dof])
    D, G = damping_matrix(network, q) / found.scale, gain_matrix(network, q) / found.scale
    driven = ControlForce(jnp.asarray(G, dtype)) if G.size else None
    return summed([damping_force(D, dtype) if D.any() else None, driven])


def _with_fewer_terms(one: RefinedFormula, evidence: Evidence, is_over: Callable[[], bool]) -> Iterator[RefinedFormula]:
    """Leave out the smallest term, refine, and repeat until the loss grows by more than `MAX_LOSS_RATIO`."""
    motion = evidence.estimated.train
    q, v = (jnp.asarray(part) for part in np.split(motion.ys[motion.mask], 2, axis=1))
    least = one.loss
    while len(one.formula.support) > 1 and not is_over():
        terms = one.formula.library
        values = np.asarray(jax.jit(jax.vmap(terms, (None, 0, 0)))(0.0, q, v))
        sizes = values.std(axis=0) * np.abs(np.asarray(one.formula.coefficients))
        sizes[pivot(one.formula)] = np.inf
        kept = np.delete(np.arange(len(terms)), np.argmin(sizes))
        shorter = Formula(terms.select(kept.tolist()), one.formula.coefficients[kept])
        one = _refined(one.where, eqx.tree_at(lambda m: m.network, one.model, shorter), evidence)
        if not one.loss <= MAX_LOSS_RATIO * least:
            return
        least = min(least, one.loss)
        yield one


def _refined(where: str, model: NeuralLagrangian, evidence: Evidence) -> RefinedFormula:
    """Refine the coefficients. The loss is infinite if rollouts fail from the start."""
    plan, motion = evidence.plan, evidence.observed.train
    loss = loss_for(motion, evidence.periodic, velocity=_velocity_weight(evidence))
    try:
        polished = polish(
            model,
            thinned(motion, plan.stride),
            loss=loss,
            steps=POLISH_STEPS,
            horizon=plan.horizons[-1],
            stride=plan.stride,
            windows=POLISH_WINDOWS,
            states=evidence.estimated.train.ys,
            stepsize_controller=StepsPerSample(plan.substeps),
        )
    except StartError:
        return RefinedFormula(where, model, np.inf)
    return RefinedFormula(where, _at_scale(polished.model), float(polished.loss[-1]))


def _velocity_weight(evidence: Evidence) -> float:
    """Weight of velocities in the loss, by their noise: what smoothing removes, as a share of the size."""
    if not evidence.recorded_velocities:
        return ESTIMATED_VELOCITY_WEIGHT
    estimated, observed = evidence.estimated.train, evidence.observed.train
    removed = root_mean_square((observed.ys - estimated.ys)[observed.mask]) / spread(observed, evidence.periodic)
    q, v = np.split(removed, 2)
    return float(np.clip(q.mean() / v.mean(), ESTIMATED_VELOCITY_WEIGHT, 1.0)) if v.any() else 1.0


def _at_scale(model: NeuralLagrangian) -> NeuralLagrangian:
    """Scale the formula and its forces so that a squared velocity has the coefficient 1/2. The motion is the same."""
    assert isinstance(model.network, Formula)
    factor = 0.5 / model.network.coefficients[pivot(model.network)]
    found, errors = model.network, model.network.standard_errors
    errors = None if errors is None else [abs(float(factor)) * error for error in errors]
    scaled = Formula(found.library, found.coefficients * factor, errors)
    model = eqx.tree_at(lambda m: m.network, model, scaled)
    if model.force is None:
        return model
    return eqx.tree_at(lambda m: m.force, model, summed([_times(term, factor) for term in terms_of(model.force)]))


def _times(force: Any, factor: Array) -> AbstractForce:
    """Linear damping, or the force of controls, times a positive factor."""
    if isinstance(force, LinearDamping):
        return LinearDamping(jnp.asarray(force.factor) * jnp.sqrt(factor))
    assert isinstance(force, ControlForce)
    return ControlForce(jnp.asarray(force.matrix) * factor)


def pivot(formula: Formula) -> int:
    """Index of the first squared velocity among the terms, else of the first term with a velocity."""
    velocities = formula.library.symbols[1]
    squares = [k for k, term in enumerate(formula.library.terms) if any(term == ((name, 2),) for name in velocities)]
    kinetic = [k for k, term in enumerate(formula.library.terms) if any(name in velocities for name, _ in term)]
    return (squares or kinetic)[0]
