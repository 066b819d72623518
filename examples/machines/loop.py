"""The loop of a digital controller with a simulated machine: encoders, observer, controller, motor."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from neural_lagrangian import control


def applied(machine, ts, us, row=0.01):
    """The mean control of each row of a recording: a command acts `delay` later, and is held for `sample`."""
    fine = np.arange(round(len(ts) * row / 0.001)) * 0.001
    k = np.searchsorted(ts, fine - machine.delay + 1e-6, side="right") - 1
    control = np.where(k >= 0, us[np.maximum(k, 0), 0], 0.0)
    return control.reshape(len(ts), -1).mean(axis=1)[:, None]


def _ahead(model, y, u, seconds):
    return control.closed_loop(model, lambda t, y: u, jnp.array([0.0, seconds]), y).ys[-1]


@eqx.filter_jit
def _estimate(model, y, u, q, sample, delay):
    """Correct the estimate by the encoders, and predict it over the delay with the old control."""
    error = q - y[:2]
    y = y + jnp.concatenate([0.5 * error, 0.17 / sample * error])
    return _ahead(model, y, u, delay)


@eqx.filter_jit
def _command(model, controller, t, y, seconds):
    """The control at the estimate, and the prediction under it."""
    u = controller(t, y)
    return u, _ahead(model, y, u, seconds)


def drive(machine, model, controller, start, seconds, seed, renew=None):
    """Run the machine under a controller, with the model as observer.

    `renew(t, y, controller)` returns the controller from the time t and the estimate y on, such as one with a new plan.

    **Returns:** a `ClosedLoop` with the true states and the commands, every `sample`.
    """
    y, u, now = None, jnp.zeros(1), controller

    def command(t, q):
        nonlocal y, u, now
        y = jnp.array([*q, 0.0, 0.0]) if y is None else y
        y = _estimate(model, y, u, jnp.asarray(q), machine.sample, machine.delay)
        t = jnp.asarray(t + machine.delay)  # when the command acts
        now = now if renew is None else renew(t, y, now)
        u, y = _command(model, now, t, y, machine.sample - machine.delay)
        return float(u[0])

    ts, _, us, ys = machine.run(command, start, seconds, seed, measure_every=machine.sample)
    return control.ClosedLoop(*map(jnp.asarray, (ts, ys, us)))


class Replanning:
    """The `renew` of `drive`: the best motion to the target is planned again and again, until the regulator takes over.

    - `model`: plans with it. `regulator`, `level`: as for `Catch`; plans have the limits of the regulator.
    - `costs`: callable of the estimate to the costs of several plans, such as those that turn left and right. The plan
      of least cost is used.
    - `ts`: times of a plan from its start. `every`: seconds until the next plan; the first one comes after 0.2 s, when
      the observer has found the velocities.
    """

    def __init__(self, model, regulator, level, costs, ts, every, *, iterations=100):
        self.model, self.regulator, self.level, self.costs = model, regulator, level, costs
        self.ts, self.every, self.iterations, self.next = ts, every, iterations, 0.2

    @property
    def idle(self):
        """The controller until the first plan: no control."""
        limits = self.regulator.limits
        return control.Catch(control.Limited(lambda t, y: jnp.zeros(1), limits), self.regulator, self.level)

    def __call__(self, t, y, controller):
        if t < self.next or self.regulator.value(y) < self.level:
            return controller
        self.next = float(t) + self.every
        options = {"limits": self.regulator.limits, "periodic": self.regulator.periodic, "iterations": self.iterations}
        plans = [control.optimize_trajectory(self.model, cost, self.ts + t, y, **options) for cost in self.costs(y)]
        return control.Catch(min(plans, key=lambda plan: float(plan.cost)), self.regulator, self.level)
