"""The loop of a digital controller with a simulated machine: encoders, observer, controller, motor."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from machines.learning import without_dry_friction
from neural_lagrangian import control

SIDE_BY_SIDE = 10
"""Plans that are computed at a time: more of them cost less each, and are as slow as the slowest."""


def _ahead(model, y, u, seconds):
    return control.closed_loop(model, lambda t, y: u, jnp.array([0.0, seconds]), y).ys[-1]


@eqx.filter_jit
def _estimates(model, ys, us, qs, sample, delay):
    """Correct the estimates by the encoders, and predict them over the delay with the old controls."""

    def one(y, u, q):
        error = q - y[:2]
        y = y + jnp.concatenate([0.5 * error, 0.17 / sample * error])
        return _ahead(model, y, u, delay)

    return jax.vmap(one)(ys, us, qs)


@eqx.filter_jit
def _commands(model, controller, plans, t, ys, seconds):
    """The controls at the estimates, and the predictions under them."""

    def one(y, plan):
        u = (controller if plan is None else controller.along(plan))(t, y)
        return u, _ahead(model, y, u, seconds)

    return jax.vmap(one)(ys, plans)


def drive(machine, model, controller, starts, seconds):
    """Run the machine from some starts under a controller, with the model as observer.

    The runs are independent: run i has the noise of the seed i. They go side by side, which is faster. `controller` is
    a controller or a `Replanning`.

    **Returns:** a `ClosedLoop` for each start, with the true states and the commands, every `sample`.
    """
    motions = [machine.moving(start, seconds, seed, measure_every=machine.sample) for seed, start in enumerate(starts)]
    readings, runs = [next(motion) for motion in motions], []
    ys = jnp.array([[*q, 0.0, 0.0] for _, q in readings])
    us, plans = jnp.zeros((len(starts), 1)), None
    while not runs:
        t = jnp.asarray(readings[0][0] + machine.delay)  # when the command acts
        ys = _estimates(model, ys, us, jnp.array([q for _, q in readings]), machine.sample, machine.delay)
        if isinstance(controller, Replanning):
            plans = controller.renewed(t, ys, plans)
        us, ys = _commands(model, controller, plans, t, ys, machine.sample - machine.delay)
        readings = []
        for motion, u in zip(motions, np.asarray(us)[:, 0], strict=True):
            try:
                readings.append(motion.send(u))
            except StopIteration as end:
                runs.append(end.value)
    return [control.ClosedLoop(*map(jnp.asarray, (ts, ys, us))) for ts, _, us, ys in runs]


def regulator(machine, model, target, weights, periodic):
    """The regulator that holds the target, and the level of its cost-to-go below which it attracts.

    `weights`: the `state_cost` and `control_cost`. It uses the model without its dry friction.
    """
    smooth = without_dry_friction(model)
    limits = control.ControlLimits(-machine.limit, machine.limit)
    hold = control.lqr(smooth, target, dt=machine.sample, limits=limits, periodic=periodic, **weights)
    return hold, control.attraction_level(smooth, hold, key=jax.random.key(1))


class Replanning(eqx.Module):
    """The best motion to the target is planned again and again, until the regulator takes over.

    - `model`: plans with it. `regulator`, `level`: as for `Catch`; plans have the limits of the regulator.
    - `costs`: callable of the estimate to the costs of several plans, such as those that turn left and right. The plan
      of least cost is used.
    - `dt`, `steps`: interval in seconds, and number of intervals, of a plan.
    - `every`: seconds until the next plan; the first one comes after 0.2 s, when the observer has found the velocities.
    - `brake`: gains of a feedback that slows the machine down, $u = -B y$, shape `(1, 4)`. With it, optimisation begins
      with the braked motion. A plan that does not end where the regulator attracts is not followed: the machine brakes,
      and plans again half a second later. `None`: no control is where optimisation begins, and every plan is followed.
    """

    model: Any
    regulator: control.LinearQuadraticRegulator
    level: float
    costs: Callable
    dt: float
    steps: int
    every: float
    iterations: int = 100
    brake: jax.Array | None = None

    def along(self, plan):
        """The controller that follows a plan."""
        return control.Catch(plan, self.regulator, self.level)

    def renewed(self, t, ys, plans):
        """The plans at the time t: new ones where the old are due and the regulator does not attract the estimate."""
        if plans is None:
            plans = jax.tree.map(lambda x: jnp.broadcast_to(x, (len(ys), *x.shape)), self.waiting(0.2))
        due = np.asarray(plans.ts[:, 0]) + self.every <= t
        if not due.any():
            return plans
        far = ~(np.asarray(_values(self.regulator, ys)) < self.level)
        chosen = np.flatnonzero(due & far)
        for some in np.split(chosen, range(SIDE_BY_SIDE, len(chosen), SIDE_BY_SIDE)):
            if len(some):
                new = _plans(self, t, ys[np.resize(some, SIDE_BY_SIDE)])
                plans = jax.tree.map(lambda old, new, some=some: old.at[some].set(new[: len(some)]), plans, new)
        return plans

    def waiting(self, until):
        """The plan without motion, or to brake, that is due at a time."""
        ts = until - self.every + jnp.linspace(0.0, self.dt * self.steps, self.steps + 1)
        brake, zero = jnp.zeros((1, 4)) if self.brake is None else self.brake, jnp.zeros(())
        gains = jnp.broadcast_to(-brake, (self.steps, 1, 4))
        parts = ts, jnp.zeros((self.steps + 1, 4)), jnp.zeros((self.steps, 1)), gains, zero, zero > 0, zero
        return control.Plan(*parts, limits=self.regulator.limits)


@eqx.filter_jit
def _values(regulator, ys):
    return jax.vmap(regulator.value)(ys)


@eqx.filter_jit
def _plans(planning, t, ys):
    """The plan of least cost from each of the states `ys`, at the time t."""
    options = {"limits": planning.regulator.limits, "iterations": planning.iterations}

    def one(y):
        guess = None if planning.brake is None else lambda t, y: -planning.brake @ y
        horizons = [
            control.RecedingHorizon(planning.model, cost, planning.dt, planning.steps, guess=guess, **options)
            for cost in planning.costs(y)
        ]
        plans = jax.tree.map(lambda *parts: jnp.stack(parts), *[horizon.plan(t, y) for horizon in horizons])
        best = jax.tree.map(lambda parts: parts[jnp.argmin(plans.cost)], plans)
        if planning.brake is None:
            return best
        arrives = planning.regulator.value(best.ys[-1]) < planning.level
        return jax.tree.map(lambda *both: jnp.where(arrives, *both), best, planning.waiting(t + 0.5))

    return jax.vmap(one)(ys)
