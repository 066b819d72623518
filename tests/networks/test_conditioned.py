"""One model of many systems: parts that depend on known parameters of each run."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.networks import Conditioned, with_parameters

from ..helpers import fit_options

pytestmark = [pytest.mark.double, pytest.mark.optax]
TS = np.linspace(0.0, 1.0, 21)
LENGTHS = np.array([0.5, 0.8, 1.2, 2.0])


class Gravity(eqx.Module):
    """Pendulums of known lengths, and of an unknown gravity that is trained."""

    gravity: jax.Array

    def __call__(self, t, q, v, parameters):
        length = parameters["length"]
        return 0.5 * (length * v[0]) ** 2 + self.gravity * length * jnp.cos(q[0])


def pendulum(t, q, v, parameters):
    length = parameters["length"]
    return 0.5 * (length * v[0]) ** 2 + 9.81 * length * jnp.cos(q[0])


def model_of(function=pendulum, **parameters):
    lagrangian = Conditioned(function, parameters or {"length": 1.0})
    return nl.NeuralLagrangian.from_lagrangian(lagrangian, dof=1, stepsize_controller=nl.StepsPerSample(2))


def motions():
    """Each of the pendulums from the same state."""
    y0 = jnp.array([[1.0, 0.0]])
    ys = [nl.simulate(nl.systems.Pendulum(length=float(each)), TS, y0).ys[0] for each in LENGTHS]
    return nl.Trajectories(TS, np.stack(ys), parameters={"length": LENGTHS})


def network(key=0):
    lagrangian = nl.MechanicalLagrangian.from_mlp(
        1, 8, mass="unit", periodic=(0,), parameters={"length": 1.0}, key=jax.random.key(key)
    )
    return nl.NeuralLagrangian(lagrangian, stepsize_controller=nl.StepsPerSample(1))


def test_a_rollout_is_that_of_the_system_with_these_parameters():
    """By `with_parameters`, by `args`, in a batch, and in the units of a scaling."""
    data, model = motions(), model_of()
    batch = jax.vmap(model, (None, 0, 0))(jnp.asarray(TS), jnp.asarray(data.ys[:, 0]), {"length": jnp.asarray(LENGTHS)})
    np.testing.assert_allclose(batch, data.ys, atol=1e-5)
    for i, each in enumerate(LENGTHS):
        y0, args = jnp.asarray(data.ys[i, 0]), {"length": each}
        np.testing.assert_allclose(model(TS, y0, args), batch[i], atol=1e-13)
        np.testing.assert_allclose(with_parameters(model, args)(TS, y0), batch[i], atol=1e-13)
        np.testing.assert_allclose(model.solve(TS, y0, args).ys, batch[i], atol=1e-13)
        field = model.vector_field(0.0, y0, args)
        np.testing.assert_allclose(field, [0.0, -9.81 / each * np.sin(1.0)], rtol=1e-13)
    assert not np.allclose(batch[0], batch[1], atol=0.1)  # the parameters matter
    scaling = nl.trajectories.Scaling(centre=np.zeros(1), q_scale=np.ones(1), t_scale=1.0)
    scaled = nl.Scaled(model, scaling)
    np.testing.assert_allclose(scaled(TS, data.ys[0, 0], {"length": LENGTHS[0]}), batch[0], atol=1e-12)


def test_derivatives_in_the_parameters_are_those_of_differences():
    model, y0 = model_of(), jnp.array([1.0, 0.0])

    def end(length):
        return model(TS, y0, {"length": length})[-1, 0]

    h = 1e-5
    difference = (end(1.3 + h) - end(1.3 - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(end)(1.3), difference, rtol=1e-7)
    np.testing.assert_allclose(jax.jacfwd(end)(1.3), difference, rtol=1e-7)


def test_parameters_stay_with_their_trajectories():
    gap = np.concatenate([TS, TS + 5.0])
    ys = np.zeros((3, gap.size, 2)) + np.arange(3.0)[:, None, None]
    numbers = np.arange(3.0)
    data = nl.Trajectories(gap, ys, parameters={"length": numbers, "masses": np.stack([numbers, numbers], axis=1)})
    runs = data.split_at_gaps()
    np.testing.assert_array_equal(runs.parameters["length"], [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(data.select([2, 0]).parameters["masses"], [[2, 2], [0, 0]])
    np.testing.assert_array_equal(data.thin(5).parameters["length"], runs.parameters["length"])
    assert data.astype(np.float32).parameters["length"].dtype == np.float32
    windows = nl.trajectories.Windows(data, horizon=3)
    batch = windows.gather(jnp.arange(len(windows)))
    np.testing.assert_array_equal(batch.parameters["length"], batch.ys[:, 0, 0])
    np.testing.assert_array_equal(batch.parameters["masses"], np.repeat(batch.ys[:, 0, :1], 2, axis=1))
    assert batch.parameters["length"].shape == (len(windows),)


@pytest.mark.parametrize("train", ["fit", "polish", "gauss_newton"])
def test_every_optimiser_passes_them_on(train):
    """One unknown constant, shared by pendulums of known lengths."""
    model, data = model_of(Gravity(jnp.array(7.0))), motions()
    if train == "fit":
        options = fit_options(optimizer=optax.adam(0.2), steps=150, horizon=10, progress=False)
        found = nl.fit(model, data, key=jax.random.key(0), **options).model
    elif train == "polish":
        found = nl.training.polish(model, data, steps=15, horizon=10).model
    else:
        found = nl.training.gauss_newton(model, data, horizon=10).model
    gravity, length = jax.tree.leaves(eqx.filter(found.network, eqx.is_inexact_array))
    assert float(gravity) == pytest.approx(9.81, abs=2e-2 if train == "fit" else 1e-4)
    assert float(length) == 1.0  # not trained, and not that of a run


def test_weight_decay_does_not_change_the_parameters():
    """A training replaces them in each window, so only what acts without a gradient could change them."""
    decay = optax.chain(optax.set_to_zero(), optax.add_decayed_weights(-0.1))
    model = model_of(Gravity(jnp.array(7.0)))
    options = fit_options(optimizer=decay, steps=2, horizon=2, progress=False)
    found = nl.fit(model, motions(), key=jax.random.key(0), **options).model
    gravity, length = jax.tree.leaves(eqx.filter(found.network, eqx.is_inexact_array))
    assert float(gravity) < 6.0
    assert float(length) == 1.0


def test_a_network_sees_the_parameters_in_natural_units():
    """A length in millimetres is the same length."""

    def unit(factor):
        lagrangian = nl.MechanicalLagrangian.from_mlp(
            1, 8, periodic=(0,), parameters={"length": 1.0 * factor, "a": [2.0, 0.0]}, key=jax.random.key(0)
        )
        given = {"length": 0.7 * factor, "a": [1.0, 3.0]}
        return with_parameters(lagrangian, given)(0.0, jnp.array([0.3]), jnp.array([0.5]))

    np.testing.assert_allclose(unit(1000.0), unit(1.0), rtol=1e-14)
    other = nl.MechanicalLagrangian.from_mlp(1, 8, periodic=(0,), parameters={"length": 1.0}, key=jax.random.key(0))
    values = [with_parameters(other, {"length": x})(0.0, jnp.array([0.3]), jnp.array([0.5])) for x in (0.5, 2.0)]
    assert abs(values[0] - values[1]) > 1e-3


def test_errors_of_rollouts_use_the_parameters():
    data = motions()
    assert np.nanmax(np.abs(nl.analysis.errors(model_of(), data).values)) < 1e-4


def test_a_saved_model_keeps_its_parameters(tmp_path):
    model = with_parameters(network(), {"length": 0.7})
    nl.save(tmp_path / "model.eqx", model)
    again = nl.load(tmp_path / "model.eqx", network(key=1))
    y0 = jnp.array([1.0, 0.0])
    np.testing.assert_array_equal(again(TS, y0), model(TS, y0))


@pytest.mark.bad_input
def test_what_does_not_fit_is_refused():
    model, data = model_of(), motions()
    plain = nl.systems.Pendulum()
    with pytest.raises(ValueError, match=r"`parameters` has the names \['mass'\]; expected those of the model"):
        with_parameters(model, {"mass": 1.0})
    with pytest.raises(ValueError, match=r"`parameters\['length'\]` has shape \(2,\); expected \(\)"):
        with_parameters(model, {"length": [1.0, 2.0]})
    with pytest.raises(ValueError, match="but `model` does not depend on parameters"):
        with_parameters(plain, {"length": 1.0})
    with pytest.raises(ValueError, match="`args` is"):
        plain(TS, jnp.array([1.0, 0.0]), {"length": 1.0})
    with pytest.raises(ValueError, match="expected values by name"):
        Conditioned(pendulum, {})
    with pytest.raises(ValueError, match="expected a real number"):
        Conditioned(pendulum, {"length": "long"})
    options = {"steps": 2, "key": jax.random.key(0)}
    free = nl.Trajectories(TS, data.ys)
    with pytest.raises(ValueError, match=r"depends on the parameters \['length'\], but the trajectories have none"):
        nl.fit(network(), free, **options)
    with pytest.raises(ValueError, match="but `model` does not depend on parameters"):
        nl.fit(nl.NeuralLagrangian(nl.MechanicalLagrangian.from_mlp(1, 4, key=jax.random.key(0))), data, **options)
    with pytest.raises(ValueError, match="parameters"):
        nl.discovery.sparse_lagrangian(data, nl.discovery.Library.velocities(1, 2))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "expected a dictionary from names to arrays"),
        ({"length": np.ones(3)}, r"has shape \(3,\); expected \(4,\)"),
        ({"length": np.array([1.0, np.nan, 1.0, 1.0])}, "not finite in trajectory 1"),
        ({"length": np.array(["a"] * 4)}, "expected real numbers"),
    ],
)
def test_bad_parameters_of_trajectories_are_refused(parameters, message):
    with pytest.raises(nl.trajectories.TrajectoryError, match=message):
        nl.Trajectories(TS, np.zeros((4, TS.size, 2)), parameters=parameters)


def test_columns_of_files_hold_parameters(tmp_path):
    lines = ["run,t,x,v,length"] + [f"{run},{t},{t * run},{run},{run / 2}" for run in (1, 2) for t in np.arange(12.0)]
    (tmp_path / "runs.csv").write_text("\n".join(lines))
    options = {"positions": ["x"], "trajectory": "run", "parameters": ["length"]}
    for velocities in (["v"], None):
        motion = nl.read_trajectories(tmp_path / "runs.csv", velocities=velocities, **options)
        np.testing.assert_array_equal(motion.parameters["length"], [0.5, 1.0])
    with pytest.raises(nl.trajectories.DataFileError, match="column 'x': is named in `parameters`, but changes"):
        nl.read_trajectories(tmp_path / "runs.csv", **options | {"positions": ["v"], "parameters": ["x"]})
