"""Every system at generic parameters, none equal to one or to another, and what the laws are read off."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import neural_lagrangian as nl
from neural_lagrangian.mechanics import Cholesky
from neural_lagrangian.systems import SYSTEMS, parameters

from ..helpers import DTYPE
from .side_by_side import SideBySide


def generic(name, **options):
    """A system whose parameters are its defaults times different factors between 0.7 and 1.3."""
    factors = (0.7 + 0.6 * (0.618034 * k % 1) for k in range(1, 100))

    def off(value):
        return tuple(map(off, value)) if isinstance(value, tuple) else value * next(factors)

    defaults = {key: parameter.value for key, parameter in parameters(SYSTEMS[name]()).items()}
    return SYSTEMS[name](**(jax.tree.map(off, defaults) | options))


def push(t, q, v):
    return jnp.sin(2 * t) - q[0] * v[1]


STIFFNESS = [[5.0, 1.0, -0.5], [1.0, 4.0, 0.7], [-0.5, 0.7, 3.0]]

CASES = {name: generic(name) for name in SYSTEMS} | {
    "ConstantForce, 3-D": generic("ConstantForce", load=(0.3, -1.2, 2.5)),
    "HarmonicOscillator, 3-D": generic("HarmonicOscillator", dimension=3),
    "HarmonicOscillator, matrix": generic("HarmonicOscillator", stiffness=STIFFNESS),
    "ChargedParticle, Landau": generic("ChargedParticle", gauge="landau"),
    "PoyntingRobertson, strong": generic("PoyntingRobertson", light_speed=20.0, radiation=0.3),
    "NBody, 3-D": generic("NBody", softening=0.2, dimension=3),
    "WaveEquation, fixed": generic("WaveEquation", sites=7, ends="fixed"),
    "DrivenPendulum, oblique": generic("DrivenPendulum", direction=0.7),
    "CartPole, pushed": generic("CartPole", cart_friction=0.4, pole_friction=0.3, control=push),
    "CartPole, stiff hinge": generic("CartPole", pole_friction=0.3),
}


def states(system, count=1000):
    """Times and states: half as the system samples them, half with other velocities of the same size."""
    q, v = np.split(np.array(eqx.filter_jit(system.sample_states)(jax.random.key(0), count)), 2, axis=1)
    draw = np.random.default_rng(0)
    v[::2] = np.abs(v).max(axis=0) * draw.uniform(-1, 1, (len(v[::2]), system.dof))
    t = draw.uniform(-5, 5, count).astype(v.dtype)
    return jnp.asarray(t), jnp.asarray(q), jnp.asarray(v)


def accounts(system, t, q, v):
    """The energy and the invariants."""
    return {"energy": system.energy(t, q, v), "invariants": system.invariants(t, q, v)}


@cache
def laws(name):
    """Both sides of each instantaneous law at 1 000 random states, all from one compiled function."""
    system = CASES[name]

    def evaluate(t, q, v, sign):
        a, Q = system.acceleration(t, q, v), system.force(t, q, v)
        motion = (jnp.ones_like(t), v, a)
        values, rates = jax.jvp(lambda *x: accounts(system, *x), (t, q, v), motion)
        # The same with every sign at random, so that nothing cancels: how large a rate could be.
        _, sizes = jax.jvp(lambda *x: accounts(system, *x), (t, q, v), jax.tree.map(jnp.multiply, motion, sign))
        solve = Cholesky()
        return {
            "acceleration": a,
            "derived": nl.acceleration(system.lagrangian, t, q, v, force=system.force, mass_solve=solve),
            "legendre": nl.energy(system.lagrangian, t, q, v),
            "power": jnp.dot(Q, v),
            "explicit": jax.grad(system.lagrangian, 0)(t, q, v),
            "values": values,
            "rates": rates,
            "sizes": sizes,
        }

    t, q, v = states(system)
    draw = np.random.default_rng(1)
    sign = tuple(jnp.asarray(draw.choice([-1.0, 1.0], x.shape), x.dtype) for x in (t, q, v))
    values = jax.jit(jax.vmap(evaluate))(t, q, v, sign)
    return jax.tree.map(np.asarray, values)


TS = jnp.linspace(0, 2, 10, dtype=DTYPE)
MOVING = [*SYSTEMS, "CartPole, pushed"]


@cache
def motion():
    """Simulated motion of each of `MOVING` from two random states, shape `(trajectory, time, 2 dof)`."""
    together = SideBySide(CASES[name] for name in MOVING)
    starts = [[np.asarray(x)[1:4:2] for x in states(CASES[name])[1:]] for name in MOVING]
    y0s = np.concatenate([start[part] for part in (0, 1) for start in starts], axis=1)
    halves = (together.split(half) for half in np.split(nl.simulate(together, TS, y0s).ys, 2, axis=2))
    return {name: np.concatenate(pair, axis=2) for name, *pair in zip(MOVING, *halves, strict=True)}


@cache
def along(name):
    """The energy and the invariants along that motion, each of shape `(trajectory, time)`."""
    one = jax.vmap(lambda t, y: accounts(CASES[name], t, *jnp.split(y, 2)))
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(one, (None, 0)))(TS, motion()[name]))
