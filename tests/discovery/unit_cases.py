"""The registry of the functions of discovery for the law of units.

Each case gives its answer as numbers in units of the laboratory, whatever units it was computed in.
"""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import neural_lagrangian as nl
from neural_lagrangian import discovery, mechanics
from neural_lagrangian.discovery import (
    LagrangianFamily,
    Library,
    compare_lagrangians,
    distill,
    fit_coefficients,
    helmholtz_report,
    sample_equations,
    sparse_lagrangian,
)
from neural_lagrangian.discovery.double_precision import double_precision
from neural_lagrangian.integrators import RK4, Integration, StormerVerlet

from .units import entries


def kinetic(t, q, v, *, m, k, c):
    return 0.5 * v[0] ** 2 + 0.5 * m * v[1] ** 2 - 0.5 * k * q[0] ** 2 - 1.5 * q[1] ** 2 - c * q[0] * q[1]


def alike(t, q, v):
    return kinetic(t, q, v, m=1.0, k=2.0, c=0.3)


def coupled(t, q, v):
    """Its mass depends on a coordinate: no other Lagrangian of the library has its motion."""
    return kinetic(t, q, v, m=2.0, k=2.0, c=0.3) + 0.15 * q[0] ** 2 * v[1] ** 2


def gauged(t, q, v):
    return 2 * coupled(t, q, v) + 3 * q[0] ** 2 * v[0] - 0.8 * q[0] * v[1] + 4.0


def quartic(t, q, v):
    return 0.5 * v[0] ** 2 - 2.0 * q[0] ** 2 + 0.1 * q[0] ** 4


def friction(t, q, v):
    return -jnp.array([[0.3, 0.1], [0.1, 0.2]]) @ v


STATES = np.random.default_rng(0).normal(size=(100, 4))
QUADRATIC = Library.coordinates(2, 2) * Library.velocities(2, 2)
ONE_COORDINATE = Library.coordinates(1, 4) * Library.velocities(1, 2)


class Motion(NamedTuple):
    ts: np.ndarray
    ys: np.ndarray
    a: np.ndarray


@functools.cache
def motion_of(L, dof, force=None):
    ts = np.linspace(0, 6, 80)
    with double_precision():
        model = nl.NeuralLagrangian.from_lagrangian(
            L, RK4(), dof=dof, force=force, stepsize_controller=nl.StepsPerSample(20)
        )
        ys = jax.jit(jax.vmap(model, (None, 0)))(ts, np.random.default_rng(0).normal(size=(8, 2 * dof)))
        a = jax.jit(jax.vmap(jax.vmap(lambda y: nl.acceleration(L, 0.0, *jnp.split(y, 2), force=force))))(ys)
        return Motion(ts, np.asarray(ys), np.asarray(a))


def found_in_motion(units, L, library, *, force=None, accelerations=True, noise=0.0):
    dof = library.dof
    motion = motion_of(L, dof, force)
    draw = np.random.default_rng(1).normal(size=motion.ys.shape)
    rows = units.rows(motion.ys + noise * motion.ys.std(axis=(0, 1)) * draw, dof)
    a = units.accelerations(motion.a, dof) if accelerations else None
    found = sparse_lagrangian(nl.Trajectories(units.times(motion.ts), rows, accelerations=a), library)
    return {"determined": found.determined, "residual": found.residual} | units.formula(found, library)


def distilled(units, match):
    found = distill(units.lagrangian(gauged, 2), QUADRATIC, jnp.asarray(units.rows(STATES, 2)), match=match)
    told = {"determined": found.determined, "residual": found.residual} | units.formula(found, QUADRATIC)
    told["scale"] = found.scale * units.terms(QUADRATIC)["v0^2"] / units.energy
    told["constant"] = found.constant / units.energy
    F = found.gauge_function.formula
    of = units.terms(F.library)
    return told | {f"F {n}": float(c) * of[n] / (units.energy * units.time) for n, c in F.named.items()}


def compared(units, second):
    states = jnp.asarray(units.rows(STATES, 2))
    c = compare_lagrangians(units.lagrangian(alike, 2), units.lagrangian(second, 2), states)
    q, v = jnp.split(states[0], 2)
    return {
        "kind": c.kind,
        "scale": c.scale,
        "residual": c.gauge_residual,
        "acceleration residual": c.acceleration_residual,
        "constant": c.constant / units.energy,
        "F": float(c.gauge_function(jnp.zeros(()), q)) / (units.energy * units.time),
    } | {f"conserved {i}": float(x) for i, x in enumerate(c.conserved(jnp.zeros(()), q, v))}


def reported(units, stiffness, damping):
    """Of two coupled oscillators."""

    library = Library.velocities(2, 2)
    report = helmholtz_report(
        units.acceleration(Linear(jnp.asarray(stiffness), jnp.asarray(damping)), 2),
        library,
        jnp.asarray(units.rows(STATES, 2)),
    )
    of = units.terms(library)
    ratio = report.coefficients["v1^2"] * of["v1^2"] / (report.coefficients["v0^2"] * of["v0^2"])
    return {
        "violation": report.violation,
        "residual damping": report.damping,
        "residual curl": report.curl,
        "residual share": report.dissipative_share,
        "definite": report.definite,
        "ratio": ratio,
    }


class Linear(eqx.Module):
    stiffness: jax.Array
    damping: float

    def __call__(self, t, q, v):
        return -self.stiffness @ q - self.damping * v


def sampled(units):
    s = np.asarray(units.lengths)
    states = jnp.asarray(units.rows(STATES[:5], 2))
    samples = sample_equations(units.lagrangian(coupled, 2), states)
    E, T = units.energy, units.time
    told = entries("M", samples.M[0] * np.outer(s, s) / T**2 / E) | entries("h", samples.h * s / E)
    return told | entries("a", samples.accelerations / s * T**2) | {"value": samples.values[0] / E}


class Coupled(eqx.Module):
    """A family as it is written in some units: the numbers in it have them too."""

    mass: jax.Array
    stiffness: jax.Array

    def __call__(self, t, q, v, *, m, k, c):
        kinetic = 0.5 * self.mass * v[0] ** 2 + 0.5 * m * v[1] ** 2
        return kinetic - 0.5 * k * q[0] ** 2 - self.stiffness * q[1] ** 2 - c * q[0] * q[1]


def family_in(units):
    """A family, and the units of its coefficients."""
    s, T, E = units.lengths, units.time, units.energy
    formula = Coupled(jnp.asarray(E * T**2 / s[0] ** 2), jnp.asarray(1.5 * E / s[1] ** 2))
    family = LagrangianFamily(formula, dof=2, m="positive", k="non-negative", c="any")
    return family, {"m": E * T**2 / s[1] ** 2, "k": E / s[0] ** 2, "c": E / (s[0] * s[1])}


def squared_in(units):
    """A family that is not linear in its coefficients."""
    linear, of = family_in(units)

    def formula(t, q, v, *, m, w, c):
        return linear.formula(t, q, v, m=m, k=w**2, c=c)

    family = LagrangianFamily(formula, dof=2, m="positive", w="positive", c="any")
    return family, {"m": of["m"], "w": of["k"] ** 0.5, "c": of["c"]}


COUPLED = functools.partial(kinetic, m=2.0, k=4.0, c=-0.7)


def fitted(units, momenta=False, family_in=family_in):
    motion = motion_of(COUPLED, 2)
    rows = motion.ys[0] * (1 + 1e-3 * np.random.default_rng(1).normal(size=motion.ys[0].shape))
    family, of = family_in(units)
    data = with_momenta(units, rows) if momenta else units.rows(rows, 2)
    fit = fit_coefficients(family, units.times(motion.ts), data, momenta=momenta)
    told = {name: float(fit.coefficients[name]) / of[name] for name in of}
    told |= {f"error of {name}": float(fit.standard_errors[name]) / of[name] for name in of}
    return told | {"converged": bool(fit.converged)}


def with_momenta(units, rows):
    """Rows [q, p] of rows [q, v] of `COUPLED`."""
    s = np.asarray(units.lengths)
    p = rows[:, 2:] * [1.0, 2.0] * units.energy * units.time / s
    return np.concatenate([rows[:, :2] * s, p], axis=1)


def encoded(units):
    """What an untrained network says, and its loss."""
    motion = motion_of(COUPLED, 2)
    family, of = family_in(units)
    ts, rows = jnp.asarray(units.times(motion.ts)), jnp.asarray(with_momenta(units, motion.ys[0]))
    encoder = discovery.CoefficientEncoder(family, ts, width=4, key=jax.random.key(0))
    c = encoder.coefficients(rows)
    told = {name: float(c[name]) / of[name] for name in of}
    loss = discovery.encoder_loss(Integration(StormerVerlet(), stepsize_controller=nl.StepsPerSample(1)))
    truth = {"m": 2.0, "k": 4.0, "c": -0.6}

    class Knowing(eqx.Module):
        family: LagrangianFamily

        def __call__(self, data):
            return self.family.vector({name: truth[name] * of[name] for name in of})

    return told | {"loss": float(eqx.filter_jit(loss)(Knowing(family), nl.trajectories.Window(ts, rows)))}


class Exact(discovery.AbstractSearchEngine):
    """Knows the formula of `wavy`, in whatever units it is asked."""

    def expressions(self, X, y, names):
        q, v = (np.median(X[:, i] / STATES[:, i]) for i in (0, 1))
        return [f"0.5*(v/{v})**2 + 2.003*cos(q/{q})"]


def wavy(t, q, v):
    return 1.7 * (0.5 * v[0] ** 2 + 2.0 * jnp.cos(q[0])) + 4.0


def searched(units):
    """A formula with a function that is no monomial: its values are told, in place of its coefficients."""
    states = units.rows(STATES[:, :2], 1)
    found = discovery.search_lagrangian(units.lagrangian(wavy, 1), Exact(), jnp.asarray(states))
    told = {"residual": found.residual, "determined": found.determined, "terms": float(len(found.candidate.support))}
    for i, row in enumerate(jnp.asarray(states[:5])):
        value = found.scale * found.candidate(jnp.zeros(()), row[:1], row[1:]) + found.constant
        told[f"value {i}"] = float(value) / units.energy
    return told


def shown(units):
    """Values of gauge-fixed and normalised Lagrangians, up to their scale, which is one mass for all coordinates."""
    states = jnp.asarray(units.rows(STATES[:5], 2))
    L = units.lagrangian(coupled, 2)
    fixed = mechanics.gauge_fix(L, states[0, :2]), mechanics.normalize_scale(L, states)
    told = {}
    for name, lagrangian in zip(("fixed", "normalised"), fixed, strict=True):
        values = [float(lagrangian(jnp.zeros(()), *jnp.split(y, 2))) for y in states]
        told |= {f"{name} {i}": value / values[1] for i, value in enumerate(values[2:])}
    return told


def with_a_coordinate_at_rest(units):
    """Nothing is seen of the second: what it weighs is told by where it is."""
    still = STATES * [1, 0, 1, 0] + [0, 0.3, 0, 0]
    states = jnp.asarray(units.rows(still, 2))
    c = compare_lagrangians(units.lagrangian(alike, 2), units.lagrangian(coupled, 2), states)
    return {"kind": c.kind, "residual": c.gauge_residual, "acceleration residual": c.acceleration_residual}


CASES: dict[str, Any] = {
    "fit_coefficients": fitted,
    "gauge_fix and normalize_scale": shown,
    "CoefficientEncoder and encoder_loss": encoded,
    "search_lagrangian": searched,
    "compare_lagrangians, a coordinate at rest": with_a_coordinate_at_rest,
    "sample_equations": sampled,
    "compare_lagrangians, different": functools.partial(compared, second=coupled),
    "compare_lagrangians, gauge-equivalent": functools.partial(
        compared, second=lambda t, q, v: 2 * alike(t, q, v) + 3 * q[0] ** 2 * v[0]
    ),
    "helmholtz_report, damped": functools.partial(reported, stiffness=[[2.0, 0.3], [0.3, 3.0]], damping=0.2),
    "helmholtz_report, indefinite": functools.partial(reported, stiffness=[[2.0, 0.3], [-0.3, 3.0]], damping=0.0),
    "distill, equations": functools.partial(distilled, match="equations"),
    "distill, motion": functools.partial(distilled, match="motion"),
    "sparse_lagrangian, one coordinate": functools.partial(found_in_motion, L=quartic, library=ONE_COORDINATE),
    "sparse_lagrangian, two coordinates": functools.partial(found_in_motion, L=coupled, library=QUADRATIC),
}
LONG = {
    "fit_coefficients, momenta": functools.partial(fitted, momenta=True),
    "fit_coefficients, not linear": functools.partial(fitted, family_in=squared_in),
    "sparse_lagrangian, friction": functools.partial(found_in_motion, L=coupled, library=QUADRATIC, force=friction),
    "sparse_lagrangian, windows of one coordinate": functools.partial(
        found_in_motion, L=quartic, library=ONE_COORDINATE, accelerations=False
    ),
    "sparse_lagrangian, windows": functools.partial(found_in_motion, L=coupled, library=QUADRATIC, accelerations=False),
    "sparse_lagrangian, noise": functools.partial(
        found_in_motion, L=quartic, library=ONE_COORDINATE, accelerations=False, noise=0.02
    ),
}
"""Cases of seconds each."""
