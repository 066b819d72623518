"""A rigid chain is fitted to recordings of angles, with its friction and the offsets of the sensors."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import Formula, Library
from neural_lagrangian.identification import identify, predicted
from neural_lagrangian.identification.candidates.all_candidates import (
    FORMULA,
    compared_candidates,
    explaining,
    known_candidates,
)
from neural_lagrangian.identification.candidates.contest import Candidate
from neural_lagrangian.identification.candidates.fitted_families import fitted_families, found_of, ranked
from neural_lagrangian.identification.candidates.trial import Trial
from neural_lagrangian.identification.choices import NETWORK
from neural_lagrangian.identification.families.chain_start import estimated
from neural_lagrangian.identification.families.family import Expansion, Units, forces_of, labels_of_forces
from neural_lagrangian.identification.families.family_fit import FamilyFit
from neural_lagrangian.identification.families.friction import Friction
from neural_lagrangian.identification.families.joint_forces import JointForces
from neural_lagrangian.identification.families.known_families import families_for
from neural_lagrangian.identification.families.rigid_chain import ChainFamily, RigidChain, frames
from neural_lagrangian.identification.folders.formula_file import read_formula, write_formula
from neural_lagrangian.identification.formulas.refinement import RefinedFormula
from neural_lagrangian.identification.formulas.search import TIME_IS_UP
from neural_lagrangian.identification.inspection import inspected
from neural_lagrangian.identification.preparation import prepared
from neural_lagrangian.identification.recordings.columns import Columns
from neural_lagrangian.identification.recordings.declared import Declared
from neural_lagrangian.integrators import RK4

pytestmark = pytest.mark.double

ERRORS_ALLOWED = 4.0
"""In standard errors."""
FRAMES = [(dof, frame) for dof in (1, 2, 3) for frame in frames(dof)]
KINDS = [f"{dof} {frame.kind}" for dof, frame in FRAMES]


def chain(inertia, *others):
    """Of weights, offsets, linear and dry friction."""
    n = len(inertia)
    inertia, weight, offset, linear, dry = (jnp.asarray(part, float) for part in (inertia, *others))
    friction = Friction(linear, dry, jnp.zeros(n), jnp.full(n, 0.02))
    return RigidChain(inertia, weight, offset, JointForces(friction, jnp.zeros((n, 0))))


def unknowns(true):
    """The unknowns of a chain, in the order of its family."""
    own, n = np.diagonal(true.inertia), len(true.weight)
    coupling = [true.inertia[i, j] / np.sqrt(own[i] * own[j]) for i in range(n) for j in range(i + 1, n)]
    forces = true.forces.friction
    friction = (forces.linear / own, forces.dry / own, np.zeros(n))
    return jnp.concatenate(
        [jnp.log(own[1:] / own[0]), jnp.asarray(coupling), true.weight / own, true.offset, *map(jnp.asarray, friction)]
    )


SECONDS, FREE = Units(1.0, 1.0), jnp.zeros(0)


PENDULUM = chain([[1.0]], [20.0], [0.4], [0.1], [0.3])
DOUBLE = chain([[1.0, 0.4], [0.4, 0.5]], [30.0, 12.0], [0.3, -0.2], [0.05, 0.02], [0.0, 0.0])
TRIPLE = chain(
    [[1.0, 0.5, 0.2], [0.5, 0.6, 0.2], [0.2, 0.2, 0.3]], [30, 12, 5], [0.3, -0.2, 0.1], [0.1, 0.2, 0.3], [0.3, 0.2, 0.1]
)
CHAINS = (PENDULUM, DOUBLE, TRIPLE)


def recorded(true, frame, start, *, seconds, step, noise=0.01, seed=0):
    """Positions of a motion from rest at the angles `start` of the bodies; the noise is relative to their spread."""
    ts = jnp.arange(0.0, seconds, step)
    term = nl.EulerLagrangeTerm(true.lagrangian, solved=lambda t, q, v: true.acceleration(q, v, FREE))
    steps = nl.integrators.Integration(RK4(), stepsize_controller=nl.StepsPerSample(8))
    ys = np.asarray(jax.jit(lambda y0: steps.rollout(term, ts, y0))(jnp.asarray([*start, *np.zeros(len(start))])))
    q, v = (part @ np.linalg.inv(frame.matrix).T for part in np.split(ys, 2, axis=1))
    q = q + noise * np.minimum(q.std(axis=0), 1.0) * np.random.default_rng(seed).normal(size=q.shape)
    return nl.Trajectories(np.asarray(ts), np.concatenate([q, v], axis=1), names=list("abc"[: q.shape[1]]))


def task_of(motion, angles=None, velocities=()):
    names = list(range(motion.dof)) if angles is None else angles
    declared = Declared(None, None, None, velocities, None, None, names, None)
    return prepared(inspected(motion, declared), structure="mechanical", friction=False, steps=10)


def constants_of(true, frame):
    family = ChainFamily(frame, np.asarray(true.forces.friction.width))
    x = unknowns(true)
    friction = forces_of(family, x, SECONDS).friction
    values = jnp.concatenate([family.constants(x, SECONDS), friction.linear, friction.dry, friction.drag])
    names = [name for name, _ in (*family.labels, *labels_of_forces(family, ()))]
    return dict(zip(names, np.asarray(values).tolist(), strict=True))


def differs(found, true, frame):
    """The largest difference of a constant from the true one, in standard errors. Offsets are the same up to a turn."""
    expected = constants_of(true, frame)
    assert {one.name for one in found.constants} == {name for name, value in expected.items() if value != 0}
    off = []
    for one in found.constants:
        apart = one.value - expected[one.name]
        apart = (apart + 180) % 360 - 180 if one.unit == "deg" else apart
        off.append(abs(apart) / max(one.error, 1e-9))
    return max(off)


def families(task, is_over=lambda: False):
    """The comparison of chains, without a network."""
    chains = [one for one in families_for(task.columns) if isinstance(one, ChainFamily)]
    fitted = fitted_families(chains, Trial.of(task), is_over)
    return ranked(fitted.candidates, fitted.refused, task, Trial.of(task))


@pytest.mark.parametrize(("dof", "frame"), FRAMES, ids=KINDS)
def test_a_chain_moves_as_its_formula_with_its_friction(dof, frame):
    true, B = CHAINS[dof - 1], frame.matrix.astype(float)
    family = ChainFamily(frame, np.asarray(true.forces.friction.width))
    x, expansion = unknowns(true), Expansion.of(family.library(None))
    coefficients = np.asarray(expansion.coefficients(family, x, SECONDS, tuple(range(dof))))
    formula = expansion.formula(coefficients, np.zeros(len(coefficients)))
    friction = forces_of(family, x, SECONDS).force(family.joints @ B)
    q, v = jnp.asarray(np.random.default_rng(0).normal(size=(2, dof)))
    expected = np.linalg.solve(B, true.acceleration(B @ q, B @ v, FREE))
    found = jax.jit(lambda q, v: nl.acceleration(formula, 0.0, q, v, force=friction))(q, v)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(family.body(x).acceleration(B @ q, B @ v, FREE), B @ expected, rtol=1e-9)


@pytest.mark.parametrize("true", CHAINS, ids=["1", "2", "3"])
def test_the_start_has_the_constants_of_a_clean_motion(true):
    n = len(true.weight)
    motion = recorded(true, frames(n)[0], [1.2, 1.5, 2.0][:n], seconds=20.0, step=0.005, noise=0.0)
    ((t, y),) = motion
    scale = np.sqrt(20.0)
    width = np.asarray(true.forces.friction.width) / scale
    pieces = [(t * scale, y[:, :n], y[:, n:] / scale, np.zeros((len(t), 0)))]
    start = estimated(pieces, width)
    assert start is not None
    assert start.residual < 1e-3
    family = ChainFamily(frames(n)[0], width)
    again = family.body(jnp.asarray(family.start(pieces)))
    ratio = true.inertia[0, 0] / again.inertia[0, 0]
    np.testing.assert_allclose(again.inertia * ratio, true.inertia, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(again.weight * ratio * scale**2, true.weight, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(again.offset, true.offset, rtol=0.02, atol=0.02)


@pytest.mark.parametrize(("true", "driven"), [(CHAINS[n - 1], joint) for n in (1, 2, 3) for joint in range(n)])
def test_the_start_finds_the_joint_that_a_control_drives(true, driven):
    """A clean motion of a chain driven at one joint; the motion and its accelerations are exact."""
    n = len(true.weight)
    gain = np.zeros((n, 1))
    gain[driven] = 7.0
    chain = eqx.tree_at(lambda one: one.forces.gain, true, jnp.asarray(gain))
    ts = jnp.arange(0.0, 20.0, 0.005)
    us = jnp.sin(1.7 * ts + 0.1 * ts**2)[:, None]
    control = nl.mechanics.SampledControl(ts, us)
    term = nl.EulerLagrangeTerm(chain.lagrangian, solved=lambda t, q, v: chain.acceleration(q, v, control(t)))
    steps = nl.integrators.Integration(RK4(), stepsize_controller=nl.StepsPerSample(4))
    y0 = jnp.asarray([*[0.4, 0.5, 0.6][:n], *np.zeros(n)])
    ys, scale = np.asarray(jax.jit(lambda y0: steps.rollout(term, ts, y0))(y0)), np.sqrt(20.0)
    pieces = [(np.asarray(ts) * scale, ys[:, :n], ys[:, n:] / scale, np.asarray(us))]
    start = estimated(pieces, np.asarray(true.forces.friction.width) / scale)
    assert start is not None
    found = start.gain[:, 0] * scale**2 * float(true.inertia[0, 0])
    np.testing.assert_allclose(found, gain[:, 0], atol=0.2)


def test_a_chain_is_tried_on_angles_only():
    def columns(names, angles):
        return Columns("t", tuple(names), (), None, {}, tuple(angles))

    def chains(names, angles):
        return [one for one in families_for(columns(names, angles)) if isinstance(one, ChainFamily)]

    assert [one.name for one in chains("ab", "ab")] == [
        "rigid chain of 2 bodies, absolute angles",
        "rigid chain of 2 bodies, relative angles",
    ]
    for names, angles in (("a", ""), ("ab", "a"), ("abcd", "abcd")):
        assert chains(names, angles) == []


@pytest.mark.parametrize("seed", range(3))
def test_the_constant_that_sets_the_scale_has_no_error(seed):
    """The inertia that is 1 by definition, and no other, although its derivatives are zero up to rounding only."""
    frame, random = frames(2)[1], np.random.default_rng(seed)
    family, x = ChainFamily(frame, np.ones(2)), random.uniform(0.1, 0.9, 12)
    jacobian = random.normal(size=(5, 40, len(x)))
    fit = FamilyFit(family, x, np.ones(len(x)), np.ones(1), np.zeros(1), np.zeros((5, 40, 1)), jacobian, 200)
    columns = Columns("t", ("a", "b"), (), None, {}, ("a", "b"))
    found = found_of(Candidate("chain", 1, 1.0), fit, columns, SECONDS)
    assert [one.name for one in found.constants if one.error == 0] == ["I_22"]


@pytest.fixture(scope="module")
def pendulum():
    """A task, and the chain that is found in it."""
    (frame,) = frames(1)
    with jax.numpy_dtype_promotion("strict"):
        task = task_of(recorded(PENDULUM, frame, [2.0], seconds=16.0, step=0.02))
        found = families(task)
    assert found.refused == ()
    return task, found.formula


def test_no_chain_is_fitted_after_the_time_limit(pendulum):
    task, found = pendulum
    late = compared_candidates(task, known_candidates(task, (), lambda: True), {NETWORK: found.model}, None)
    assert late.candidates == ()
    assert [attempt.fault for attempt in late.refused] == [TIME_IS_UP]


def test_a_chain_that_leaves_only_noise_explains_the_motion_and_one_without_friction_does_not(pendulum):
    task, _ = pendulum
    known = known_candidates(task)
    assert known.explains.name == "rigid chain of 1 body"
    assert known.explains.rest == pytest.approx(1.0, abs=0.2)
    (poor,) = [one for one in known.fitted.candidates if "no friction" in one.title]
    assert poor.rest > 2
    assert explaining([poor], task, known.trial) is None


def test_a_pendulum_with_an_offset_and_two_kinds_of_friction(pendulum):
    _, found = pendulum
    assert differs(found, PENDULUM, frames(1)[0]) < ERRORS_ALLOWED
    errors = {one.name: one.error / one.value for one in found.constants}
    assert errors["g_1"] < 0.005
    assert errors["dry friction at joint 1"] < 0.2
    assert "rigid chain of 1 body" in str(found)
    assert f"{dict((one.name, one) for one in found.constants)['g_1']}" in str(found)


def test_the_file_of_a_chain_holds_its_friction(pendulum, tmp_path):
    task, found = pendulum
    write_formula(tmp_path, found)
    model = read_formula(tmp_path, task.columns)
    q, v = jnp.asarray([0.7]), jnp.asarray([-0.4])
    np.testing.assert_allclose(model.acceleration(0.0, q, v), found.model.acceleration(0.0, q, v), rtol=1e-12)


def test_the_better_one_is_taken_and_of_equals_the_one_with_fewer_constants(pendulum):
    task, found = pendulum
    terms = Library.waves(1, 1, names=["a"]) + Library.velocities(1, 2, names=["a"])
    frictionless = RefinedFormula("it", nl.NeuralLagrangian(found.formula), 0.0)
    known = known_candidates(task)
    contest = compared_candidates(task, known, {NETWORK: frictionless.model}, frictionless)
    margins = {one.title: contest.ratio(one) for one in contest.candidates}
    assert contest.formula.where == found.where
    assert margins[FORMULA] == pytest.approx(margins["network"])  # here the same model
    assert margins[FORMULA] > 1.5
    more = np.zeros(len(terms))
    more[[terms.names.index(name) for name in found.formula.support]] = np.asarray(found.formula.coefficients)
    more[[terms.names.index(name) for name in ("1", "a_dot")]] = 1e-9
    longer = RefinedFormula("it", nl.NeuralLagrangian(Formula(terms, more), force=found.model.force), 0.0)
    contest = compared_candidates(task, known, {NETWORK: frictionless.model}, longer)
    assert contest.formula.where == found.where
    assert contest.ratio(next(one for one in contest.candidates if one.name == FORMULA)) == pytest.approx(1.0, abs=0.01)


@pytest.mark.slow
@pytest.mark.optax
def test_a_chain_is_the_formula_of_an_identification(tmp_path):
    """Folder, report, model and rollouts are as of any formula."""
    motion = recorded(PENDULUM, frames(1)[0], [2.0], seconds=16.0, step=0.02)
    found = identify(motion, angles=["a"], velocities=[], steps=3, folder=tmp_path / "fit")
    assert "rigid chain of 1 body: I_11 = 1, g_1 = " in str(found)
    assert "Best description of the motion: rigid chain of 1 body, linear friction, dry friction" in found.verdict
    assert found.errors.valid_time("formula") > 1.0
    assert "rigid chain" in (tmp_path / "fit" / "report.html").read_text()
    ts, y0 = jnp.linspace(0.0, 1.0, 11), jnp.asarray([1.0, 0.0])
    expected = found.formula_model(ts, y0)
    np.testing.assert_allclose(nl.load_model(tmp_path / "fit", "formula")(ts, y0), expected, rtol=1e-9)
    predictor = {"predictor": "formula", "until": 1.0, "step": 0.1}
    ys = predicted(str(tmp_path / "fit"), [1.0, 0.0], **predictor)[0].ys[0]
    np.testing.assert_allclose(ys, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("frame", frames(2), ids=["absolute", "relative"])
@pytest.mark.parametrize("start", [(1.2, 1.5), (2.5, 0.5)], ids=["low", "high"])
def test_a_double_pendulum_with_offsets(frame, start):
    task = task_of(recorded(DOUBLE, frame, start, seconds=20.0, step=0.01))
    found = families(task).formula
    assert f"{frame.kind} angles" in found.where
    assert differs(found, DOUBLE, frame) < ERRORS_ALLOWED


@pytest.mark.slow
def test_a_triple_pendulum_with_relative_angles():
    frame = frames(3)[1]
    true = chain(TRIPLE.inertia, TRIPLE.weight, TRIPLE.offset, [0.1, 0.05, 0.02], np.zeros(3))
    task = task_of(recorded(true, frame, (0.8, 1.0, 1.2), seconds=30.0, step=0.01, noise=0.005))
    found = families(task).formula
    assert "relative angles" in found.where
    assert differs(found, true, frame) < ERRORS_ALLOWED


def oscillators(amplitude=1.5):
    """Two masses between springs, a motion that no chain has at these amplitudes."""
    t = np.arange(0.0, 20.0, 0.02)
    slow, fast = np.cos(2.0 * t), np.cos(5.0 * t + 1.0)
    q = amplitude * np.stack([0.6 * slow + 0.4 * fast, 0.6 * slow - 0.4 * fast], axis=1)
    q = q + 0.01 * np.random.default_rng(0).normal(size=q.shape)
    return nl.Trajectories(t, np.concatenate([q, np.gradient(q, t, axis=0)], axis=1), names=["a", "b"])


@pytest.mark.slow
def test_oscillators_that_are_declared_as_angles_are_no_chain():
    """The true formula stays. What the best chain leaves is more than the noise, 0.01."""
    task = task_of(oscillators())
    terms = Library.coordinates(2, 2, names=["a", "b"]) + Library.velocities(2, 2, names=["a", "b"])
    chosen = terms.select([terms.names.index(name) for name in ("a_dot^2", "b_dot^2", "a^2", "b^2", "a b")])
    stiffness = [-(4.0 + 25.0) / 4, -(4.0 + 25.0) / 4, (25.0 - 4.0) / 2]
    true = RefinedFormula("it", nl.NeuralLagrangian(Formula(chosen, np.array([0.5, 0.5, *stiffness]))), 0.0)
    contest = compared_candidates(task, known_candidates(task), {NETWORK: true.model}, true)
    assert contest.formula is true
    assert min(contest.ratio(one) for one in contest.candidates if "chain" in one.name) > 4


@pytest.mark.slow
def test_a_measured_double_pendulum():
    """Held-out pieces, half a second from recorded states; the calibrated rigid bodies of the authors err by 0.005."""
    try:
        train, test = (nl.datasets.kaheman_pendulum("double", part) for part in ("even", "odd"))
    except (nl.NeuralLagrangianError, OSError) as error:
        pytest.skip(f"no recording: {error}")
    found = families(task_of(train, velocities=None)).formula
    steps = {"stepsize_controller": nl.StepsPerSample(2)}
    model = nl.NeuralLagrangian(found.formula, RK4(), force=found.model.force, **steps)
    windows = nl.trajectories.Windows(test, 100, stride=5, dtype=float)
    starts = windows.gather(windows.evenly(100))
    ys = jax.jit(jax.vmap(model))(starts.ts, starts.ys[:, 0])
    errors = np.sqrt(np.mean(np.asarray(ys - starts.ys)[..., :2] ** 2, axis=(1, 2)))
    assert np.median(errors) < 0.003
