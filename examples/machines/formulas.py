"""The true models of the machines: their Lagrangians by hand, with the constants of MuJoCo."""

import jax.numpy as jnp
import numpy as np

import neural_lagrangian as nl
from machines import MACHINES
from machines.learning import STEPS, motor


def cart_pole(machine):
    r"""$\tfrac12 M_{00} v_0^2 + M_{01} \cos q_1\, v_0 v_1 + \tfrac12 M_{11} v_1^2 + w \cos q_1$."""
    M, _ = machine.inertia([0.0, 0.0])
    _, weight = machine.inertia([0.0, np.pi / 2])

    def lagrangian(t, q, v):
        c = jnp.cos(q[1])
        return 0.5 * M[0, 0] * v[0] ** 2 + M[0, 1] * c * v[0] * v[1] + 0.5 * M[1, 1] * v[1] ** 2 + weight[1] * c

    return lagrangian


def rotary_pendulum(machine):
    r"""That of the cart-pole, with $M_{00} + d \sin^2 q_1$ at the arm: the raised pendulum is far from its axis."""
    pole = cart_pole(machine)
    d = machine.inertia([0.0, np.pi / 2])[0][0, 0] - machine.inertia([0.0, 0.0])[0][0, 0]

    def lagrangian(t, q, v):
        return pole(t, q, v) + 0.5 * d * jnp.sin(q[1]) ** 2 * v[0] ** 2

    return lagrangian


def pendubot(machine):
    """Two links that hang from a motor."""
    M, _ = machine.inertia([0.0, 0.0])
    _, weight = machine.inertia([np.pi / 2, 0.0])
    c, b = M[1, 1], M[0, 1] - M[1, 1]

    def lagrangian(t, q, v):
        k = b * jnp.cos(q[1])
        kinetic = 0.5 * (M[0, 0] - 2 * b + 2 * k) * v[0] ** 2 + (c + k) * v[0] * v[1] + 0.5 * c * v[1] ** 2
        return kinetic + (weight[0] - weight[1]) * jnp.cos(q[0]) + weight[1] * jnp.cos(q[0] + q[1])

    return lagrangian


LAGRANGIANS = {"cart_pole": cart_pole, "pendubot": pendubot, "rotary_pendulum": rotary_pendulum}
"""The Lagrangian of each of `MACHINES`, in joules, as a function of the machine."""


def of_mujoco(name, widths):
    """The true model of a machine. `widths`: of its smoothed dry friction, shape `(2,)`, in the units of velocity."""
    machine = MACHINES[name]
    lagrangian, unit = LAGRANGIANS[name](machine), machine.energy_unit
    damping, dry = (jnp.asarray(friction) / unit for friction in machine.friction())
    return nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: lagrangian(t, q, v) / unit,
        dof=2,
        force=nl.mechanics.LinearDamping(jnp.sqrt(damping)) + nl.mechanics.SmoothFriction(dry, widths) + motor(machine),
        mass_solve=nl.mechanics.Cholesky(),
        **STEPS,
    )
