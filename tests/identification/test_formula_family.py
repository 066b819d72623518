"""The terms of a formula of the search are fitted with each friction, and those that the motion does not show go."""

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import Formula
from neural_lagrangian.identification.candidates.all_candidates import compared_candidates, known_candidates
from neural_lagrangian.identification.candidates.contest import FORMULA
from neural_lagrangian.identification.folders.formula_file import read_formula, write_formula
from neural_lagrangian.identification.formulas import RefinedFormula, library_for

from .test_families import ERRORS_ALLOWED, moving, off, tried

pytestmark = pytest.mark.double
TRUE = {"cos(a)": 9.0, "cos(2*a)": -3.0, "linear friction at a": 0.05}


@pytest.fixture(scope="module")
def compared():
    """A bead on a hoop that turns, with friction, and a formula without friction and with a term too many."""
    motion = moving(
        lambda t, q, v: 0.5 * v[0] ** 2 + 9.0 * jnp.cos(q[0]) - 3.0 * jnp.cos(2 * q[0]),
        [2.2, 0.0],
        force=lambda t, q, v: -0.05 * v,
    )
    task, _ = tried(motion, [0])
    library = library_for(task.columns)
    terms = library.select([library.names.index(name) for name in ("a_dot^2", "cos(a)", "cos(2*a)", "cos(a) a_dot^2")])
    formula = Formula(terms, jnp.asarray([0.5, 8.0, -2.5, 0.05]))
    searched = RefinedFormula("the network", nl.NeuralLagrangian(formula), 1.0)
    known = known_candidates(task)
    return task, searched, known, compared_candidates(task, known, {}, searched)


def test_friction_is_found_and_a_term_too_many_goes(compared):
    *_, contest = compared
    best = contest.winner
    assert best.title == f"{FORMULA}, linear friction, without cos(a) a_dot^2"
    assert set(best.found.formula.support) == {"a_dot^2", "cos(a)", "cos(2*a)"}
    assert off(best.found, TRUE) < ERRORS_ALLOWED
    assert best.leaves_noise
    (without,) = [one for one in contest.candidates if one.title.startswith(f"{FORMULA}, no friction")]
    assert contest.ratio(without) > 1.5


def test_each_candidate_is_compared_once(compared):
    """Families are not fitted again, and the formula as it was refined is no candidate beside its own family."""
    *_, known, contest = compared
    titles = [one.title for one in contest.candidates]
    assert len(titles) == len(set(titles))
    assert FORMULA not in titles
    assert {one.title for one in known.fitted.candidates} <= set(titles)


def test_the_formula_of_a_folder_is_the_one_with_friction(compared, tmp_path):
    task, *_, contest = compared
    write_formula(tmp_path, contest.formula)
    model, q, v = read_formula(tmp_path, task.columns), jnp.asarray([0.7]), jnp.asarray([-1.1])
    expected = contest.formula.model.acceleration(0.0, q, v)
    np.testing.assert_allclose(model.acceleration(0.0, q, v), expected, rtol=1e-12)
    assert model.force is not None


def test_without_time_for_a_fit_the_refined_formula_is_the_candidate(compared):
    task, searched, known, _ = compared
    contest = compared_candidates(task, known, {}, searched, lambda: True)
    (one,) = [one for one in contest.candidates if one.name == FORMULA]
    assert one.title == FORMULA
    assert one.found is searched


def test_damping_that_couples_joints_is_kept_beside_the_friction_at_each():
    """Friction at joints cannot be a damping matrix with products of two velocities."""
    columns_library = nl.discovery.Library.coordinates(2, 2) + nl.discovery.Library.velocities(2, 2)
    formula = Formula(columns_library, jnp.ones(len(columns_library)))
    for factor, couples in (([0.3, 0.0, 0.2], False), ([0.3, 0.1, 0.2], True)):
        model = nl.NeuralLagrangian(formula, force=nl.mechanics.LinearDamping(jnp.asarray(factor)))
        assert RefinedFormula("the recording", model, 1.0).couples_joints == couples
