"""The recordings gym makes the faults that it names, judges by the truth, and does nothing twice."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from bench.recordings import __main__ as command
from bench.recordings.faults import FAULTS, made
from bench.recordings.run import FOUND, WRONG, prediction_error, rule_of
from bench.recordings.systems import SYSTEMS
from bench.recordings.table import written

pytestmark = pytest.mark.double

NAME = "spring, drag"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_recording_is_the_exact_motion_with_its_fault(fault):
    system, (_, (per_period, runs)) = SYSTEMS[NAME], FAULTS[fault]
    (motion, options, shift), (t, y) = made(system, fault, 0)
    assert options.get("angles") == (None if fault == "nothing declared" else list(system.angles))
    assert not shift.any()  # it has no angle
    assert len(motion) == runs
    rng = np.random.default_rng([0, *fault.encode()])
    ts = np.arange(int(24 * per_period / runs)) * system.period / per_period
    for s, shown in motion:
        truth = system.motion(ts, rng)
        off = np.abs(shown - truth[np.isin(ts, s)])[:, 0]
        assert 0 < np.median(off) < 0.1 * truth[:, 0].std()
        assert (len(s) < len(ts)) == (fault == "gaps")
        assert (off.max() > 0.5 * truth[:, 0].std()) == (fault == "outliers")
        assert abs(y[0, 0] - truth[0, 0]) > 1e-3  # predictions are compared with motion from another start
    np.testing.assert_allclose(y, system.model(t, y[0]), atol=1e-9)


def test_an_angle_is_wrapped_or_has_an_offset():
    system = SYSTEMS["pendulum, dry friction"]
    wrapped, shifted = (made(system, fault, 0)[0].motion.ys[0, :, 0] for fault in ("wrapped", "offset"))
    assert np.abs(wrapped).max() <= np.pi
    assert np.rad2deg(np.mean(shifted - wrapped)) == pytest.approx(20.0, abs=1.0)


def test_the_true_model_has_no_error_of_prediction_and_another_has():
    system = SYSTEMS[NAME]
    recording, exact = made(system, "short runs", 0)
    assert prediction_error(system.model, system, recording, exact) < 1e-4
    without_friction = dataclasses.replace(system, drag=()).model
    assert prediction_error(without_friction, system, recording, exact) > 1e-2


def test_a_motor_drives_the_exact_motion_by_the_control_that_is_recorded():
    system = SYSTEMS["pendulum with a motor"]
    recording, exact = made(system, "15 a period", 0)
    ((t, _),) = recording.motion
    control = recording.motion.controls[0, :, 0]
    np.testing.assert_array_equal(control, system.control(t))
    assert np.sum(np.diff(control) != 0) == 3 * 24 - 1  # held for a third of a period
    forces = nl.mechanics.LinearDamping([np.sqrt(0.3)]) + nl.mechanics.ControlForce([[1.0]])
    pendulum = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: v[0] ** 2 / 2 + 20 * jnp.cos(q[0]), force=forces)
    assert prediction_error(rule_of(pendulum), system, recording, exact) < 1e-3
    assert prediction_error(rule_of(pendulum), system, recording, exact, held=False) > 5e-3


def test_predictions_start_from_what_the_sensors_show():
    system = SYSTEMS["pendulum, dry friction"]
    recording, exact = made(system, "offset", 0)
    assert np.rad2deg(recording.shift) == pytest.approx([20.0])
    assert prediction_error(system.model, system, recording, exact) > 0.05  # it knows nothing of the offset
    straight = recording._replace(shift=0 * recording.shift)
    assert prediction_error(system.model, system, straight, exact) < 1e-4


def test_cases_are_resumed_and_counted(tmp_path, monkeypatch, capsys):
    asked = []

    def case(system, fault, seed, *, steps):
        asked.append((system, fault))
        verdict = FOUND if fault == "gaps" else WRONG
        row = {"system": system, "fault": fault, "seed": seed, "steps": steps, "verdict": verdict, "said": "a spring"}
        return row | {"oracle": 0.01, "ratio": 1.2}

    monkeypatch.setattr(command, "case", case)
    arguments = ["bench", "--quick", "--output", str(tmp_path / "a.jsonl"), "--docs", str(tmp_path / "a.md")]
    monkeypatch.setattr("sys.argv", arguments)
    command.main()
    command.main()
    assert asked == list(command.QUICK)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == len(asked)
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])["seed"] == 0
    page = (tmp_path / "a.md").read_text()
    assert "| all | 3 | 1 | 0 | 0 | 2 | 33% | 1.2 | 100% | - | - |" in page
    assert "| gaps | 1 | 1 | 0 | 0 | 0 | 100% |" in page
    assert "- cart, short runs: a spring, ratio 1.2" in page
    assert written([]).count("| all | 0 |") == 2
    assert page in capsys.readouterr().out
