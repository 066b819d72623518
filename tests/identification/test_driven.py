"""Motion driven by recorded controls: their gains, their delay, and what is done with a driven model."""

import json
import shutil
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.command_line.program import main
from neural_lagrangian.discovery import Formula, Library
from neural_lagrangian.identification import NoAnswerError, UsageError, compared, exported, identify, inspect, predicted
from neural_lagrangian.identification.candidates import control_lag, known_candidates
from neural_lagrangian.identification.candidates.control_lag import _in_steps, least_near
from neural_lagrangian.identification.evidence.energies import energies_of
from neural_lagrangian.identification.formulas.refinement import _at_scale, gain_matrix
from neural_lagrangian.identification.inspection import inspected
from neural_lagrangian.identification.preparation import prepared
from neural_lagrangian.identification.recordings import Declared, Timing
from neural_lagrangian.identification.recordings.controls import delayed, thinned
from neural_lagrangian.identification.recordings.starts import starts_of
from neural_lagrangian.identification.reports.report import python_of
from neural_lagrangian.identification.reports.verdict import limits

pytestmark = pytest.mark.double

STEP, WEIGHT, DAMPING, GAIN = 0.02, 6.0, 0.2, 2.0
ERRORS_ALLOWED = 4.0
"""In standard errors."""


def chirp(t):
    return 3 * np.sin(0.8 * t + 0.02 * t**2) * (1 + 0.5 * np.sin(0.31 * t))


def driven_pendulum(us, *, held, late=0.0, noise=0.002, substeps=8):
    """Angles of a pendulum by the classical Runge-Kutta method, independent of this package."""
    t = STEP * np.arange(len(us))

    def control(s):
        return us[int((s - late) / STEP + 1e-6)] if held else np.interp(s - late, t, us)

    def slope(s, y, u):
        return np.array([y[1], -WEIGHT * np.sin(y[0]) - DAMPING * y[1] + GAIN * u])

    ys, h = [np.array([0.5, 0.0])], STEP / substeps
    for start in t[:-1]:
        y = ys[-1]
        for k in range(substeps):
            s = start + k * h
            u = [control(s + h / 2)] * 3 if held else [control(x) for x in (s, s + h / 2, s + h)]
            a = slope(s, y, u[0])
            b = slope(s, y + h / 2 * a, u[1])
            c = slope(s, y + h / 2 * b, u[1])
            y = y + h / 6 * (a + 2 * b + 2 * c + slope(s, y + h * c, u[2]))
        ys.append(y)
    q = np.array(ys)[:, :1] + noise * np.random.default_rng(0).normal(size=(len(us), 1))
    return nl.Trajectories(t, np.concatenate([q, np.zeros_like(q)], axis=1), controls=us[:, None], names=["theta"])


def with_controls(motion, us, **extras):
    extras |= {"controls": us[None], "names": motion.names}
    return nl.Trajectories(motion.ts, motion.ys, **extras)


def found_in(motion, **options):
    return identify(motion, angles=["theta"], velocities=[], **options)


def constants(found):
    return {one.name: one for one in found.outcome.formula.constants}


def check(found, gain="gain of u0 at joint 1", size=1.0):
    known = constants(found)
    true = {"g_1": WEIGHT, "linear friction at joint 1": DAMPING, gain: GAIN * size}
    assert {name for name, one in known.items() if one.error > 0} == set(true)
    for name, value in true.items():
        assert abs(known[name].value - value) < ERRORS_ALLOWED * known[name].error
        assert known[name].error < 0.01 * value


HELD = chirp(STEP * np.arange(1500))


@pytest.fixture(scope="module")
def held():
    return driven_pendulum(HELD, held=True)


@pytest.fixture(scope="module")
def found(held):
    with jax.enable_x64(True):
        return found_in(held)


@pytest.fixture(scope="module")
def folder(held, tmp_path_factory):
    """A fit of a file, with a unit and a name that is no identifier."""
    place = tmp_path_factory.mktemp("driven")
    ((t, y),) = held
    rows = "\n".join(f"{1e3 * a:.6f},{b:.9f},{c:.9f}" for a, b, c in zip(t, y[:, 0], HELD, strict=True))
    (place / "motor.csv").write_text("time (ms),theta (rad),motor (Nm)\n" + rows)
    with jax.enable_x64(True):
        identify(place / "motor.csv", coordinates=["theta"], controls=["motor"], folder=place / "fit")
    return place


def test_a_held_control_is_known_by_its_delay(found):
    check(found)
    timing = found.outcome.settings["control_timing"]
    assert timing == {"delay": pytest.approx(STEP / 2, rel=1e-3), "held": True}
    assert "held from one sample to the next" in " ".join(found.outcome.read)
    assert "driven by u0" in found.verdict
    assert "as small as the noise" in found.verdict


@pytest.mark.parametrize(("parameters", "said"), [((), "found"), (("k",), "looked for")])
def test_the_report_says_whether_a_delay_was_looked_for(found, parameters, said):
    settings = found.outcome.settings | {"control_timing": Timing().settings}
    columns = replace(found.outcome.columns, parameters=parameters)
    lines = limits(found.outcome._replace(settings=settings, columns=columns))
    assert f"No delay of the controls was {said}: they are taken to be linear between samples." in lines


def test_a_control_that_is_linear_between_samples_has_no_delay():
    found = found_in(driven_pendulum(HELD, held=False))
    check(found)
    assert found.outcome.settings["control_timing"] == {"delay": 0.0, "held": False}


@pytest.mark.parametrize(("held", "noise"), [(True, 0.3), (True, 0.002), (False, 0.002)])
def test_a_control_in_steps_is_held_unless_the_motion_says_otherwise(held, noise):
    """With so much noise the motion does not tell half a sample; that its values repeat does."""
    us = np.repeat(2 * np.random.default_rng(1).normal(size=38), 40)[:1500]
    motion = driven_pendulum(us, held=held, noise=noise)
    declared = Declared(angles=["theta"], velocities=[])
    task = prepared(inspected(motion, declared), structure="mechanical", friction=False, steps=10)
    lag = control_lag(task, known_candidates(task))
    assert (lag is not None) == held
    if lag is not None:
        assert lag.timing == Timing(pytest.approx(STEP / 2), held=True)
    assert _in_steps(task.parts.train)
    assert not _in_steps(replace(motion, controls=HELD[None, :, None]))


@pytest.mark.slow
def test_a_late_control_is_moved():
    """More constants may be free: before its first sample a control is constant, which is a small error."""
    found = found_in(driven_pendulum(HELD, held=False, late=0.05))
    assert found.outcome.settings["control_timing"] == {"delay": pytest.approx(0.05, abs=0.0005), "held": False}
    known = constants(found)
    assert known["g_1"].value == pytest.approx(WEIGHT, rel=0.002)
    assert known["linear friction at joint 1"].value == pytest.approx(DAMPING, rel=0.01)
    assert known["gain of u0 at joint 1"].value == pytest.approx(GAIN, rel=0.002)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_the_unit_of_a_control_changes_its_gain_only(size):
    motion = driven_pendulum(HELD, held=True)
    check(found_in(with_controls(motion, HELD[:, None] / size)), size=size)


def test_a_control_without_effect_has_none():
    free = driven_pendulum(0 * HELD, held=False)
    idle = with_controls(free, HELD[:, None])
    found = found_in(idle)
    assert "without u0" in found.candidates.winner.title
    assert gain_matrix(found.model, jnp.zeros(1)).tolist() == [[0.0]]


def test_the_model_takes_controls_as_they_were_recorded(found, held):
    ts, us = jnp.asarray(held.ts[0]), jnp.asarray(held.controls[0])
    ys = nl.models.with_control(found.model, ts, us)(ts[:300], jnp.asarray([0.5, 0.0]))
    assert np.sqrt(np.mean((ys[:, 0] - held.ys[0, :300, 0]) ** 2)) < 0.004
    finer = jnp.asarray(STEP / 4 * np.arange(4 * len(ts))), jnp.repeat(us, 4, axis=0)  # the same held control
    again = nl.models.with_control(found.model, *finer)(ts[:300], jnp.asarray([0.5, 0.0]))
    np.testing.assert_allclose(again, ys, atol=2e-4)


def test_a_folder_predicts_with_a_file_and_with_constants(folder):
    fit, options = str(folder / "fit"), {"until": 4000.0, "step": 20.0}
    ((_, y),) = nl.read_trajectories(folder / "motor.csv", positions=["theta"], time="time")
    motion, columns = predicted(fit, [0.5, 0.0], **options, controls=folder / "motor.csv")
    assert columns.controls == ("motor (Nm)",)
    assert np.sqrt(np.mean((motion.ys[0, :, 0] - y[:201, 0]) ** 2)) < 0.004
    rest, _ = predicted(fit, [0.0, 0.0], until=60000.0, step=1000.0, controls={"motor": 1.0})
    assert np.sin(rest.ys[0, -1, 0]) == pytest.approx(GAIN / WEIGHT, rel=0.01)
    model = nl.models.with_control(nl.load_model(fit), jnp.array([0.0, 60.0]), jnp.ones((2, 1)))
    np.testing.assert_allclose(model(jnp.array([0.0, 60.0]), jnp.zeros(2))[-1, 0], rest.ys[0, -1, 0], rtol=1e-4)


def test_a_folder_is_compared_with_its_recording(folder):
    facts = dict(compared([str(folder / "fit"), str(folder / "motor.csv")]).facts)
    assert "stays below 10% of the spread for at least" in facts["verdict"]
    assert "controls motor (Nm)" in str(inspect(folder / "motor.csv", coordinates=["theta"], controls=["motor"]))


@pytest.mark.parametrize(("delay", "is_held"), [(0.01, True), (0.05, False)])
def test_an_exported_model_names_its_controls_and_their_delay(folder, tmp_path, delay, is_held):
    place = shutil.copytree(folder / "fit", tmp_path / "fit")
    settings = json.loads((place / "settings.json").read_text())
    settings["control_timing"] = {"delay": delay, "held": is_held}
    (place / "settings.json").write_text(json.dumps(settings))
    exported(str(place), tmp_path / "motor.c")
    text = " ".join((tmp_path / "motor.c").read_text().split())
    assert "controls: u[0] = motor (Nm)" in text
    assert ("the values of 0.05 s before" in text) == (not is_held)


def test_the_code_of_the_report_runs(found, folder, monkeypatch):
    monkeypatch.chdir(folder)
    code = python_of(folder / "fit", found.outcome)
    assert "with_control(model, ts, us)" in code
    scope = {"ts": jnp.array([0.0, 60.0]), "us": jnp.zeros((2, 1))}
    exec(code, scope)
    assert np.isfinite(scope["ys"]).all()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("controls", "message"),
    [
        (None, r"learned from driven motion; give `controls`: a file .* time, motor \(Nm\), or constant values"),
        ({"u": 1.0}, "`controls` names u; expected motor"),
        ({"motor": np.nan}, "expected finite numbers"),
        ("short.csv", "the controls end after 0.02 s; expected 4 s"),
        ("empty.csv", "'motor .Nm.' has no number 0.02 s after the start"),
        ("back.csv", "back.csv: time 10 follows 20; expected strictly increasing times"),
    ],
)
def test_controls_of_a_prediction_are_checked(folder, controls, message):
    (folder / "short.csv").write_text("time (ms),motor (Nm)\n0,1\n20,1\n")
    (folder / "empty.csv").write_text("time (ms),motor (Nm)\n0,1\n20,\n5000,1\n")
    (folder / "back.csv").write_text("time (ms),motor (Nm)\n0,1\n20,1\n10,1\n5000,1\n")
    controls = folder / controls if isinstance(controls, str) else controls
    with pytest.raises(UsageError, match=message):
        predicted(str(folder / "fit"), [0.5, 0.0], until=4000.0, step=20.0, controls=controls)


@pytest.mark.bad_input
def test_controls_that_cannot_be_told_apart_are_refused(held):
    u = HELD[:, None]
    for us, message in (
        (np.ones_like(u), "the control 'u0' never changes"),
        (np.concatenate([u, 3 - 2 * u], axis=1), "u0 and u1 are not independent"),
    ):
        with pytest.raises(NoAnswerError, match=message):
            found_in(with_controls(held, us))
    with pytest.raises(NoAnswerError, match="in the training set the control 'u0' never changes"):
        found_in(with_controls(held, np.where((np.arange(len(u)) // 150 == 2)[:, None], u, 0.0)))  # a held-out piece
    seen = with_controls(held, u, observations={"gyro": u[None]})
    with pytest.raises(UsageError, match="sensors are not calibrated on driven motion"):
        found_in(seen, observations={"gyro": "velocity:theta"})


@pytest.mark.bad_input
def test_a_control_in_another_unit_is_refused(folder):
    head, rows = (folder / "motor.csv").read_text().split("\n", 1)
    (folder / "volts.csv").write_text(head.replace("(rad),motor (Nm)", "(rad),motor [V]") + "\n" + rows)
    with pytest.raises(nl.NeuralLagrangianError, match="motor"):
        compared([str(folder / "fit"), str(folder / "volts.csv")])


def test_the_command_line_takes_controls(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    command = ["rollout", "fit", "--start", "0.5", "0", "--until", "100", "--step", "20"]
    assert main(command) == 2
    assert "give --controls: a file" in capsys.readouterr().err
    for controls in (["motor.csv"], ["motor=1"]):
        assert main([*command, "--controls", *controls]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 7
    assert main([*command, "--controls", "motor=one"]) == 2
    assert "--controls is 'one'; expected a finite number, or one file" in capsys.readouterr().err


def test_the_work_of_controls_is_no_friction():
    """A motion that a control brakes loses energy, and no friction takes it."""
    t = np.linspace(0.0, 3.0, 301)
    y = np.stack([np.exp(-0.3 * t) * np.cos(t), np.exp(-0.3 * t) * (-0.3 * np.cos(t) - np.sin(t))], axis=1)
    starts = starts_of(nl.Trajectories(t, y, controls=-0.6 * y[:, 1:]), 1)
    spring = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v[0] ** 2 - 0.545 * q[0] ** 2, dof=1)
    for one, is_loss in ((starts, False), (starts._replace(controls=None), True)):
        energies = energies_of(spring, one, np.asarray(one.ys))
        assert energies.lost(one) > 0.1
        assert (energies.lost_to_friction(one) > 0) == is_loss


def test_a_formula_at_another_scale_moves_alike():
    library = Library.velocities(1, 2, names=["x"]) + Library.coordinates(1, 2, names=["x"])
    terms = library.select([library.names.index(name) for name in ("x_dot^2", "x^2")])
    forces = nl.mechanics.LinearDamping([0.7]) + nl.mechanics.ControlForce(jnp.array([[3.0]]))
    model = nl.NeuralLagrangian(Formula(terms, jnp.array([2.0, -5.0])), force=forces)
    scaled = _at_scale(model)
    assert np.asarray(scaled.network.coefficients).tolist() == [0.5, -1.25]
    q, v, control = jnp.array([0.3]), jnp.array([-0.4]), (jnp.array([0.0, 1.0]), jnp.array([[0.9], [0.9]]))
    one, other = (nl.models.with_control(each, *control).acceleration(0.0, q, v) for each in (model, scaled))
    np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_allclose(gain_matrix(scaled, q), [[0.75]])


class Fit(NamedTuple):
    lag: float
    squares: np.ndarray
    is_sound: bool = True


def fit_in_a_valley(lag, start):
    """A fit to a delay of 0.27, which is lost if it begins further away than a chaotic motion can follow."""
    lost = abs(lag - start.lag) > 0.03
    return Fit(lag, np.array(9e9 if lost else 600 + 4e4 * (lag - 0.27) ** 2))


def test_the_delay_is_found_by_fits_that_begin_nearby():
    lag, least, bend = least_near(fit_in_a_valley, Fit(0.0, np.array(np.inf)))
    assert lag == pytest.approx(0.27, abs=1e-6)
    assert least == pytest.approx(600, abs=1.0)
    assert bend == pytest.approx(8e4)


def response(t, us, at):
    """Positions of a damped oscillator at times `at`, driven by a control that is linear between the times `t`."""
    fine = np.linspace(0.0, t[-1], 24001)
    u, h = np.interp(fine, t, us), fine[1]
    q = v = 0.0
    found = [0.0]
    for k in range(len(fine) - 1):
        v += h * ((u[k] + u[k + 1]) / 2 - q - 0.1 * v)
        q += h * v
        found.append(q)
    return np.interp(at, fine, found)


@pytest.mark.parametrize("kind", ["steps", "smooth", "ramp"])
def test_thinned_controls_have_the_same_effect(kind):
    """Every sixth sample of a signal that jumps between samples; the samples alone miss some of it."""
    t = 0.01 * np.arange(1201)
    steps = np.repeat(np.random.default_rng(2).choice([-1.0, 1.0], size=200), 17)[: len(t)]
    us = {"steps": steps, "smooth": np.sin(3 * t), "ramp": t}[kind]
    motion = nl.Trajectories(t, np.zeros((len(t), 2)), controls=us[:, None])
    coarse = thinned(motion, 6).controls[0, ::6, 0]
    true = response(t, us, t[::6])
    off, alone = (np.abs(response(t[::6], u, t[::6]) - true).max() for u in (coarse, us[::6]))
    assert off < {"steps": 2e-3, "smooth": 1e-4, "ramp": 1e-9}[kind]
    assert kind == "ramp" or off < alone / 4
    assert thinned(motion, 1) is motion


def test_a_delayed_control_comes_later():
    t = np.linspace(0.0, 1.0, 11)
    motion = nl.Trajectories(t, np.zeros((11, 2)), controls=t[:, None])
    np.testing.assert_allclose(delayed(motion, 0.25).controls[0, :, 0], np.maximum(t - 0.25, 0.0))
