"""Whatever fits together works together: each kind of Lagrangian with each kind of force, wrapper and precision.

A new Lagrangian, force or wrapper is one line of a registry. Compiling a pair takes seconds: every run walks through
the registries side by side, so that each entry is met; `--slow` walks through all pairs.
"""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.lagrangians import (
    AdditivePolynomial,
    LatticeLagrangian,
    ParametricLagrangian,
    ParticleLagrangian,
    ProductPolynomial,
    RadialPair,
    TimeDependent,
)
from neural_lagrangian.mechanics import (
    AbstractForce,
    AtJoints,
    ControlForce,
    HolonomicConstraint,
    LinearDamping,
    NonconservativePotential,
    RayleighDissipation,
    SmoothFriction,
)
from neural_lagrangian.models import with_precision
from neural_lagrangian.networks import GroupAverage, RotationInvariant, TimeReversible, TranslationInvariant, rotations
from neural_lagrangian.trajectories import Scaling

from ..helpers import DOUBLE, DTYPE, mlp, slow

KEY = jax.random.key(0)
TS = jnp.linspace(0.0, 0.15, 4).astype(DTYPE)
Y0S = jnp.asarray([[0.4, -0.3, 0.2, 0.5], [0.5, 0.1, -0.6, 0.3]], DTYPE)
ONE_STEP = {"stepsize_controller": nl.StepsPerSample(1)}
DOF = 2


def mechanical(**keywords):
    return nl.MechanicalLagrangian.from_mlp(DOF, 8, 1, key=KEY, **keywords)


def oscillator(t, q, v, *, mass, stiffness):
    return 0.5 * mass * jnp.dot(v, v) - 0.5 * stiffness * jnp.dot(q, q)


def kinetic(particle):
    return 0.5 * particle.features * jnp.dot(particle.v, particle.v)


class FreeParticleAnd(eqx.Module):
    network: eqx.nn.MLP

    def __call__(self, x):
        return 0.5 * x[1] ** 2 + self.network(x)


LAGRANGIANS = {
    "free-form": lambda: mlp(4),
    "periodic": lambda: nl.PeriodicEmbedding(mlp(6), DOF),
    "translation-invariant": lambda: TranslationInvariant(mlp(4), DOF, 1),
    "rotation-invariant": lambda: RotationInvariant(mlp(4), DOF, 2, reflections=False),
    "group-averaged": lambda: TimeReversible(GroupAverage(mlp(4), rotations(3))),
    "mechanical, full": lambda: mechanical(),
    "mechanical, diagonal, linear": lambda: mechanical(mass="diagonal", linear=True),
    "parametric": lambda: ParametricLagrangian(oscillator, dof=DOF, mass=0.8, stiffness=2.0, positive=["mass"]),
    "additive polynomial": lambda: AdditivePolynomial(DOF, 3, 2),
    "product polynomial": lambda: ProductPolynomial(DOF, 2, 2),
    "time-dependent": lambda: TimeDependent(nl.PeriodicEmbedding(mlp(8), DOF), DOF, 3.0, trainable=True),
    "particles": lambda: ParticleLagrangian(
        kinetic, RadialPair(mlp("scalar"), weight=jnp.multiply), dimension=1, features=jnp.asarray([1.0, 2.0], DTYPE)
    ),
    "lattice": lambda: LatticeLagrangian(FreeParticleAnd(mlp(3)), 0.5),
    "sum": lambda: mechanical() + nl.lagrangians.StateNetwork(mlp(4)),
}


class Drag(eqx.Module):
    strength: jax.Array

    def __call__(self, t, q, v):
        return -self.strength * v * jnp.sqrt(1 + jnp.dot(v, v))


class Wind(AbstractForce):
    speed: jax.Array

    def __call__(self, t, q, v):
        return self.speed * jnp.cos(t) - 0.1 * v


class Dissipation(eqx.Module):
    strength: jax.Array

    def __call__(self, q, v):
        return self.strength * jnp.dot(v, v) ** 2


class Galley(eqx.Module):
    strength: jax.Array

    def __call__(self, t, q_minus, v_minus, q_plus, v_plus):
        return -self.strength * jnp.dot(v_plus, q_minus)


def rod(t, q):
    return (jnp.dot(q, q) - 0.25)[None]


def drag():
    return Drag(jnp.asarray(0.3, DTYPE))


def wind():
    return Wind(jnp.asarray([0.5, -0.2], DTYPE))


FORCES = {
    "no force": lambda: None,
    "callable": drag,
    "force": wind,
    "sum": lambda: wind() + drag(),
    "damping": lambda: LinearDamping(jnp.asarray([0.3, 0.1, 0.2], DTYPE)),
    "dissipation function": lambda: RayleighDissipation(Dissipation(jnp.asarray(0.3, DTYPE))),
    "dry friction at joints": lambda: AtJoints(SmoothFriction(jnp.asarray([0.1, 0.2], DTYPE)), [[1, 0], [-1, 1]]),
    "nonconservative": lambda: NonconservativePotential(Galley(jnp.asarray(0.3, DTYPE))),
    "motor": lambda: ControlForce(jnp.asarray([[1.0], [0.5]], DTYPE), lambda t: jnp.sin(t)[None]),
}

WRAPPERS = {
    "bare": lambda model: model,
    "scaled": lambda model: nl.Scaled(model, Scaling([0.3, -0.2], [0.5, 2.0], 1.5)),
    "other precision": lambda model: with_precision(model, OTHER),
    "constrained": lambda model: eqx.tree_at(
        lambda m: m.constraint, model, HolonomicConstraint(rod), is_leaf=lambda node: node is None
    ),
}
OTHER = jnp.float32 if DOUBLE else DTYPE


@eqx.filter_jit
def exercise(model, ts, y0s):
    """Rollouts of a batch, and the gradient of a small trajectory loss."""

    @eqx.filter_grad(has_aux=True)
    def gradient(model):
        ys = jax.vmap(model, (None, 0))(ts, y0s)
        return jnp.mean((ys[:, 1:] - jnp.sin(jnp.arange(4, dtype=ys.dtype))[None, None]) ** 2), ys

    gradients, batched = gradient(model)
    return batched, gradients


def parts(model):
    """What is trained on its own: each term of the Lagrangian, and of the force."""
    inner = model.model if isinstance(model, nl.Scaled) else model
    for owner in (inner.network, inner.force):
        yield from getattr(owner, "terms", [owner])


def assert_it_works(lagrangian, force, wrapper, tmp_path):
    bare = nl.NeuralLagrangian(LAGRANGIANS[lagrangian](), diffrax.Heun(), force=FORCES[force](), **ONE_STEP)
    model = WRAPPERS[wrapper](bare)
    dtype = OTHER if wrapper == "other precision" else DTYPE
    batched, gradients = exercise(model, TS.astype(dtype), Y0S.astype(dtype))
    assert batched.shape == (2, 4, 4)
    assert batched.dtype == dtype
    assert np.isfinite(batched).all()
    for part in parts(gradients):
        leaves = jax.tree.leaves(eqx.filter(part, eqx.is_inexact_array))
        assert all(np.isfinite(leaf).all() for leaf in leaves)
        assert not leaves or any(np.any(np.asarray(leaf)) for leaf in leaves)
    nl.save(tmp_path / "model", model)
    blank = jax.tree.map(lambda x: jnp.zeros_like(x) if isinstance(x, jax.Array) else x, model)  # not the scaling
    again = nl.load(tmp_path / "model", blank)
    saved, loaded = (jax.tree.leaves(eqx.filter(m, eqx.is_array)) for m in (model, again))
    for one, other in zip(saved, loaded, strict=True):
        np.testing.assert_array_equal(one, other)


WALK = [
    (list(LAGRANGIANS)[i % len(LAGRANGIANS)], list(FORCES)[i % len(FORCES)], list(WRAPPERS)[i % len(WRAPPERS)])
    for i in range(max(len(LAGRANGIANS), len(FORCES), len(WRAPPERS)))
]


@pytest.mark.parametrize(
    ("lagrangian", "force", "wrapper"), [*WALK[: len(FORCES)], *(slow(*step) for step in WALK[len(FORCES) :])]
)
def test_each_entry_with_some_of_the_others(lagrangian, force, wrapper, tmp_path):
    assert_it_works(lagrangian, force, wrapper, tmp_path)


@pytest.fixture
def forgotten_at_once():
    """A compiled model holds some 700 memory maps; a process that holds 65 530, a limit of Linux, crashes."""
    yield
    jax.clear_caches()


@pytest.mark.slow
@pytest.mark.usefixtures("forgotten_at_once")
@pytest.mark.parametrize("force", FORCES)
@pytest.mark.parametrize("lagrangian", LAGRANGIANS)
def test_every_lagrangian_with_every_force(lagrangian, force, tmp_path):
    assert_it_works(lagrangian, force, "bare", tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("forgotten_at_once")
@pytest.mark.parametrize("wrapper", [wrapper for wrapper in WRAPPERS if wrapper != "bare"])
@pytest.mark.parametrize("lagrangian", LAGRANGIANS)
def test_every_lagrangian_in_every_wrapper(lagrangian, wrapper, tmp_path):
    assert_it_works(lagrangian, "no force", wrapper, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("forgotten_at_once")
@pytest.mark.parametrize("wrapper", [wrapper for wrapper in WRAPPERS if wrapper != "bare"])
@pytest.mark.parametrize("force", [force for force in FORCES if force != "no force"])
def test_every_force_in_every_wrapper(force, wrapper, tmp_path):
    assert_it_works("mechanical, full", force, wrapper, tmp_path)
