"""No answer depends on the units of coordinates, of time, or of the Lagrangian, nor on when the clock began."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import integrators, mechanics
from neural_lagrangian.integrators import (
    StormerVerlet,
    VariationalMidpoint,
    discrete_euler_lagrange_residual,
    discrete_lagrangian,
    discrete_momenta,
    discrete_position_errors,
)
from neural_lagrangian.mechanics import (
    Banded,
    BlockDiagonal,
    Cholesky,
    DampedInverse,
    HolonomicConstraint,
    PseudoInverse,
    mass_matrix_report,
)

from ..helpers import slow
from ..units import Units, changes, coupled, friction, unregistered


def acceleration(mass_solve, force=friction):
    def answer(u, L, t, q, v):
        Q = None if force is None else u.force(force)
        a = nl.acceleration(u.lagrangian(L), t, q, v, force=Q, mass_solve=mass_solve)
        return a * (u.tau**2 / u.s)

    return answer


def slopes(mass_solve):
    """Forward and reverse derivatives of the acceleration in coordinates and velocities."""

    def answer(u, L, t, q, v):
        def a(q, v):
            return nl.acceleration(u.lagrangian(L), t, q, v, force=u.force(friction), mass_solve=mass_solve)

        by_q, by_v = jax.jacfwd(a, 0)(q, v), jax.jacrev(a, 1)(q, v)
        ratio = u.s[None] / u.s[:, None]
        return jnp.stack([by_q * ratio * u.tau**2, by_v * ratio * u.tau])

    return answer


def constraint(u):
    """Two constraints of different units, one twice."""

    def g(t, q):
        x = q / u.s
        return jnp.stack([1e2 * (x[0] + x[1]), 1e-2 * (x[1] - x[-1] ** 2), 1e3 * (x[0] + x[1])])

    return HolonomicConstraint(g, damping=0.0, stiffness=0.0)  # its rates are numbers, in 1/s


def constrained(u, L, t, q, v):
    return nl.acceleration(u.lagrangian(L), t, q, v, constraint=constraint(u)) * (u.tau**2 / u.s)


def multipliers(u, L, t, q, v):
    return mechanics.multipliers(u.lagrangian(L), t, q, v, constraint=constraint(u)) / u.alpha


def massless(u, L, t, q, v):
    """A coordinate without mass beside others: it is not accelerated, and the others are as without it."""

    def partial(t, q, v):
        return L(t, q, v.at[-1].set(0)) - 0.3 * v[-2] * 0

    return nl.acceleration(u.lagrangian(partial), t, q, v) * (u.tau**2 / u.s)


def projected(u, L, t, q, v):
    def g(t, q):
        x = q / u.s
        return jnp.stack([jnp.sum(x**2) - 1]) * u.alpha

    W = jnp.diag(u.alpha / u.s**2)
    y = jnp.concatenate(mechanics.project(HolonomicConstraint(g), t, q, v, metric=W))
    return u.natural(y)


def report(u, L, t, q, v):
    return mass_matrix_report(u.lagrangian(L), t[None], jnp.concatenate([q, v])[None]).rank.astype(q.dtype)


def structure(u, L, t, q, v):
    """Whether a structure is the right one; by how much a wrong one errs depends on what it takes for the masses."""
    right, wrong = (mechanics.structure_error(u.lagrangian(L), s, t, q, v) for s in (Banded(1), BlockDiagonal(1)))
    return jnp.stack([right < 1e-5, wrong > 0.05]).astype(q.dtype)


def forces(u, L, t, q, v):
    """What a motion needs besides friction, its negative, and its parts: generalised forces, in rows."""
    a = (0.3 - q / u.s) * u.s / u.tau**2
    given = (u.lagrangian(L), t, q, v, a)
    rows = [
        fn(*given, force=u.force(friction)) for fn in (mechanics.inverse_dynamics, mechanics.euler_lagrange_residual)
    ]
    return jnp.stack([*rows, *mechanics.torque_parts(*given, force=u.force(friction))]) * (u.s / u.alpha)[None]


def mass_matrix(u, L, t, q, v):
    return nl.mass_matrix(u.lagrangian(L), t, q, v) * (u.s[:, None] * u.s[None] / (u.alpha * u.tau**2))


def noether(u, L, t, q, v):
    """Of a transformation of coordinates and time with a boundary term; its parameter has no unit."""
    change = mechanics.Symmetry(
        lambda t, q: u.s * jnp.sin(t / u.tau + q / u.s),
        lambda t, q: u.tau * jnp.cos(t / u.tau),
        lambda t, q: u.alpha * u.tau * jnp.sum((q / u.s) ** 2),
    )
    charge = mechanics.noether_charge(u.lagrangian(L), change, t, q, v) / (u.alpha * u.tau)
    return jnp.stack([charge, mechanics.symmetry_residual(u.lagrangian(L), change, t, q, v) / u.alpha])


def values(fixed, t, q, v):
    """Values of a Lagrangian whose scale is one mass for all coordinates: ratios have no unit."""
    first, *others = (fixed(t, q * factor, v) for factor in (1.0, 0.5, -0.3))
    return jnp.stack(others) / first


def gauge_fixed(u, L, t, q, v):
    return values(mechanics.gauge_fix(u.lagrangian(L), 0.2 * q, t=t), t, q, v)


def normalized(u, L, t, q, v):
    return values(mechanics.normalize_scale(u.lagrangian(L), jnp.concatenate([q, v])[None], t=t), t, q, v)


def discrete(solver):
    """Action of a step, momenta, the residual of three positions, and the errors of the third."""

    def answer(u, L, t, q, v):
        ts = t + u.tau * jnp.asarray([0.0, 0.5, 1.0], q.dtype)
        qs = q[None] + v[None] * (ts - t)[:, None] * jnp.asarray([1.0, 1.0, 0.8], q.dtype)[:, None]
        given, action = (u.lagrangian(L), solver, ts, qs), u.alpha * u.tau
        rows = [*discrete_momenta(*given), discrete_euler_lagrange_residual(*given)[None]]
        covectors = jnp.concatenate(rows) * (u.s / action)[None]
        errors = discrete_position_errors(*given) / u.s[None]
        first = discrete_lagrangian(u.lagrangian(L), solver, ts[:2], qs[:2]) / action
        return jnp.concatenate([covectors.ravel(), errors.ravel(), first[None]])

    return answer


ANSWERS = {
    "momentum": lambda u, L, t, q, v: nl.momentum(u.lagrangian(L), t, q, v) * (u.s / (u.alpha * u.tau)),
    "energy": lambda u, L, t, q, v: nl.energy(u.lagrangian(L), t, q, v) / u.alpha,
    "velocity_from_momentum": lambda u, L, t, q, v: (
        mechanics.velocity_from_momentum(u.lagrangian(L), t, q, nl.momentum(u.lagrangian(L), t, q, v)) * (u.tau / u.s)
    ),
    "acceleration": acceleration(PseudoInverse()),
    "damped": acceleration(DampedInverse()),
    "cholesky": acceleration(Cholesky()),
    "banded": acceleration(Banded(1)),
    "slopes": slopes(PseudoInverse()),
    "slopes, damped": slopes(DampedInverse()),
    "massless": massless,
    "constrained": constrained,
    "multipliers": multipliers,
    "project": projected,
    "mass_matrix": mass_matrix,
    "mass_matrix_report": report,
    "structure_error": structure,
    "inverse_dynamics, euler_lagrange_residual, torque_parts": forces,
    "noether_charge, symmetry_residual": noether,
    "gauge_fix": gauge_fixed,
    "normalize_scale": normalized,
    "discrete_lagrangian, discrete_momenta, discrete_euler_lagrange_residual, discrete_position_errors": discrete(
        nl.GalerkinGaussLobatto(2)
    ),
    "discrete, midpoint": discrete(VariationalMidpoint()),
}
"""Public functions of a Lagrangian at a point, each brought back to natural units: one line a function."""
UNTRACED = {"normalize_scale"}
EXEMPT = {"discover_symmetries": "has a law of its own below, for what it finds has names"}

PRECISIONS = [jnp.float32, pytest.param(jnp.float64, marks=pytest.mark.double)]


def point(dof, dtype):
    t, q, v = np.split(np.random.default_rng(dof).normal(size=2 * dof + 1), [1, dof + 1])
    return jnp.asarray(t[0], dtype), jnp.asarray(q, dtype), jnp.asarray(v, dtype)


def test_every_function_is_in_a_registry():
    assert unregistered(mechanics, ANSWERS, EXEMPT) == set()
    assert unregistered(integrators, ANSWERS, {}) == set()


@pytest.mark.parametrize("dtype", PRECISIONS, ids=["single", "double"])
@pytest.mark.parametrize(
    ("name", "dof"),
    [("damped", 1), *((name, 3) for name in ANSWERS), *(slow(name, n) for name in ANSWERS for n in (2, 5))],
)
def test_answers_are_the_same_in_all_units(name, dof, dtype):
    t, q, v = point(dof, dtype)

    def answer(s, tau, alpha):
        u = Units(s, tau, alpha)
        return ANSWERS[name](u, coupled(dof), t * tau, *jnp.split(u.state(jnp.concatenate([q, v])), 2))

    answer, some = (answer, changes(dof, dtype)[::13]) if name in UNTRACED else (jax.jit(answer), changes(dof, dtype))
    natural, *others = (np.asarray(answer(*change)) for change in some)
    assert np.all(np.isfinite(natural))
    assert np.any(natural != 0)
    tolerance = 2e-3 if dtype == jnp.float32 else 1e-9
    for change, other in zip(some[1:], others, strict=True):
        np.testing.assert_allclose(
            other, natural, rtol=tolerance, atol=tolerance * np.abs(natural).max(), err_msg=change
        )


ROLLOUTS = {
    "default": {},
    "implicit": {"solver": diffrax.Kvaerno3()},
    "scan": {"stepsize_controller": nl.StepsPerSample(4)},
    "lobatto": {"solver": nl.GalerkinGaussLobatto(2)},
    "midpoint": {"solver": VariationalMidpoint()},
    "stormer_verlet": {"solver": StormerVerlet()},
}
ALWAYS = [("default", 2), ("default", 1), ("lobatto", 2)]


@pytest.mark.parametrize("dtype", PRECISIONS, ids=["single", "double"])
@pytest.mark.parametrize(
    ("name", "dof"), ALWAYS + [slow(name, n) for name in ROLLOUTS for n in (1, 2, 3) if (name, n) not in ALWAYS]
)
def test_rollouts_are_the_same_in_all_units(name, dof, dtype):
    L = coupled(dof)
    _, q, v = point(dof, dtype)
    ts = jnp.linspace(0.0, 2.0, 21, dtype=dtype)

    @jax.jit
    def rollout(s, tau, alpha):
        u = Units(s, tau, alpha)
        model = nl.NeuralLagrangian.from_lagrangian(u.lagrangian(L), force=u.force(friction), **ROLLOUTS[name])
        times, y0 = ts * tau, u.state(jnp.concatenate([q, v]))
        return u.natural(model(times, y0)), model.solve(times, y0).stats["num_steps"]

    with jax.numpy_dtype_promotion("standard"):  # what a closure holds is not seen when a model is checked in double
        (natural, steps), *others = (rollout(*change) for change in changes(dof, dtype))
    assert np.all(np.isfinite(natural))
    tolerance = 1e-3 if dtype == jnp.float32 else 1e-7
    for change, (ys, n) in zip(changes(dof, dtype)[1:], others, strict=True):
        np.testing.assert_allclose(ys, natural, atol=tolerance, err_msg=str(change))
        if name == "default":
            assert abs(int(n) - int(steps)) <= 0.1 * int(steps) + 2


@pytest.mark.parametrize("start", [1e5, 1e9])
@pytest.mark.parametrize("dtype", PRECISIONS, ids=["single", "double"])
def test_a_motion_does_not_depend_on_when_the_clock_began(start, dtype):
    def L(t, q, v):
        return 0.5 * v @ v + jnp.sum(jnp.cos(q))

    ts, y0 = np.linspace(0.0, 2.0, 21), jnp.asarray([0.5, -0.2], dtype)
    model = nl.NeuralLagrangian.from_lagrangian(L, dof=1)
    early, late = model(ts, y0), model(start + ts, y0)
    np.testing.assert_allclose(late, early, atol=1e-5 if dtype == jnp.float32 else 1e-6)


@pytest.mark.double
def test_symmetries_are_the_same_in_all_units():
    """A bead on a moving cart: one translation, and time; the singular values are those of no unit."""

    def L(t, q, v):
        return 0.5 * (v[0] ** 2 + 2 * 0.4 * v[0] * v[1] * jnp.cos(q[1]) + v[1] ** 2) + jnp.cos(q[1])

    states = jnp.asarray(np.random.default_rng(0).normal(size=(40, 4)))

    def found(change):
        u = Units(*change)
        return mechanics.discover_symmetries(u.lagrangian(L), u.state(states))

    natural, *others = (found(change) for change in changes(2, jnp.float64)[::8])
    assert [s.name for s in natural.symmetries] == ["translation along q0", "time translation"]
    for other in others:
        assert [s.name for s in other.symmetries] == [s.name for s in natural.symmetries]
        np.testing.assert_allclose(other.singular_values, natural.singular_values, atol=1e-9)
