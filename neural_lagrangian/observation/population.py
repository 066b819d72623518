r"""Parameters of runs that are not known: a value for each run, and a distribution that the runs share."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import check_instance, is_concrete
from .._types import Scalar
from ..networks import RUN, AbstractUnknown, Frozen, unfrozen
from ..trajectories import Trajectories
from .sensor import quantity

MAX_RUN_NUMBER = 1 << 24
"""Numbers of runs are below this: single precision has all integers up to here."""
OTHER_RUN = -1
"""Stands for a run that is not in the population, whose parameters are known."""


class Normal(eqx.Module):
    r"""The normal distribution of a parameter over the runs of a population, $\mathcal N(\mu, \varsigma^2)$.

    A number is a first estimate, and `networks.Frozen(number)` a known value, as for a `Sensor`.

    **Arguments:**

    - `mean`: the mean $\mu$, in the unit of the parameter. A number is trained.
    - `spread`: the standard deviation $\varsigma$, positive, in the unit of the parameter. Training does not change it;
      `estimate_spread` does, unless it is `Frozen`.

    **Raises:** `ValueError` for values that are not finite, and a `spread` that is not positive.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> nl.observation.Normal(mean=1.0, spread=nl.networks.Frozen(0.2))
    Normal(mean=1, spread=Frozen(0.2))
    ```
    """

    mean: Any
    spread: Any

    def __init__(self, mean: Any, spread: Any):
        self.mean, self.spread = quantity("mean", mean), quantity("spread", spread)
        if self.mean is None or self.spread is None or not _is_positive(unfrozen(self.spread)):
            raise ValueError(f"`mean` is {mean}, `spread` is {spread}; expected a number and a positive number")

    def __repr__(self) -> str:
        def written(value: Any) -> str:
            number = np.asarray(unfrozen(value)) if is_concrete(unfrozen(value)) else unfrozen(value)
            text = f"{float(number):.4g}" if isinstance(number, np.ndarray) else str(number)
            return f"Frozen({text})" if isinstance(value, Frozen) else text

        return f"Normal(mean={written(self.mean)}, spread={written(self.spread)})"


def _is_positive(value: Any) -> bool:
    return not is_concrete(value) or bool(np.asarray(value) > 0)


class Population(AbstractUnknown):
    r"""Estimates of parameters that are not known, such as the lengths of pendulums, for each run of a recording.

    $$\pi_r \sim \mathcal N(\mu, \varsigma^2)$$

    Give it to `Observed(model, sensors, population=...)`. The parameters are those of `networks.Conditioned` parts of
    the model. The parameter `run` of the trajectories says which run each of them is, so several trajectories may be of
    the same run. The values and the mean are trained, by every optimiser. `negative_log_likelihood` and
    `observation_residual` contain the prior, once for each run, however the run is cut into windows. Losses of
    trajectories have no noise to compare it with: they refuse the model.

    **Arguments:**

    - `priors`: a `Normal` for each unknown parameter, by its name. All runs start at the mean.
    - `trajectories`: the recording, with `observations`, and `parameters` that contain `run`: integers from zero.

    **Raises:** `ValueError` if `priors` are not `Normal`s by name, or the trajectories do not say which runs they are.

    **Example:** The two runs are of springs with other stiffnesses, and 1.0 and 4.0 are far apart.

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import Normal, Observed, Population, Position, Sensor
    >>> spring = nl.networks.Conditioned(lambda t, q, v, p: (v @ v - p["k"] * q @ q) / 2, {"k": 2.0})
    >>> ts = np.linspace(0.0, 2.0, 21)
    >>> ys = np.stack([np.stack([np.cos(w * ts), -w * np.sin(w * ts)], axis=1) for w in (1.0, 2.0)])
    >>> motion = nl.Trajectories(ts, ys, observations={"place": ys[:, :, 0]}, parameters={"run": [0, 1]})
    >>> runs = Population({"k": Normal(mean=2.0, spread=2.0)}, motion)
    >>> model = nl.NeuralLagrangian.from_lagrangian(spring, dof=1, stepsize_controller=nl.StepsPerSample(1))
    >>> rig = Observed(model, {"place": Sensor(Position(), noise=0.01)}, population=runs)
    >>> residual = nl.observation.observation_residual
    >>> found = nl.training.gauss_newton(rig, motion, residual=residual, horizon=20, windows=2, steps=10).model
    >>> found.population.values["k"].round(1).tolist()
    [1.0, 4.0]
    ```
    """

    values: dict[str, Float[Array, " run"]]
    means: dict[str, Any]
    spreads: dict[str, Any]
    estimated: tuple[str, ...] = eqx.field(static=True)
    """Names of the parameters whose spread is estimated."""
    runs: tuple[int, ...] = eqx.field(static=True)
    """The number of each run, as the trajectories say it."""
    counts: Any
    """Number of observed values of each run."""
    _run: Array | None
    """The number of the run of which the model is; `OTHER_RUN`, or `None` if that has not been said."""

    def __init__(self, priors: Mapping[str, Normal], trajectories: Trajectories):
        if not isinstance(priors, Mapping) or not priors:
            raise ValueError(f"`priors` is {priors!r:.80}; expected a dictionary from names of parameters to `Normal`s")
        for name, prior in priors.items():
            check_instance(f"priors[{name!r}]", prior, Normal)
        if RUN in priors:
            raise ValueError(f"`priors` has the name {RUN!r}, which says which run a trajectory is; expected another")
        check_instance("trajectories", trajectories, Trajectories)
        each = _runs_of(trajectories)
        self.runs = tuple(np.unique(each).tolist())
        seen = jnp.asarray([_values(trajectories)[each == run].sum() for run in self.runs], jnp.result_type(float))
        priors = dict(sorted(priors.items()))
        self.values = {name: jnp.full(len(self.runs), unfrozen(prior.mean)) for name, prior in priors.items()}
        self.means = {name: prior.mean for name, prior in priors.items()}
        self.spreads = {name: Frozen(unfrozen(prior.spread)) for name, prior in priors.items()}
        self.estimated = tuple(name for name, prior in priors.items() if not isinstance(prior.spread, Frozen))
        self.counts, self._run = Frozen(seen), None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters that are not known."""
        return tuple(self.values)

    @property
    def is_bound(self) -> bool:
        """Whether the model is that of one run."""
        return self._run is not None

    def values_of(self, run: Array) -> dict[str, Array]:
        """The present estimates of the run with this number, by name; NaN for a run that is not in the population."""
        index, there = self._index(run)
        return {name: jnp.where(there, value[index], jnp.nan) for name, value in self.values.items()}

    def of_run(self, run: Array | None) -> "Population":
        number = jnp.asarray(OTHER_RUN if run is None else run).astype(int)
        return eqx.tree_at(lambda p: p._run, self, number, is_leaf=lambda x: x is None)

    def check(self, runs: np.ndarray) -> None:
        """**Raises:** `ValueError` for runs that are not in the population."""
        others = sorted(set(np.ravel(runs).tolist()) - set(self.runs))
        if others:
            shown = ", ".join(f"{run:g}" for run in others)
            raise ValueError(
                f"`parameters[{RUN!r}]` has the runs {shown}, which are not in the population; it has the runs "
                f"{', '.join(map(str, self.runs))}. Give the values of other runs by the names {sorted(self.names)}"
            )

    def share(self, values: Array) -> Scalar:
        """The share of this number of observed values in all of the run. The prior counts by it in a window."""
        if self._run is None:
            return jnp.zeros(())
        index, there = self._index(self._run)
        return jnp.where(there, values / jnp.maximum(unfrozen(self.counts)[index], 1), 0)

    def deviations(self) -> Float[Array, " parameter"]:
        r"""$(\pi_r - \mu) / \varsigma$ of each parameter, for the run of the model; zero for known parameters."""
        if self._run is None:
            return jnp.zeros(len(self.values))
        index, there = self._index(self._run)
        return jnp.where(there, self.all_deviations()[:, index], 0)

    def all_deviations(self) -> Float[Array, "parameter run"]:
        r"""$(\pi_r - \mu) / \varsigma$ of each parameter and run."""
        means, spreads = unfrozen((self.means, self.spreads))
        return jnp.stack([(value - means[name]) / spreads[name] for name, value in self.values.items()])

    def log_spreads(self) -> Float[Array, " parameter"]:
        r"""$\log \varsigma$ of each parameter."""
        return jnp.log(jnp.stack([unfrozen(self.spreads)[name] for name in self.values]))

    def __repr__(self) -> str:
        shown = (f"{name}: {Normal(self.means[name], _written(self, name))}" for name in self.names)
        return f"Population({len(self.runs)} runs, {', '.join(shown)})"

    def _index(self, run: Array) -> tuple[Array, Array]:
        same = jnp.asarray(self.runs, jnp.asarray(run).dtype) == run
        return jnp.argmax(same), jnp.any(same)


def _written(population: Population, name: str) -> Any:
    """The spread as the `Normal` had it: `Frozen` if it is known."""
    spread = population.spreads[name]
    return unfrozen(spread) if name in population.estimated else spread


def _runs_of(trajectories: Trajectories) -> np.ndarray:
    """The number of the run of each trajectory.

    **Raises:** `ValueError` if trajectories have no such numbers.
    """
    runs = (trajectories.parameters or {}).get(RUN)
    if runs is None:
        raise ValueError(
            f"`trajectories` do not say which runs they are; expected `Trajectories(..., parameters={{{RUN!r}: "
            f"[0, 1, ...]}})`, a number for each trajectory"
        )
    whole = runs.ndim == 1 and np.all((runs == np.round(runs)) & (runs >= 0) & (runs < MAX_RUN_NUMBER))
    if not whole:
        raise ValueError(f"`parameters[{RUN!r}]` is {runs!r:.80}; expected whole numbers from 0 to {MAX_RUN_NUMBER}")
    return runs.astype(int)


def _values(trajectories: Trajectories) -> np.ndarray:
    """Number of observed values in each trajectory.

    **Raises:** `ValueError` if there are no observations, or none in a trajectory.
    """
    if trajectories.observations is None:
        raise ValueError("`trajectories` have no `observations`; expected what the sensors recorded, by channel")
    seen = [np.isfinite(x) & trajectories.mask[..., None] for x in trajectories.observations.values()]
    return np.sum([each.sum(axis=(1, 2)) for each in seen], axis=0)
