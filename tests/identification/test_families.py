"""Families of known systems are fitted with their friction, and compared with each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification import Family
from neural_lagrangian.identification.candidates.contest import Candidate, Contest, best_family
from neural_lagrangian.identification.candidates.fitted_families import fitted_families, ranked
from neural_lagrangian.identification.candidates.trial import Trial
from neural_lagrangian.identification.families.family import Expansion, InSI, Units, forces_of
from neural_lagrangian.identification.families.family_fit import FamilyFit, fit_family, information, simplified
from neural_lagrangian.identification.families.friction import Friction
from neural_lagrangian.identification.families.joint_forces import JointForces, as_json, of_json
from neural_lagrangian.identification.families.known_families import (
    CartPendulum,
    CoupledPendulums,
    ElasticPendulum,
    Springs,
    families_for,
)
from neural_lagrangian.identification.inspection import inspected
from neural_lagrangian.identification.preparation import prepared
from neural_lagrangian.identification.recordings.columns import Columns
from neural_lagrangian.identification.recordings.declared import Declared

pytestmark = pytest.mark.double

ERRORS_ALLOWED = 4.0
"""In standard errors."""


def made(kind, dof, *options):
    return kind(jnp.eye(dof), jnp.full(dof, 0.1), tuple("abc"[:dof]), *options)


FAMILIES = {
    "cart": (made(CartPendulum, 2, 1), (1,)),
    "cart, angle first": (made(CartPendulum, 2, 0), (0,)),
    "elastic": (made(ElasticPendulum, 2, 1), (1,)),
    "elastic, angle first": (made(ElasticPendulum, 2, 0), (0,)),
    "spring": (made(Springs, 1, False), ()),
    "springs": (made(Springs, 3, True), ()),
    "coupled": (made(CoupledPendulums, 3), (0, 1, 2)),
}
UNITS = Units(0.3, 0.07, (40.0, 0.2))
CONTROL = np.array([3.0, -0.1])
"""In units of the recording."""


def unknowns(family):
    count = family.slices.drag.stop + len(CONTROL) * len(family.joint_names)
    x = np.random.default_rng(0).uniform(0.5, 1.5, count)
    if isinstance(family, CartPendulum):
        x[1] = 0.3  # the mass matrix is positive definite
    return jnp.asarray(x)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_its_formula_in_si_units(name):
    """The same acceleration, with friction and controls."""
    family, angles = FAMILIES[name]
    dof, x = family.matrix.shape[0], unknowns(family)
    expansion = Expansion.of(family.library(None))
    coefficients = np.asarray(expansion.coefficients(family, x, UNITS, angles))
    formula = expansion.formula(coefficients, np.zeros(len(coefficients)))
    assert "1" not in formula.support
    forces = with_control(forces_of(family, x, UNITS).force(np.eye(dof)))
    q, v = jnp.asarray(np.random.default_rng(1).normal(size=(2, dof))) * 0.1
    scaling = UNITS.scaling(angles, dof)
    sizes = jnp.asarray(scaling.q_scale)
    u = jnp.asarray(CONTROL / np.array(UNITS.controls))
    natural = family.body(x).acceleration(q / sizes, v / sizes * UNITS.time, u) * sizes / UNITS.time**2
    found = nl.acceleration(formula, 0.0, q, v, force=forces)
    np.testing.assert_allclose(found, natural, rtol=1e-6)
    free = family.body(x).acceleration(q / sizes, v / sizes * UNITS.time, 0 * u) * sizes / UNITS.time**2
    assert np.abs(free - natural).max() > 1e-3 * np.abs(natural).max()
    lagrangian = InSI(family, x, UNITS, angles)
    np.testing.assert_allclose(jax.grad(lagrangian, 2)(0.0, q, v), jax.grad(formula, 2)(0.0, q, v), rtol=1e-6)


def with_control(force):
    """The force driven by the constant control."""
    return nl.models.with_control(force, jnp.array([0.0, 1.0]), jnp.asarray([CONTROL, CONTROL]))


def test_forces_in_other_units_have_the_same_power():
    friction = Friction(*(jnp.asarray([a, b]) for a, b in ((0.3, 0.0), (0.2, 0.4), (0.0, 0.7), (0.1, 0.2))))
    forces = JointForces(friction, jnp.asarray([[0.5, 2.0], [0.0, -3.0]]))
    rates, sizes, u = jnp.asarray([0.4, -1.3]), jnp.asarray([2.0, 5.0]), jnp.asarray(CONTROL)
    other = forces.in_units(11.0, sizes, UNITS.controls)
    power = forces(rates, u / np.array(UNITS.controls)) * rates
    np.testing.assert_allclose(other(rates * sizes, u) * rates * sizes, 11.0 * power)
    force = forces.force(np.eye(2))
    np.testing.assert_allclose(with_control(force)(0.0, rates, rates), forces(rates, u), rtol=1e-12)
    again = [of_json(part) for part in as_json(force)]
    found = with_control(sum(again[1:], again[0]))(0.0, rates, rates)
    np.testing.assert_allclose(found, forces(rates, u), rtol=1e-12)
    nothing = Friction(*[jnp.zeros(1)] * 3, jnp.ones(1))
    assert JointForces(nothing, jnp.zeros((1, 0))).force(np.eye(1)) is None


def moving(lagrangian, y0, *, force=None, seconds=16.0, noise=0.01):
    ts = np.arange(0.0, seconds, 0.02)
    model = nl.NeuralLagrangian.from_lagrangian(lagrangian, dof=len(y0) // 2, force=force)
    ys = np.asarray(jax.jit(lambda ts, y0: model(ts, y0))(jnp.asarray(ts), jnp.asarray(y0)))
    ys = ys + noise * ys.std(axis=0) * np.random.default_rng(0).normal(size=ys.shape)
    return nl.Trajectories(ts, ys, names=list("ab"[: len(y0) // 2]))


def tried(motion, angles):
    declared = Declared(None, None, None, [], None, None, angles, None)
    task = prepared(inspected(motion, declared), structure="mechanical", friction=False, steps=10)
    return task, Trial.of(task)


def contest(motion, angles, users=(), only=None):
    task, trial = tried(motion, angles)
    families = [one for one in families_for(task.columns) if only is None or isinstance(one, only)]
    families += [one.on(task.columns, trial.units, np.zeros(motion.dof)) for one in users]
    fitted = fitted_families(families, trial, lambda: False)
    assert fitted.refused == []
    return ranked(fitted.candidates, fitted.refused, task, trial)


def off(found, expected):
    """Differences from the true constants, in standard errors."""
    constants = {one.name: one for one in found.constants}
    return max(abs(constants[name].value - value) / constants[name].error for name, value in expected.items())


def drag(t, q, v):
    return -0.08 * v * jnp.abs(v)


@pytest.fixture(scope="module")
def spring():
    with jax.numpy_dtype_promotion("strict"):
        motion = moving(lambda t, q, v: 0.5 * v[0] ** 2 - 5.0 * q[0] ** 2, [1.0, 0.0], force=drag)

        def lagrangian(c, q, v):
            return 0.5 * v[0] ** 2 - c["wall"] * jnp.cosh(q[0])

        users = [Family("between walls", lagrangian, {"wall": 4.0})]
        return contest(motion, [], users)


def test_a_spring_with_drag_is_found_with_its_friction(spring):
    assert spring.winner.title == "mass on a linear spring, quadratic drag, without f_1"
    assert off(spring.winner.found, {"k_11": 10.0, "quadratic drag at a": 0.08}) < ERRORS_ALLOWED
    margins = {one.title: spring.ratio(one) for one in spring.candidates}
    assert margins["mass on a linear spring, no friction"] > 1.5
    assert "without friction (by " in " ".join(spring.verdict())
    assert [row[0] for row in spring.table()[1:]] == [one.title for one in spring.candidates]


def test_a_family_of_the_user_is_a_candidate(spring):
    """A wrong one, so it is worse; its constant has the units of its Lagrangian."""
    (own,) = [one for one in spring.candidates if one.name == "between walls" and one.found is not None]
    assert spring.ratio(own) > 1.05
    (wall,) = [one for one in own.found.constants if one.name == "wall"]
    assert 7.0 < wall.value < 10.0
    assert not own.found.is_formula
    q, v = jnp.asarray([0.3]), jnp.asarray([0.2])
    frictionless = nl.NeuralLagrangian.from_lagrangian(own.found.model.network, dof=1)
    np.testing.assert_allclose(frictionless.acceleration(0.0, q, v), -wall.value * np.sinh(0.3), rtol=1e-6)


def test_forces_of_a_users_family_are_at_its_joints():
    """A joint between two bodies turns both: the force is $R^T f(R v)$, in SI units."""
    rows = [[1.0, 0.0], [-1.0, 1.0]]
    columns = Columns("t", ("a", "b"), (), None, {}, ("a", "b"))
    user = Family("two", lambda c, q, v: c["m"] * (v @ v) / 2 + jnp.cos(q).sum(), {"m": 2.0}, joints=rows)
    family = user.on(columns, UNITS, np.zeros(2)).shared
    assert family.joint_names == ["joint 1", "joint 2"]
    x = unknowns(family)
    force = with_control(forces_of(family, x, UNITS).force(family.joints))
    q, v = jnp.asarray([0.3, -0.4]), jnp.asarray([0.5, 1.7])
    lagrangian = InSI(family, x, UNITS, (0, 1))
    expected = nl.acceleration(lagrangian, 0.0, q, v, force=force)
    u = jnp.asarray(CONTROL / np.array(UNITS.controls))
    natural = family.body(x).acceleration(q, v * UNITS.time, u) / UNITS.time**2
    np.testing.assert_allclose(natural, expected, rtol=1e-9)
    elsewhere = with_control(forces_of(family, x, UNITS).force(np.eye(2)))
    apart = nl.acceleration(lagrangian, 0.0, q, v, force=elsewhere)
    assert np.abs(apart - expected).max() > 0.1


def test_pendulums_side_by_side_have_sensors_with_offsets():
    """Each sensor shows 20 degrees too much, and a spring between them is bent where both hang down."""
    shift = np.deg2rad(20)

    def coupled(t, q, v):
        a, b = q[0] - shift, q[1] - shift
        return 0.5 * v[0] ** 2 + 0.75 * v[1] ** 2 + 20 * jnp.cos(a) + 36 * jnp.cos(b) - 1.5 * (b - a) ** 2

    motion = moving(coupled, [1.3, 0.0, 0.0, 0.0], force=nl.mechanics.LinearDamping([0.2, 0.2]))
    task, trial = tried(motion, ["a", "b"])
    (family,) = [one for one in families_for(task.columns) if isinstance(one, CoupledPendulums)]
    start = family.start(trial.pieces(np.eye(2)))
    np.testing.assert_allclose(start[family.slices.offset], [-shift, -shift], atol=0.03)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("joints", "message"),
    [
        ([[1.0]], "expected rows of 2 numbers, not all zero"),
        ([[0.0, 0.0]], "expected rows of 2 numbers, not all zero"),
        ([[1.0, -1.0]], "expected no row with both an angle and a length"),
    ],
)
def test_joints_that_make_no_sense_are_refused(joints, message):
    columns = Columns("t", ("x", "a"), (), None, {}, ("a",))
    with pytest.raises(ValueError, match=message):
        Family("one", lambda c, q, v: c["m"] * (v @ v), {"m": 1.0}, joints=joints).on(columns, UNITS, np.zeros(2))


def test_a_guess_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"`start` has k = 0.0; expected a finite number other than zero"):
        Family("spring", lambda c, q, v: 0.0, {"k": 0.0})


@pytest.mark.slow
def test_a_cart_with_a_pendulum_is_told_from_a_pendulum_on_a_spring():
    def cart(t, q, v):
        return 0.5 * (v[0] ** 2 + 0.3 * v[1] ** 2) + 0.4 * jnp.cos(q[1]) * (v[0] * v[1] + 9.81) - 2.0 * q[0] ** 2

    friction = nl.mechanics.LinearDamping(jnp.sqrt(jnp.asarray([0.1, 0.02])))
    found = contest(moving(cart, [0.3, 1.0, 0.0, 0.0], force=friction), ["b"])
    assert found.winner.title == "cart with a pendulum, linear friction at every joint, without f"
    true = {"a": 0.3, "b": 0.4, "g": 0.4 * 9.81, "k": 4.0, "linear friction at a": 0.1, "linear friction at b": 0.02}
    assert off(found.winner.found, true) < ERRORS_ALLOWED
    assert min(found.ratio(one) for one in found.candidates if "spring" in one.name) > 10


@pytest.mark.slow
def test_a_pendulum_on_a_spring_is_told_from_a_cart():
    """The recorded length is the extension; the sensor's offset, the length at rest, is found."""

    def elastic(t, q, v):
        r = q[0] + 1.0
        return 0.5 * (v[0] ** 2 + r**2 * v[1] ** 2) + 9.81 * r * jnp.cos(q[1]) - 20.0 * (q[0] - 0.2) ** 2

    found = contest(moving(elastic, [0.1, 1.0, 0.0, 0.0]), ["b"])
    assert found.winner.title == "pendulum on a spring, no friction, with sensor offsets"
    true = {"g": 9.81, "k": 40.0, "f": 48.0, "offset of a": 1.0}
    assert off(found.winner.found, true) < ERRORS_ALLOWED
    assert min(found.ratio(one) for one in found.candidates if "cart" in one.name) > 10


def test_of_equals_the_simpler_one_wins_and_without_an_answer_nothing_is_said():
    def one(name, parameters, misfit, information=np.nan):
        return Candidate(name, parameters, misfit, information)

    assert Contest.of([one("long", 9, 1.0), one("short", 2, 1.05)], []).winner.name == "short"
    assert Contest.of([one("long", 9, 1.0), one("short", 2, 1.3)], []).winner.name == "long"
    families = [one("few", 2, 1.05, 30.0), one("more", 3, 1.0, 0.0)]  # the data show the third constant
    assert Contest.of(families, []).winner.name == "more"
    assert Contest.of([one("lost", 1, np.inf)], []).verdict() == []
    assert Contest.of([], []).verdict() == []
    margins = Contest.of([one("good", 2, 1.0), one("bad", 3, 4.0), one("worst", 9, 1e6), one("lost", 1, np.inf)], [])
    assert margins.verdict() == [
        "Best description of the motion: good (2 constants).",
        "Worse on the validation set: bad (by 100%); worst (by a factor of 1e+03); lost (it fails).",
    ]


def test_cross_validation_decides_between_families_that_are_nearly_equal():
    """The one that predicts better, whatever the validation set says; if the windows do not tell, the more probable."""

    def winner(*errors):
        rows = [("long", 9, 1.3, 2.0), ("short", 2, 1.0, 0.0)]
        rows = [Candidate(*row, errors=np.array(one)) for row, one in zip(rows, errors, strict=True)]
        return Contest.of(rows, []).winner.name

    short = [1.2, 1.3, 1.1, 1.2]
    assert winner([1.0, 1.1, 0.9, 1.0], short) == "long"  # better in each window
    assert winner([1.1, 1.35, 1.0, 1.3], short) == "short"  # as often better as worse
    assert winner([1.3, 1.4, 1.2, 1.3], short) == "short"


def test_a_network_wins_only_if_it_is_better_in_most_windows():
    """Of the validation set: its least mean error may come from one of them. A single window decides by its size."""

    def winner(family, network):
        family, network = np.array(family), np.array(network)
        rows = [
            Candidate("family", 3, float(family.mean()), 0.0, held=family),
            Candidate("network", 99, float(network.mean()), is_mechanical=False, held=network),
        ]
        return Contest.of(rows, []).winner.name

    assert winner([2.0, 1.0], [1.2, 1.3]) == "family"
    assert winner([2.0, 1.5], [1.2, 1.0]) == "network"
    assert winner([9.0, 0.9, 1.1, 0.8], [1.0, 1.0, 1.0, 1.0]) == "family"
    assert winner([1.3, 1.4, 1.2, 1.3], [1.0, 1.1, 1.0, 1.0]) == "network"
    assert winner([1.3], [1.0]) == "network"


def test_families_that_differ_by_rounding_are_equal():
    """The one with fewer constants is taken, although the other errs less in every window."""
    errors = np.array([1.0, 2.0, 3.0])
    few = Candidate("few", 2, 1.0, -10.0, errors=errors * (1 + 1e-12))
    many = Candidate("many", 4, 1.0, 0.0, errors=errors)
    assert best_family([many, few]) == [few]


def test_margins_of_cross_validation_have_their_errors():
    """Two standard errors of the mean difference of the windows."""
    one, other = np.array([1.44, 1.21, 1.69, 1.44]), np.full(4, 1.0)
    best, second = Candidate("best", 2, 1.0, errors=other), Candidate("second", 3, 9.0, errors=one)
    error = 2 * np.std(one - other, ddof=1) / np.sqrt(4) / (2 * np.sqrt(one.mean()))
    said = f"Worse by cross-validation: second (by 20 ± {100 * error:.0f}%)."
    assert said in Contest((best, second, Candidate("third", 3, 4.0)), ()).verdict()
    assert "Worse on the validation set: third (by 100%)." in Contest((best, Candidate("third", 3, 4.0)), ()).verdict()


def test_a_constant_of_many_must_be_clearer():
    """The best of 18 columns of noise explains more than nothing in a third of the seeds by Schwarz's criterion."""
    family, rng, rows = Springs(jnp.eye(3), jnp.ones(3), ("a", "b", "c"), False), np.random.default_rng(0), 200
    count = family.slices.drag.stop
    assert len(family.optional) == 18
    by_chance = 0
    for _ in range(200):
        noise, columns = rng.normal(size=rows), rng.normal(size=(rows, 18))
        gains = (columns.T @ noise) ** 2 / np.sum(columns**2, axis=0)
        best = columns[:, np.argmax(gains)]
        left = noise - best * (best @ noise) / (best @ best)
        without, other = np.zeros(count), np.zeros(count)
        other[family.optional[0]] = 1.0

        def fit(residuals, free):
            shape = (1, rows, 1)
            nothing = np.zeros((1, rows, count))
            return FamilyFit(family, free, free, np.ones(1), np.zeros((1, 6)), residuals.reshape(shape), nothing, rows)

        plain = fit(noise, without)
        by_chance += information(fit(left, other), plain) < information(plain, plain)
    assert by_chance < 12  # 3.5 expected; with the criterion of Schwarz 60


def test_what_the_best_candidate_leaves_is_told_in_units_of_the_noise():
    """A warning if it is much, a promise if it is nothing; neither if that is not known."""

    def verdict_of(rest, error=0.0):
        return " ".join(Contest.of([Candidate("good", 2, 1.0, rest=rest, rest_error=error)], []).verdict())

    assert "lacks something: its errors are 3.5 times the noise" in verdict_of(3.5)
    assert "no model can be much better" in verdict_of(1.1)
    assert "noise" not in verdict_of(1.4) + verdict_of(np.nan)
    assert "lacks something: its errors are 1.6 times" in verdict_of(1.6, error=0.05)
    assert "no model can be much better" in verdict_of(1.6, error=0.5)  # so few rows do not say more


def test_a_candidate_that_lacks_friction_is_no_full_answer():
    """Its errors may be small: the energy of a slow decay falls little in one window."""
    plain = Contest.of([Candidate("good", 2, 1.0, rest=1.1)], [])
    assert not plain.is_unexplained
    losing = plain._replace(energy_lost=0.12)
    assert losing.is_unexplained
    said = " ".join(losing.verdict())
    assert "lacks something: its energy falls by 12% along the recorded motion, so it lacks friction" in said
    assert "no model can be much better" not in said


def test_a_model_without_mechanics_is_best_only_if_it_errs_less():
    """Of equals the mechanical one is taken, whatever the number of its constants."""

    def contest_of(misfit):
        null = Candidate("null", 10, misfit, rest=1.0, is_mechanical=False)
        return Contest.of([Candidate("network", 99, 1.0, rest=1.0), null], [])

    assert contest_of(0.95).winner.name == "network"
    assert not contest_of(0.95).is_unexplained
    better = contest_of(0.5)
    assert better.winner.name == "null"
    assert better.is_unexplained
    assert "is it driven, or does its friction follow another law?" in " ".join(better.verdict())


def test_simplifying_leaves_no_friction_that_feeds_in_energy():
    """A pendulum that gains energy: once the offset is fixed, the friction that is free would be negative."""
    motion = moving(
        lambda t, q, v: 0.5 * v @ v + 9.0 * jnp.cos(q[0]), [1.0, 0.0], force=lambda t, q, v: 0.01 * v, noise=0.002
    )
    task, trial = tried(motion, [0])
    (family,) = (one for one in families_for(task.columns) if one.name == "rigid chain of 1 body")
    grown = fit_family(trial.fitted, family, family.start(trial.pieces(np.eye(1))), trial.noise)
    at, x, free = family.slices, grown.x.copy(), np.zeros(len(grown.x))
    x[at.of_friction], free[at.constants], free[at.offset], free[at.linear] = 0.0, 1.0, 1.0, 1.0
    fit = simplified(grown._replace(x=x, free=free), trial.fitted, lambda: False)
    assert fit.is_sound
    assert fit.x[at.linear] >= 0
