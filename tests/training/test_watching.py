"""What a training looks at while it runs: held-out motion, how much diverges, and who is told."""

import json
import sys

import diffrax
import equinox as eqx
import jax
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import Integration
from neural_lagrangian.training import DivergenceError, display, json_lines, scalars
from neural_lagrangian.training.state import TrainingState
from neural_lagrangian.trajectories import Windows

from ..helpers import small_network
from .killed import data, trained

pytestmark = [pytest.mark.double, pytest.mark.optax, pytest.mark.bad_input]


def loss_on(model, trajectories, horizon):
    windows = Windows(trajectories, horizon)
    batch = windows.gather(np.linspace(0, len(windows) - 1, min(256, len(windows))).astype(int))
    return float(np.mean(jax.vmap(nl.trajectory_mse, (None, 0))(model, batch)))


def test_the_model_returned_is_the_best_on_held_out_motion():
    result = trained(look_every=10)
    looks = result.history.held_out
    looked = np.flatnonzero(np.isfinite(looks)) + 1
    np.testing.assert_array_equal(looked, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
    stepped = eqx.tree_at(lambda m: m.integration, result.model, Integration(stepsize_controller=nl.StepsPerSample(1)))
    assert loss_on(stepped, data(0.4), 4) == pytest.approx(np.nanmin(looks), rel=1e-9)


def test_a_stage_ends_where_nothing_gets_better():
    """The held-out motion goes the other way round, so that learning makes it worse."""
    wrong = nl.Trajectories(data().ts, data().ys * [1, -1])
    result = trained(held_out=wrong, look_every=5, patience=2, horizon=2, steps=100)
    assert len(result.history.loss) < 100
    looks = result.history.held_out[4::5]
    best = int(np.argmin(looks))
    assert len(looks) == best + 3


def test_each_stage_has_its_own_patience():
    """The second stage takes as many looks in vain as the first, not fewer."""
    wrong = nl.Trajectories(data().ts, data().ys * [1, -1])
    result = trained(held_out=wrong, look_every=5, patience=2, horizon=(2, 2), steps=(100, 100))
    looks = result.history.held_out[4::5]
    best = int(np.argmin(looks))
    assert len(looks) - best - 1 == 4


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


def thrown(held_out=None, share=1 / 8):
    """Held-out motion of which some trajectories are nonsense, so that their windows diverge with every model."""
    ys = np.array(data(0.4).ys)
    ys[: round(share * len(ys))] = 1e200
    return nl.Trajectories(data().ts, ys)


def untrained():
    return nl.NeuralODE(small_network(1, 8, out=1))


def same_weights(one, other):
    return bool(eqx.tree_equal(*(eqx.filter(m, eqx.is_array) for m in (one, other))))


def test_a_held_out_window_that_diverges_does_not_choose_the_untrained_model():
    with pytest.warns(UserWarning, match=r"27 of 216 windows of `held_out` diverge with the best model"):
        result = trained(held_out=thrown())
    looks = result.history.held_out
    assert np.isfinite(looks[19::20]).all()
    assert set(result.history.held_out_diverged[19::20]) == {27}
    with pytest.warns(UserWarning, match="diverge"):
        whole = trained(held_out=thrown(), callbacks=[lambda p: p.step >= 1])  # the best of the looks, not the first
    assert looks[np.isfinite(looks)].min() < np.nanmin(whole.history.held_out)
    stepped = eqx.tree_at(lambda m: m.integration, result.model, Integration(stepsize_controller=nl.StepsPerSample(1)))
    sound = thrown().select(slice(1, None))
    assert loss_on(stepped, sound, 4) == pytest.approx(np.nanmin(looks), rel=1e-9)


def test_where_no_look_is_finite_the_last_model_is_returned_with_a_warning():
    last = trained(held_out=None)
    with pytest.warns(UserWarning, match="`held_out` did not choose the model: .* never finite"):
        result = trained(held_out=thrown(share=1.0))
    assert np.isinf(result.history.held_out[-1])
    assert same_weights(result.model, last.model)
    assert not same_weights(result.model, untrained())


def test_a_training_that_a_callback_ends_before_the_first_look_returns_what_it_learned():
    told = []
    result = trained(look_every=100, callbacks=[lambda p: told.append(p) or p.step >= 10])
    assert not same_weights(result.model, untrained())
    assert same_weights(told[-1].model(), result.model)
    assert np.isfinite(result.history.held_out[-1])


def test_before_the_first_look_callbacks_see_the_model_as_it_is():
    models = []
    trained(look_every=100, callbacks=[lambda p: models.append(p.model()) and False])
    assert not same_weights(models[0], untrained())


def test_a_divergence_before_the_first_look_leaves_the_last_model():
    ys = np.array(data().ys)
    ys[2:] = 1e200
    with pytest.raises(DivergenceError) as stop:
        trained(motion=nl.Trajectories(data().ts, ys), steps=200, horizon=2, largest_divergence=0.6, look_every=1000)
    assert not same_weights(stop.value.result.model, untrained())


def test_fewer_diverging_windows_come_before_a_lower_loss():
    start = TrainingState.begun({"w": np.zeros(())}, None, float, None)
    looks = [(0, 5.0, 2), (1, 9.0, 1), (2, 1.0, 2), (3, 8.0, 1), (4, np.inf, 9)]
    states = [start]
    for w, loss, diverged in looks:
        at = states[-1]._replace(params={"w": np.array(float(w))})
        states.append(at.looked(np.array(loss), np.array(diverged)))
    assert [float(state.best["w"]) for state in states[1:]] == [0, 1, 1, 3, 3]
    assert [state.waited for state in states[1:]] == [0, 0, 1, 0, 1]
    assert float(states[1].next_stage().params["w"]) == 0
    assert float(start._replace(params={"w": np.array(7.0)}).next_stage().params["w"]) == 7


def test_progress_in_a_pipe_is_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.0)
    trained(progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("step 100 of 100, horizon 4, loss ")
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 1e9)
    trained(progress=True)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    trained(progress=True)
    assert "100/100" in capsys.readouterr().err
