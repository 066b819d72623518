"""What an identification trains on, and what is done to the formula that it finds."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import Formula, Library
from neural_lagrangian.identification import prediction
from neural_lagrangian.identification.architecture import Architecture
from neural_lagrangian.identification.candidates.contest import Contest
from neural_lagrangian.identification.evidence.energies import energies_of
from neural_lagrangian.identification.folders.model_folder import Learned
from neural_lagrangian.identification.formulas.refinement import _at_scale
from neural_lagrangian.identification.identifying import _energy_lost
from neural_lagrangian.identification.judging import rollout_errors
from neural_lagrangian.identification.learning import loss_for, plan_of
from neural_lagrangian.identification.prediction import predicted, write_predicted
from neural_lagrangian.identification.recordings.columns import Columns
from neural_lagrangian.identification.recordings.measure import Measure
from neural_lagrangian.identification.recordings.pieces import Parts
from neural_lagrangian.identification.recordings.recording import wrong_rates
from neural_lagrangian.identification.recordings.starts import Starts, starts_of
from neural_lagrangian.identification.reports.outcome import Outcome
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import LinearDamping

pytestmark = pytest.mark.double

TS = np.linspace(0.0, 6.0, 121)


def motion(*columns):
    return nl.Trajectories(TS, np.stack(columns, axis=1))


def test_an_error_of_one_spread_counts_the_same_in_every_channel():
    data = motion(1e-3 * np.sin(TS), 50 * np.cos(TS), 1e-3 * np.cos(TS), -50 * np.sin(TS))
    ys = jnp.asarray(data.ys[0, :3])
    window = nl.trajectories.Window(jnp.asarray(TS[:3]), ys)
    spread = data.ys[0].std(axis=0)
    for channel in range(4):
        off = jnp.zeros(4).at[channel].set(2 * spread[channel])
        found = loss_for(data)(lambda ts, y0, off=off: ys + off[None], window)
        assert float(found) == pytest.approx(2**2 / 4)
    off = jnp.asarray([0.0, 0.0, 2 * spread[2], 0.0])
    assert float(loss_for(data, velocity=0.1)(lambda ts, y0: ys + off[None], window)) == pytest.approx(0.2**2 / 4)


@pytest.mark.parametrize("samples", [121, 9])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 7, 60, 2400])
def test_the_stages_of_a_training_have_as_many_steps_as_wanted(steps, samples):
    """Each has at least one, and the last windows are as long as the data allow."""
    data = nl.Trajectories(TS[:samples], np.stack([np.sin(TS), np.cos(TS)], axis=1)[:samples])
    parts, scaling = Parts(data, data, data), nl.trajectories.Scaling.of(motion(np.sin(TS), np.cos(TS)))
    plan, whole = (plan_of(parts, scaling, n) for n in (steps, 10**4))
    assert sum(plan.steps) == steps
    assert min(plan.steps) >= 1
    assert plan.horizons == whole.horizons[-steps:]
    assert len(plan.steps) == len(plan.horizons)


def test_a_formula_at_another_scale_has_the_same_motion():
    """The kinetic term becomes v^2 / 2; the force keeps pace."""
    library = Library.coordinates(1, 2).select([2]) + Library.velocities(1, 2).select([2])
    formula = Formula(library, jnp.asarray([-6.0, 2.0]))
    model = nl.NeuralLagrangian(formula, force=LinearDamping(jnp.asarray([0.8])))
    scaled = _at_scale(model)
    assert float(scaled.network.named["v^2"]) == 0.5
    q, v = jnp.asarray([0.3]), jnp.asarray([-0.7])
    np.testing.assert_allclose(scaled.acceleration(0.0, q, v), model.acceleration(0.0, q, v), rtol=1e-12)
    np.testing.assert_allclose(model.acceleration(0.0, q, v), -3 * q - 0.64 / 4 * v, rtol=1e-12)


def test_a_damped_motion_loses_energy():
    """Of q'' = -q - 2 d q' the energy falls by the factor exp(-2 d t); what is lost is positive."""
    d = 0.02
    w = np.sqrt(1 - d**2)
    q = np.exp(-d * TS) * np.cos(w * TS)
    v = -d * q - w * np.exp(-d * TS) * np.sin(w * TS)
    starts = starts_of(motion(q, v), 2)
    model = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v[0] ** 2 - 0.5 * q[0] ** 2, dof=1)
    resting = np.broadcast_to(np.asarray(starts.ys)[:, :1], starts.ys.shape)
    energies = energies_of(model, starts, resting)
    assert energies.along_rollouts == pytest.approx(0, abs=1e-9)
    expected = 2 * (1 - np.exp(-2 * d * float(starts.times[-1])))  # over the mean kinetic energy, half of all
    assert energies.lost(starts) == pytest.approx(expected, rel=0.15)
    assert energies.falling == 1
    assert energies.lost_to_friction(starts) == energies.lost(starts)


@pytest.mark.parametrize(("friction", "hint"), [(0.0, False), (0.5, True)])
def test_a_network_that_has_not_learned_enough_is_no_hint_of_friction(friction, hint):
    """Its energy falls from three of four short pieces of a motion without friction, and from all with it."""
    phases, ts = np.linspace(0.3, 0.9, 25) * np.pi, np.linspace(0, 0.1 * np.pi, 9)
    t = phases[:, None] + ts[None]
    q, v = np.cos(t), -np.sin(t)
    shrunk = np.exp(-friction * ts)[None, :, None]
    starts = Starts(jnp.broadcast_to(ts, t.shape), jnp.asarray(np.stack([q, v], axis=2) * shrunk))
    model = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v[0] ** 2 - 0.5 * 0.8 * q[0] ** 2, dof=1)
    energies = energies_of(model, starts, np.asarray(starts.ys))
    assert energies.lost(starts) > 0.05
    assert 0.6 < energies.falling <= 1
    assert bool(energies.lost_to_friction(starts)) == hint


@pytest.mark.parametrize(("stiffness", "friction", "hint"), [(0.4, 0.0, False), (1.0, 0.0, False), (1.0, 0.05, True)])
def test_a_network_that_predicts_badly_is_no_hint_of_friction(stiffness, friction, hint):
    """The energy of a spring that is too soft falls while the mass goes outwards."""
    phases, ts = np.linspace(-0.1, 0.1, 25) * np.pi, np.linspace(0, 0.5 * np.pi, 17)
    t = phases[:, None] + ts[None]
    ys = np.stack([np.cos(t), -np.sin(t)], axis=2) * np.exp(-friction * ts)[None, :, None]
    if stiffness < 1:
        ys = ys[:, ::-1] * [1, -1]  # backwards in time, so outwards
    starts = Starts(jnp.broadcast_to(ts, t.shape), jnp.asarray(ys))
    columns = Columns("t", ("x",), ("v",), None, {}, ())
    model = nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * v[0] ** 2 - 0.5 * stiffness * q[0] ** 2, RK4(), dof=1
    )
    errors, rollouts = rollout_errors({"network": model}, starts, columns, Measure(np.array([0.7]), 2 * np.pi))
    energies = energies_of(model, starts, rollouts["network"])
    lost = energies.lost_to_friction(starts)
    assert bool(lost) == (hint or stiffness < 1)
    contest = Contest((), ())
    contest = contest._replace(energy_lost=_energy_lost(contest, model, errors, lost))
    outcome = Outcome(**dict.fromkeys(Outcome._fields))._replace(contest=contest)
    assert bool(outcome.hints()) == hint


def test_rates_of_a_motion_that_moves_away_are_its_rates():
    """A coordinate that begins far from zero is no other than its velocity's integral."""
    columns = Columns("t", ("x",), ("v",), None, {}, ())
    assert wrong_rates(motion(300 + 2 * TS + np.sin(TS), 2 + np.cos(TS)), columns) == []
    (remark,) = wrong_rates(motion(300 + 2 * TS + np.sin(TS), 3 * (2 + np.cos(TS))), columns)
    assert "column 'v' is 3 times the rate of change of 'x'" in str(remark)
    assert str(remark).endswith("(velocities=[])")


def test_an_architecture_has_no_more_weights_than_its_file():
    columns = Columns("t", ("x",), ("v",), None, {}, ())
    architecture = Architecture(1, "mechanical", False, ())
    weights = sum(x.size for x in jax.tree.leaves(eqx.filter(architecture.model(jax.random.key(0)), eqx.is_array)))
    architecture.check(columns, weights)
    with pytest.raises(ValueError, match=r"has at least .* weights, the model file at most"):
        replace(architecture, width=10**6).check(columns, weights)


def test_a_rollout_is_in_the_units_of_its_recording(tmp_path, monkeypatch):
    """A free particle that goes 50 mm/s is 5 mm further after 100 ms."""
    columns = Columns("t", ("x",), ("v",), None, {"t": "ms", "x": "mm", "v": "mm/s"}, ())
    model = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * jnp.dot(v, v), dof=1)
    monkeypatch.setattr(prediction, "read_columns", lambda _: columns)
    monkeypatch.setattr(prediction, "read_folder", lambda *_: Learned(model, columns, {}))
    motion, like = predicted("m", [3.0, 50.0], until=200.0, step=100.0, predictor="network", anyway=True)
    np.testing.assert_allclose(motion.ys[0, :, 0], [3e-3, 8e-3, 13e-3], atol=1e-12)
    write_predicted(tmp_path / "m.csv", motion, like)
    header, *rows = (tmp_path / "m.csv").read_text().splitlines()
    assert header == "t,x,v"
    np.testing.assert_allclose(
        [[float(x) for x in row.split(",")] for row in rows], [[0, 3, 50], [100, 8, 50], [200, 13, 50]], atol=1e-9
    )
