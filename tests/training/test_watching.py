"""What a training looks at while it runs: held-out motion, how much diverges, and who is told."""

import json

import diffrax
import equinox as eqx
import jax
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.training import DivergenceError, json_lines, scalars

from .killed import data, trained

pytestmark = [pytest.mark.double, pytest.mark.optax, pytest.mark.bad_input]


def loss_on(model, trajectories, horizon):
    windows = nl.trajectories.Windows(trajectories, horizon)
    ts, ys = windows.gather(np.linspace(0, len(windows) - 1, min(256, len(windows))).astype(int))
    return float(np.mean(jax.vmap(lambda t, y: nl.trajectory_mse(model, t, y))(ts, ys)))


def test_the_model_returned_is_the_best_on_held_out_motion():
    result = trained(look_every=10)
    looks = result.history.held_out
    looked = np.flatnonzero(np.isfinite(looks)) + 1
    np.testing.assert_array_equal(looked, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
    stepped = eqx.tree_at(
        lambda m: m.integration, result.model, nl.integrators.Integration(stepsize_controller=nl.StepsPerSample(1))
    )
    assert loss_on(stepped, data(0.4), 4) == pytest.approx(np.nanmin(looks), rel=1e-9)


def test_a_stage_ends_where_nothing_gets_better():
    """The held-out motion goes the other way round, so that learning makes it worse."""
    wrong = nl.Trajectories(data().ts, data().ys * [1, -1])
    result = trained(held_out=wrong, look_every=5, patience=2, horizon=2, steps=100)
    assert len(result.history.loss) < 100
    looks = result.history.held_out[4::5]
    best = int(np.argmin(looks))
    assert len(looks) == best + 3


def test_an_optimiser_sees_the_loss_and_callbacks_see_the_model(tmp_path):
    told = []
    trained(callbacks=[told.append, json_lines(tmp_path / "log")], held_out=None)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["step"] for line in lines] == [progress.step for progress in told]
    assert lines[-1] == {**lines[-1], "step": 100, "steps": 100, "horizon": 4, "diverged": 0, "held_out": None}
    assert lines[-1]["loss"] == told[-1].loss
    assert isinstance(told[0].model(), nl.NeuralODE)


def test_a_writer_of_scalars_is_told():
    class Writer:
        def __init__(self):
            self.found = {}

        def add_scalar(self, name, value, step):
            self.found[name, step] = value

    told, writer = [], Writer()
    trained(callbacks=[told.append, scalars(writer)])
    assert {step for name, step in writer.found if name == "loss"} == {progress.step for progress in told}
    assert {step for name, step in writer.found if name == "held_out"} == {20, 40, 60, 80, 100}
    assert writer.found["loss", 100] == told[-1].loss
    assert writer.found["horizon", 100] == 4


def test_training_ends_where_a_callback_says_so():
    result = trained(callbacks=[lambda progress: progress.step >= 7])
    assert 7 <= len(result.history.loss) < 60


@pytest.mark.slow
def test_stages_may_step_in_different_ways():
    """Cheap steps first, adaptive ones later; the model keeps its own."""
    adaptive = diffrax.PIDController(rtol=1e-6, atol=1e-6)
    first = trained(held_out=None, steps=(20, 10), stepsize_controller=(nl.StepsPerSample(1), adaptive))
    second = trained(held_out=None, steps=(20, 10), stepsize_controller=nl.StepsPerSample(1))
    np.testing.assert_array_equal(first.history.loss[:20], second.history.loss[:20])
    assert np.all(first.history.loss[20:] != second.history.loss[20:])
    np.testing.assert_allclose(first.history.loss[20:], second.history.loss[20:], rtol=1e-2)
    assert first.model.integration.stepsize_controller is None


def test_training_stops_where_most_windows_diverge():
    ys = np.array(data().ys)
    ys[2:] = 1e200
    with pytest.raises(
        DivergenceError, match=r"7\d % of the windows of the last 100 steps diverged, more than"
    ) as stop:
        trained(motion=nl.Trajectories(data().ts, ys), held_out=None, steps=200, horizon=2, largest_divergence=0.6)
    assert 100 <= len(stop.value.result.history.loss) < 200
    counts = stop.value.result.history.causes.sum(axis=0)
    assert counts[0] > 0
    assert counts.sum() == stop.value.result.history.failures.sum()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"look_every": 0}, "`look_every` is 0"),
        ({"patience": 0}, "`patience` is 0; expected at least 1"),
        ({"patience": 2, "held_out": None}, "`patience` is 2, but `held_out` is None"),
        ({"stepsize_controller": (nl.StepsPerSample(1),)}, "`stepsize_controller` is .*one controller, or 2"),
        ({"stepsize_controller": "adaptive"}, "`stepsize_controller` is 'adaptive'"),
    ],
)
def test_bad_options_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        trained(**keywords)
