"""A network that is added to a known system learns what that lacks."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification import identify, networks
from neural_lagrangian.identification.architecture import Architecture
from neural_lagrangian.identification.budget import Budget
from neural_lagrangian.identification.candidates.all_candidates import known_candidates, prior_of
from neural_lagrangian.identification.candidates.contest import Candidate, Contest
from neural_lagrangian.identification.choices import NETWORK
from neural_lagrangian.identification.folders.model_folder import MODEL, read_folder, write_model
from neural_lagrangian.identification.folders.settings_file import write_settings
from neural_lagrangian.identification.formulas.refinement import RefinedFormula
from neural_lagrangian.identification.networks import Networks, networks_of
from neural_lagrangian.identification.prior import Prior
from neural_lagrangian.identification.settings import settings_of
from neural_lagrangian.identification.trained import Trained
from neural_lagrangian.identification.wanted import Wanted
from neural_lagrangian.models.controlled import with_held_control
from neural_lagrangian.numerics import trained_and_rest
from neural_lagrangian.training import DivergenceError

from .test_rigid_chain import PENDULUM, frames, recorded, task_of

pytestmark = [pytest.mark.double, pytest.mark.optax]

WANTED = Wanted("mechanical", False, 3, None, 0, False, None, False, "", (), None)
DEPTH, WIDTH, PLACE, FRICTION = 4.0, 0.25, 0.4, 0.06
"""A magnet beside a pendulum: its depth in 1/s^2, width and place in radians; and the friction in 1/s."""


def cart(t, q, v):
    """A pendulum on a cart."""
    (angle, _), (turn, drive) = q, v
    return 1.5 * drive**2 + 0.2 * turn**2 + 0.4 * jnp.cos(angle) * turn * drive + 5.0 * jnp.cos(angle)


def with_magnet(t, q, v):
    """A pendulum beside a magnet."""
    near = DEPTH * jnp.exp(-(((q[0] - PLACE) / WIDTH) ** 2) / 2)
    return 0.5 * v[0] ** 2 + 12.0 * jnp.cos(q[0]) + near


def beside_a_magnet(seconds, step, noise):
    ts = jnp.arange(0.0, seconds, step)
    damping = nl.mechanics.LinearDamping(jnp.asarray([FRICTION**0.5]))
    ys = np.asarray(nl.NeuralLagrangian.from_lagrangian(with_magnet, force=damping)(ts, jnp.asarray([1.5, 0.0])))
    ys = ys + noise * np.random.default_rng(0).normal(size=ys.shape)
    return nl.Trajectories(np.asarray(ts), ys, names=["a"])


@pytest.fixture(scope="module")
def pull():
    """A task with the known systems that describe it in part."""
    task = task_of(beside_a_magnet(20.0, 0.02, 0.005))
    known = known_candidates(task)
    assert known is not None
    assert known.explains is None
    return task, known


def test_a_silent_network_leaves_the_known_system_as_it_is():
    """In any natural units, with friction and controls."""
    links, motors = [[1.0, 0.0], [0.0, 1.0]], jnp.asarray([[1.0, 0.2], [0.0, 3.0]])
    friction = nl.mechanics.AtJoints(nl.mechanics.LinearDamping(jnp.asarray([0.3, 0.1, 0.4])), links)
    rough = nl.mechanics.SmoothFriction([0.2, 0.5], [0.3, 0.1])
    force = nl.mechanics.ForceSum((friction, rough, nl.mechanics.ControlForce(motors)))
    known = nl.NeuralLagrangian.from_lagrangian(cart, dof=2, force=force)
    scaling = nl.trajectories.Scaling([0.3, 20.0], [0.4, 0.1], 0.2)
    architecture = Architecture(2, "free", False, (0,), controls=(2.0, 300.0)).beside_known_system()
    model = architecture.model(jax.random.key(0), Prior(RefinedFormula("cart", known, np.nan), scaling))

    def silenced(node):
        if isinstance(node, eqx.nn.MLP):
            return eqx.tree_at(lambda mlp: mlp.layers[-1].weight, node, replace_fn=jnp.zeros_like)
        if isinstance(node, nl.mechanics.LinearDamping) and node.factor.dtype == jnp.float32 and len(node.factor) == 3:
            return eqx.tree_at(lambda one: one.factor, node, replace_fn=jnp.zeros_like)
        return node

    def is_part(node):
        return isinstance(node, eqx.nn.MLP | nl.mechanics.LinearDamping | nl.networks.Frozen)

    silent = jax.tree.map(silenced, model, is_leaf=is_part)
    y, u = jnp.asarray([0.9, 20.2, -2.0, 0.4]), jnp.asarray([1.5, -2.0])
    states = (0.0, *jnp.split(y, 2))

    def acceleration(one):
        return np.asarray(with_held_control(one, u).acceleration(*states))

    one = nl.Scaled(nl.models.with_precision(silent, jnp.float64), scaling)
    np.testing.assert_allclose(acceleration(one), acceleration(known), rtol=1e-5)
    heard = nl.Scaled(nl.models.with_precision(model, jnp.float64), scaling)
    assert not np.allclose(acceleration(heard), acceleration(known), rtol=1e-3)
    np.testing.assert_allclose(acceleration(heard), acceleration(known), rtol=0.3)  # but small before training
    others = (0.0, y[:2], 0.1 * y[2:])
    ratio = [float(one.energy(*at) / known.energy(*at)) for at in (states, others)]
    assert ratio[0] == pytest.approx(ratio[1], rel=1e-4)
    inner = one.model.mass_matrix(0.0, jnp.zeros(2), jnp.zeros(2))
    assert float(jnp.prod(jnp.diagonal(inner))) == pytest.approx(1.0, rel=1e-5)


def test_the_constants_of_the_known_system_are_not_trained(pull):
    task, known = pull
    prior = prior_of(task, known)
    assert prior is not None
    model = task.architecture.beside_known_system().model(jax.random.key(0), prior)
    trained, _ = trained_and_rest(model)
    sizes = {leaf.size for leaf in jax.tree.leaves(trained)}
    assert 64 * 64 in sizes
    coefficients = prior.found.formula.coefficients.astype(jnp.float32)
    alike = [leaf for leaf in jax.tree.leaves(trained) if leaf.shape == coefficients.shape]
    assert not any(jnp.all(leaf == coefficients) for leaf in alike)


def test_only_a_system_that_lacks_something_and_predicts_gets_a_network(pull):
    task, known = pull
    prior = prior_of(task, known)
    assert prior is not None
    assert prior.name == "rigid chain of 1 body"
    assert prior_of(task, None) is None
    best = known.fitted.candidates[0]
    assert prior_of(task, known._replace(explains=best)) is None
    absurd = best.fit._replace(x=40.0 + np.zeros_like(best.fit.x))
    fitted = known.fitted._replace(candidates=[best._replace(fit=absurd, found=None)])
    assert prior_of(task, known._replace(fitted=fitted)) is None


@pytest.mark.parametrize("noise", [True, False])
def test_there_is_no_network_alone_beside_one_that_leaves_nothing_but_noise(noise, pull, monkeypatch):
    task, known = pull
    made = []

    def trained(task, wanted, budget, prior=None):
        made.append(prior)
        return Trained(None, None, task.architecture, prior)

    def judged(name, model, noise_level, trial):
        return Candidate(name, 9, 1.0 if name == NETWORK else 2.0, rest=1.0 if noise else 9.0)

    monkeypatch.setattr(networks, "_trained_with_mechanics", trained)
    monkeypatch.setattr(networks, "candidate_of", judged)
    found = networks_of(task, WANTED, known, Budget(None))
    assert [prior is None for prior in made] == [False] if noise else [False, True]
    assert found.leave_noise == noise
    on_known = "rigid chain of 1 body with a network"
    assert [one.name for one in found.trained] == ([on_known] if noise else [NETWORK, on_known])
    spent = Budget(1.0, clock=iter([0.0, *[1e9] * 9]).__next__)
    assert len(networks_of(task, WANTED, known, spent).trained) == 1


@pytest.mark.bad_input
def test_a_network_whose_training_diverges_on_a_known_system_is_left_out(pull, monkeypatch):
    task, known = pull
    said = []

    def trained(task, wanted, budget, prior=None):
        if prior is not None:
            raise DivergenceError("3 of 4 windows diverge", None)
        return Trained(None, None, task.architecture)

    monkeypatch.setattr(networks, "_trained_with_mechanics", trained)
    monkeypatch.setattr(networks, "candidate_of", lambda *_: Candidate(NETWORK, 9, 1.0, rest=1.0))
    wanted = WANTED._replace(tell=lambda *message: said.append(message))
    assert [one.name for one in networks_of(task, wanted, known, Budget(None)).trained] == [NETWORK]
    assert ("network", "left out: 3 of 4 windows diverge") in said


def test_the_better_network_of_all_candidates_is_kept():
    prior = Prior(RefinedFormula("chain", None, 1.0), nl.trajectories.Scaling([0.0], [1.0], 1.0))
    two = Trained(None, None, None), Trained(None, None, None, prior)
    named = [Candidate(one.name, 9, 1.0, is_network=True) for one in two]
    for order in (named, named[::-1]):
        contest = Contest((Candidate("family", 1, 0.5), *order), ())
        chosen = Networks(two).chosen(contest)
        assert chosen is not None
        assert chosen.name == order[0].name
        assert contest._replace(candidates=tuple(order)).predictor == "network"
    assert Networks().chosen(Contest((), ())) is None
    assert Networks(two).chosen(Contest((), ())) is two[0]


def test_a_network_on_a_known_system_is_read_back(pull, tmp_path):
    task, known = pull
    wanted = WANTED._replace(folder=tmp_path)
    model = task.architecture.beside_known_system()
    prior = prior_of(task, known)
    network = nl.models.with_precision(model.model(jax.random.key(1), prior), jnp.float64)
    trained = Trained(nl.Scaled(network, task.scaling), None, model, prior)
    write_settings(tmp_path, settings_of(task, wanted, trained))
    write_model(tmp_path, trained.model)
    learned = read_folder(tmp_path, "network")
    assert "added to the rigid chain of 1 body" in str(learned)
    ts, y0 = jnp.linspace(0.0, 1.0, 6), jnp.asarray([1.0, 0.2])
    np.testing.assert_allclose(learned.model(ts, y0), trained.model(ts, y0), atol=1e-5)
    write_settings(tmp_path, settings_of(task, wanted))
    with pytest.raises(nl.models.ModelFileError, match="holds another architecture"):
        read_folder(tmp_path, "network")
    assert (tmp_path / MODEL).is_file()


@pytest.mark.slow
def test_a_pendulum_beside_a_magnet_needs_no_more_than_a_network_on_the_pendulum(tmp_path):
    """Beside a network, the pendulum alone errs ten times as much, and the damping is found without being asked for."""
    found = identify(beside_a_magnet(40.0, 1 / 60, 0.005), angles=["a"], velocities=[], folder=tmp_path / "fit")
    winner = found.candidates.winner
    assert winner.name == "rigid chain of 1 body with a network"
    assert winner.leaves_noise
    assert found.predictor == "network"
    assert NETWORK not in {one.name for one in found.candidates.candidates}
    ts = jnp.linspace(0.0, 3.0, 61)
    true = nl.NeuralLagrangian.from_lagrangian(
        with_magnet, force=nl.mechanics.LinearDamping(jnp.asarray([FRICTION**0.5]))
    )
    y0 = jnp.asarray([1.2, 0.0])
    error = np.abs(found.model(ts, y0) - true(ts, y0))[:, 0].max()
    assert error < 0.05
    formula = found.formula_model
    assert formula is not None
    assert np.abs(formula(ts, y0) - true(ts, y0))[:, 0].max() > 10 * error
    said = dict(found.facts)
    assert said["unexplained"].splitlines()[0] == "What the rigid chain of 1 body lacks, and the network describes:"
    assert "What is not explained" in (tmp_path / "fit" / "report.html").read_text()
    np.testing.assert_allclose(nl.load_model(tmp_path / "fit")(ts, y0), found.model(ts, y0), atol=1e-5)


def test_a_pendulum_that_a_family_explains_gets_no_network(monkeypatch):
    monkeypatch.setattr(networks, "_trained_with_mechanics", None)
    task = task_of(recorded(PENDULUM, frames(1)[0], [2.0], seconds=16.0, step=0.02))._replace(trains=False)
    assert networks_of(task, WANTED, None, Budget(None)) == Networks()
