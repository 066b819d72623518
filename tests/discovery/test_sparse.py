"""Formulas straight from motion; and none where the data do not tell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import Library, UndeterminedWarning, compare_lagrangians, sparse_lagrangian
from neural_lagrangian.systems import CartPole, DampedOscillator, HarmonicOscillator, NBody, Pendulum

from ..helpers import slow, slow_but
from .cases import CASES, POLYNOMIALS, largest_error, noisy_accelerations, noisy_states

pytestmark = pytest.mark.double
OSCILLATOR = HarmonicOscillator()


@pytest.mark.parametrize("name", slow_but(CASES, "oscillator"))
def test_clean_accelerations_give_the_formula_and_noise_of_5_per_cent_does(name):
    case = CASES[name]
    motion = case.motion(samples=25)
    found = sparse_lagrangian(motion, case.library)
    assert largest_error(found.formula, case.formula) < 1e-8
    assert found.residual < 1e-8
    found = sparse_lagrangian(noisy_accelerations(motion, 0.05), case.library)
    assert largest_error(found.formula, case.formula) < 0.03
    assert found.residual == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("name", ["oscillator", slow("spring pendulum")])
def test_positions_and_velocities_alone(name):
    """The weak form needs no accelerations. (Noise of 5 % of the standard deviation of each channel.)"""
    case = CASES[name]
    for noise, error in ((0.0, 1e-3), (0.05, 0.03)):
        found = sparse_lagrangian(noisy_states(case.motion(), noise), case.library)
        assert largest_error(found.formula, case.formula) < error


@pytest.mark.parametrize("name", ["oscillator", slow("spring pendulum")])
def test_auto_takes_accelerations_without_noise_and_the_weak_form_with_it(name):
    """Averages over windows have less bias from noise in the states than accelerations beside them."""
    case = CASES[name]
    motion = case.motion()
    noisy = noisy_accelerations(motion, 0.1)
    noisy = nl.Trajectories(noisy.ts, noisy_states(motion, 0.1).ys, accelerations=noisy.accelerations)
    for recorded, method in ((motion, "accelerations"), (noisy, "weak")):
        found = sparse_lagrangian(recorded, case.library)
        asked = sparse_lagrangian(recorded, case.library, method=method)
        assert (found.used, found.residual) == (asked.used, asked.residual)
        assert largest_error(found.formula, case.formula) < 0.03


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    """Of 60 coefficients about 57 are in their 95 % intervals; fewer than 51 has a chance of 2e-4."""
    case, inside = CASES["spring pendulum"], 0
    names = CASES["spring pendulum"].library.names
    library = case.library.select([names.index(name) for name in (*case.formula, "sin(theta)", "theta_dot^2")])
    for seed in range(15):
        formula = sparse_lagrangian(noisy_accelerations(case.motion(samples=25), 0.02, seed), library).formula
        others = [name for name in case.formula if name != "r_dot^2"]
        inside += sum(low <= case.formula[n] <= high for n, (low, high) in formula.intervals.items() if n in others)
    assert 51 <= inside <= 60


def test_the_scale_of_units_does_not_matter():
    """In micrometres and hours the same terms are found."""
    motion = CASES["oscillator"].motion()
    length, time = 1e6, 1 / 3600
    ys = motion.ys * np.array([length, length / time])
    scaled = nl.Trajectories(motion.ts * time, ys, accelerations=motion.accelerations * length / time**2)
    found = sparse_lagrangian(scaled, POLYNOMIALS).formula
    assert largest_error(found, {"v^2": 0.5, "q^2": -5 / time**2}) < 1e-6


def single_orbit(samples=300, duration=20.0):
    return nl.simulate(OSCILLATOR, jnp.linspace(0, duration, samples), jnp.array([[1.0, 0.5]]), accelerations=True)


@pytest.mark.parametrize("noise", [slow(0.0), 0.05])
def test_a_single_orbit_does_not_tell(noise):
    orbit = noisy_accelerations(single_orbit(), noise)
    with pytest.warns(UndeterminedWarning, match="as on a single orbit"):
        found = sparse_lagrangian(orbit, POLYNOMIALS)
    assert found.formula is None
    assert not found.determined
    assert str(found).startswith("No formula: the data do not determine it.")
    two = nl.simulate(OSCILLATOR, jnp.linspace(0, 20, 300), jnp.array([[1.0, 0.5], [0.3, 0.2]]), accelerations=True)
    more = noisy_accelerations(two, noise)
    assert sparse_lagrangian(more, Library.coordinates(1, 4) * Library.velocities(1, 2)).determined


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_nor_does_its_weak_form(noise):
    with pytest.warns(UndeterminedWarning, match="record motions with other energies"):
        found = sparse_lagrangian(noisy_states(single_orbit(1600, 40.0), noise), POLYNOMIALS)
    assert found.formula is None


def test_too_few_samples_and_windows():
    few = nl.simulate(OSCILLATOR, jnp.linspace(0, 3, 8), jnp.array([[1.0, 0.5]]), accelerations=True)
    with pytest.warns(UndeterminedWarning, match="19 candidate terms need at least 38 equations, but the data give 8"):
        assert sparse_lagrangian(few, POLYNOMIALS).formula is None
    with pytest.warns(UndeterminedWarning, match="no trajectory has the 9 samples of a window"):
        assert sparse_lagrangian(noisy_states(few, 0.0), POLYNOMIALS).formula is None


def test_a_coordinate_at_rest():
    still = nl.Trajectories(np.arange(30.0), np.zeros((30, 2)), accelerations=np.zeros((30, 1)))
    with pytest.warns(UndeterminedWarning, match="column 0 of the states never changes"):
        assert sparse_lagrangian(still, POLYNOMIALS).formula is None


def damped(system, duration=6.0):
    y0s = system.sample_states(jax.random.key(0), 20)
    return nl.simulate(system, jnp.linspace(0, duration, 100), y0s, accelerations=True)


@pytest.mark.parametrize("noise", [slow(0.0), 0.05])
@pytest.mark.parametrize("disturbed", [noisy_accelerations, slow(noisy_states)])
def test_damping_is_found_beside_the_formula(disturbed, noise):
    system = DampedOscillator(damping=0.3)
    motion = damped(system)
    tolerance = 0.03 if noise else 1e-3
    found = sparse_lagrangian(disturbed(motion, noise), POLYNOMIALS)
    same = compare_lagrangians(system.lagrangian, found.formula, motion.ys.reshape(-1, 2)[::5])
    assert same.gauge_residual < tolerance
    assert found.damping == pytest.approx(np.array([[0.3]]), rel=tolerance)
    assert "with the force -D v, D = [[" in str(found)
    if noise:
        assert abs(found.damping - 0.3) < 4 * found.damping_errors < 0.1
    np.testing.assert_allclose(found.force(0.0, jnp.array([0.4]), jnp.array([-2.0])), 2 * found.damping[0])


@pytest.mark.slow
def test_damping_of_one_coordinate_of_two():
    """And none of the other: the matrix is singular."""
    library = Library.waves(2, 1, [1]) * Library.velocities(2, 2)
    found = sparse_lagrangian(damped(CartPole(cart_friction=0.4), 3.0), library)
    rate = 0.4 / 1.5  # in a Lagrangian over the mass of both, 1.5 kg
    np.testing.assert_allclose(found.damping, [[rate, 0.0], [0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(found.force(0.0, jnp.zeros(2), jnp.array([1.0, 2.0])), [-rate, 0.0], atol=1e-6)


def test_a_weak_damping_that_many_terms_hide_is_found():
    """Without it a Lagrangian of eight terms has most of the motion."""
    motion = damped(DampedOscillator(damping=0.1), duration=10.0)
    found = sparse_lagrangian(motion, Library.coordinates(1, 4) * Library.velocities(1, 4))
    assert largest_error(found.formula, {"v^2": 0.5, "q^2": -0.5}) < 1e-8
    assert found.damping == pytest.approx(np.array([[0.1]]))


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.01, 0.05])
def test_circles_of_one_frequency_are_no_damping(noise):
    """Their velocities turn into their accelerations: a mass between the axes balances a damping that drives one."""
    case = CASES["charged particle"]
    motion = noisy_states(damped(case.system), noise)
    found = sparse_lagrangian(motion, case.library)
    assert found.damping is None
    same = compare_lagrangians(case.system.lagrangian, found.formula, motion.ys.reshape(-1, 4)[::5])
    assert same.gauge_residual < noise


@pytest.mark.parametrize("of", [slow("accelerations"), "states"])
def test_what_drives_instead_of_damping_is_no_formula(of):
    system = DampedOscillator(damping=0.3)
    motion = damped(system)
    backward = nl.Trajectories(
        -motion.ts[:, ::-1], motion.ys[:, ::-1] * [1, -1], accelerations=motion.accelerations[:, ::-1]
    )
    observed = backward if of == "accelerations" else noisy_states(backward, 0.01)
    with pytest.warns(UndeterminedWarning, match="feeds in energy and is no damping"):
        assert sparse_lagrangian(observed, POLYNOMIALS).formula is None


@pytest.mark.parametrize("name", ["oscillator", slow("spring pendulum")])
def test_without_friction_no_damping_is_found(name):
    case = CASES[name]
    for observed in (noisy_accelerations(case.motion(), 0.05), noisy_states(case.motion(), 0.05)):
        assert sparse_lagrangian(observed, case.library).damping is None


def test_a_library_without_the_right_term_says_that_it_only_approximates():
    """cos q is not among polynomials."""
    system = Pendulum()
    y0s = jax.random.uniform(jax.random.key(0), (20, 2), minval=-1.5, maxval=1.5)
    motion = nl.simulate(system, jnp.linspace(0, 2, 100), y0s, accelerations=True)
    found = sparse_lagrangian(motion, Library.coordinates(1, 2) * Library.velocities(1, 2), largest_residual=1.0)
    assert found.residual > 0.01
    assert "the library may lack a term" in str(found)
    library = Library.waves(1, 1) * Library.velocities(1, 2)
    right = sparse_lagrangian(motion, library).formula
    assert largest_error(right, {"v^2": 0.5, "cos(q)": 9.81}) < 1e-9


def resting_bodies():
    """Whatever is added to the kinetic energy of the centre of mass, which rests, the motion is the same."""
    system = NBody()
    motion = nl.simulate(system, jnp.linspace(0, 3, 100), system.sample_states(jax.random.key(0), 10))
    library = Library.velocities(6, 2)
    for i, j in ((0, 1), (0, 2), (1, 2)):

        def inverse(t, q, v, i=i, j=j):
            return 1 / jnp.linalg.norm(q[2 * i : 2 * i + 2] - q[2 * j : 2 * j + 2])

        library = library + Library.functions(6, {f"1/r{i}{j}": inverse})
    return motion, library


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.0, 0.01])
def test_of_formulas_with_the_same_motion_the_simplest_is_taken(sigma):
    """With v0 + v2 + v4 = 0, the products v0 v2, v0 v4 and v2 v4 can take the place of the squares of v0, v2, v4."""
    motion, library = resting_bodies()
    found = sparse_lagrangian(noisy_states(motion, sigma) if sigma else motion, library)
    assert found.determined
    assert any("have the same motion; this is the simplest" in note for note in found.notes)
    truth = {f"v{i}^2": 0.5 for i in range(6)} | {f"1/r{pair}": 1.0 for pair in ("01", "02", "12")}
    assert largest_error(found.formula, truth) < (0.02 if sigma else 1e-6)


def test_what_is_dropped_is_named():
    found = sparse_lagrangian(CASES["charged particle"].motion(), CASES["charged particle"].library)
    lines = found.independent.described(found.library)
    assert "q1 v0 = -1 q0 v1 + dF/dt" in lines
    assert "q0 v0 = dF/dt" in lines


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: sparse_lagrangian(m, Library.coordinates(1, 3) * Library.velocities(1, 1)), "no term with a mass"),
        (lambda m: sparse_lagrangian(m, CASES["double pendulum"].library), "`library` has dof 2; expected 1"),
        (lambda m: sparse_lagrangian(m, POLYNOMIALS, method="magic"), "`method` is 'magic'"),
        (lambda m: sparse_lagrangian(m, POLYNOMIALS, tolerance=0.0), "`tolerance` is 0.0"),
        (lambda m: sparse_lagrangian(noisy_states(m, 0.0), POLYNOMIALS, method="accelerations"), "has none"),
        (lambda m: sparse_lagrangian(m, POLYNOMIALS, method="weak", window=3), "`window` is 3; expected at least 9"),
        (
            lambda m: sparse_lagrangian(
                m, Library.functions(1, {"root": lambda t, q, v: jnp.sqrt(q[0])}) * Library.velocities(1, 2)
            ),
            "the term root of `library` is not finite",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(CASES["oscillator"].motion())
