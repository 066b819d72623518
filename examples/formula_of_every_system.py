# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A formula of every system
#
# This notebook finds the Lagrangian of each system of `neural_lagrangian.systems` from 20 motions of 100 samples. The
# data have accelerations, or only positions and velocities. They have no noise, or noise of 1 % or 5 % of the
# standard deviation of each channel. Formulas are compared by their equations of motion, so scale, constant and dF/dt
# do not matter. Linear damping is found together with the formula.

# %%
import time
import warnings
from itertools import combinations
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sizes import asked

import neural_lagrangian as nl
from neural_lagrangian.discovery import Library, UndeterminedWarning, compare_lagrangians, sparse_lagrangian

jax.config.update("jax_enable_x64", True)

SMOKE = asked("smoke")

# %% [markdown]
# ## Candidate terms of each Lagrangian
#
# A library contains the terms that a user would offer who knows three things: which coordinates are angles, which
# forces depend on distances, and the frequency of a drive.


# %%
class Case(NamedTuple):
    system: nl.systems.AbstractSystem
    library: Library
    duration: float = 3.0
    drift: float = 0.0
    what: str = ""


def angles(dof, order, degree=2):
    return Library.waves(dof, order) * Library.velocities(dof, degree)


def inverse_distance(dof, i=None, j=None):
    """1/r from the origin, or between two bodies in the plane."""

    def separation(q):
        return q if i is None else q[2 * i : 2 * i + 2] - q[2 * j : 2 * j + 2]

    text = "q0**2 + q1**2" if i is None else f"(q{2 * i} - q{2 * j})**2 + (q{2 * i + 1} - q{2 * j + 1})**2"
    name = "1/r" if i is None else f"1/r{i}{j}"
    return Library.functions(dof, {name: lambda t, q, v: 1 / jnp.linalg.norm(separation(q))}, {name: f"1/sqrt({text})"})


def harmonics(frequency):
    """Of a drive whose frequency is known."""
    named = {"cos(w t)": lambda t, q, v: jnp.cos(frequency * t), "sin(w t)": lambda t, q, v: jnp.sin(frequency * t)}
    return Library.functions(1, named)


def lorentz():
    name = "sqrt(1 - v^2)"
    return Library.functions(1, {name: lambda t, q, v: jnp.sqrt(1 - v[0] ** 2)}, {name: "sqrt(1 - v**2)"})


quartic = Library.coordinates(1, 4) * Library.velocities(1, 4)
central = inverse_distance(2) * Library.velocities(2, 2) + Library.coordinates(2, 2)
bodies = sum((inverse_distance(6, i, j) for i, j in combinations(range(3), 2)), Library.coordinates(6, 2))
systems = nl.systems
CASES = [
    Case(systems.ConstantForce(), quartic),
    Case(systems.HarmonicOscillator(), quartic),
    Case(systems.DampedOscillator(), quartic, 10.0),
    Case(systems.Duffing(damping=0.0), quartic + Library.coordinates(1, 2) * harmonics(1.2), 10.0, what=", undamped"),
    Case(systems.Duffing(), quartic + Library.coordinates(1, 2) * harmonics(1.2), 10.0),
    Case(systems.Pendulum(), angles(1, 2, 4)),
    Case(systems.DrivenPendulum(), angles(1, 1) * harmonics(5.0)),
    Case(systems.DoublePendulum(), angles(2, 2)),
    Case(systems.NLinkPendulum(), angles(3, 2)),
    Case(
        systems.SpringPendulum(), Library.coordinates(2, 2, [0]) * Library.waves(2, 1, [1]) * Library.velocities(2, 2)
    ),
    Case(systems.CoupledPendulums(), angles(2, 1) + Library.coordinates(2, 2), 6.0),
    Case(systems.CartPole(), Library.waves(2, 2, [1]) * Library.velocities(2, 2) + Library.coordinates(2, 2)),
    Case(systems.ChargedParticle(), Library.coordinates(2, 2) * Library.velocities(2, 2), 6.0),
    Case(systems.RelativisticParticle(), quartic + lorentz()),
    Case(systems.Kepler(), central, 6.0),
    Case(systems.PoyntingRobertson(), central, 6.0),
    Case(systems.NBody(), bodies + Library.velocities(6, 2)),
    Case(systems.NBody(), bodies + Library.velocities(6, 2), drift=1.0, what=", drifting"),
    Case(systems.HenonHeiles(), Library.coordinates(2, 3) * Library.velocities(2, 2), 10.0),
    Case(systems.WaveEquation(sites=4), Library.coordinates(4, 2) + Library.velocities(4, 2)),
]
if SMOKE:
    CASES = CASES[:1]


# %%
def motions(case):
    """Bodies drift together, if they do, at a velocity of their own in each motion: else it is not seen."""
    y0s = case.system.sample_states(jax.random.key(0), 20)
    drift = jnp.tile(case.drift * jax.random.normal(jax.random.key(1), (20, 2)), (1, case.system.dof // 2))
    y0s = y0s.at[:, case.system.dof :].add(drift) if case.drift else y0s
    return nl.simulate(case.system, jnp.linspace(0.0, case.duration, 100), y0s, accelerations=True)


def observed(motion):
    """What is recorded of a motion, by name."""
    bare = nl.Trajectories(motion.ts, motion.ys)
    yield "q, v, a", motion
    yield "q, v", bare
    for noise in (0.01, 0.05):
        yield f"q, v, {noise:.0%} noise", nl.datasets.add_noise(bare, relative=noise, key=jax.random.key(1))


def search(trajectories, library):
    """The formula found, or why there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndeterminedWarning)
        try:
            found = sparse_lagrangian(trajectories, library)
        except ValueError as error:
            return None, str(error)
    return found, "; ".join(found.missing)


def compared(case, motion, found):
    """The equations of motion found, with those of the system."""
    states = motion.ys.reshape(-1, 2 * case.system.dof)[::5]
    ts = np.broadcast_to(motion.ts, motion.mask.shape).reshape(-1)[::5]
    return compare_lagrangians(case.system.lagrangian, found.formula, states, ts=ts)


def verdict(comparison):
    if comparison is None:
        return "none"
    if comparison.kind == "solution-equivalent":
        return f"{100 * comparison.acceleration_residual:.1g} %, another"
    return f"{100 * comparison.gauge_residual:.1g} %"


comparisons = {}
for case in CASES:
    motion = motions(case)
    title = type(case.system).__name__ + case.what
    for what, trajectories in observed(motion):
        start = time.perf_counter()
        found, reason = search(trajectories, case.library)
        seconds = time.perf_counter() - start
        determined = found is not None and found.determined
        comparisons[title, what] = comparison = compared(case, motion, found) if determined else None
        print(f"{title:22s} {what:15s} {verdict(comparison):>16s} {seconds:5.1f} s  ", end="")
        damping = "" if found is None or found.damping is None else f", D = {np.round(found.damping, 5).tolist()}"
        print(f"{found.formula}{damping}" if determined else reason)

# %%
columns = ["q, v, a", "q, v", "q, v, 1% noise", "q, v, 5% noise"]
print("| system | " + " | ".join(columns) + " |")
print("| --- |" + " --- |" * len(columns))
for title in dict.fromkeys(title for title, _ in comparisons):
    print(f"| {title} | " + " | ".join(verdict(comparisons[title, what]) for what in columns) + " |")

# %% [markdown]
# Some systems have no formula, for these reasons:
#
# - A chain of three pendulums has more candidate terms than the windows of 20 motions give equations.
# - Three bodies whose centre of mass rests do not show the terms that depend on it. Noise does not help.
# - Each mode of a wave conserves its own energy, so several Lagrangians have this motion.
# - `sqrt(1 - v^2)` is undefined if noise makes a velocity faster than light.
# - The drag of the dust falls with the inverse square of the distance. A constant matrix only approximates it.

# %% [markdown]
# The momentum of the cart is conserved, so a simpler Lagrangian than its own also has this motion: the table says
# "another". Every formula that is called determined has the accelerations of the system. From exact accelerations
# every system has its formula, except the three bodies with a resting centre of mass and the wave.

# %%
apart = {what: {} for what in columns}
for (title, what), comparison in comparisons.items():
    if comparison is not None:
        apart[what][title] = comparison.acceleration_residual
for what, errors in apart.items():
    worst = max(errors, key=errors.get)
    print(f"{what}: {len(errors)} of {len(CASES)} determined, farthest {worst}")
    print(f"largest relative error of the accelerations, {what} [1]: {errors[worst]:.2g}")
if not SMOKE:
    assert {title for title, _ in comparisons} - set(apart["q, v, a"]) == {"NBody", "WaveEquation"}
    assert max(apart["q, v, a"].values()) < 1e-5
    assert max(apart["q, v"].values()) < 3e-3
    assert max(apart["q, v, 1% noise"].values()) < 0.02
    assert max(apart["q, v, 5% noise"].values()) < 0.1
