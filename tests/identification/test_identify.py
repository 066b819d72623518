"""Identification in Python says what the command line says, of the same recordings and with the same options."""

import argparse
import inspect as signatures

import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.command_line import main
from neural_lagrangian.command_line.options import COLUMNS, in_options
from neural_lagrangian.command_line.program import _parser
from neural_lagrangian.identification import Remark, UsageError, identify, identifying, inspect, learning
from neural_lagrangian.identification.budget import Budget
from neural_lagrangian.identification.candidates.contest import NULL, Candidate
from neural_lagrangian.identification.folders.settings_file import REQUIRED_SETTINGS, write_settings
from neural_lagrangian.identification.formulas import refinement
from neural_lagrangian.identification.wanted import Wanted

from .recordings import FAULTS, faulty, oscillations, write

TS = 0.02 * np.arange(300)


def motion(ys=None, **options):
    return nl.Trajectories(TS, oscillations(TS)[0] if ys is None else ys, names=["x"], **options)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hostile_recording_is_an_expected_failure_in_the_same_words(fault, tmp_path, capsys):
    path = faulty(tmp_path / "a.csv", fault)
    with pytest.raises(nl.NeuralLagrangianError) as failed:
        identify(path, dof=1, steps=1)
    assert capsys.readouterr() == ("", "")
    assert main(["fit", str(path), "--dof", "1", "--steps", "1"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"neural_lagrangian: {in_options(failed.value)}"
    assert "--" not in str(failed.value)


@pytest.mark.parametrize("fault", ["at rest", "another unit", "no velocity", "turns"])
def test_what_would_be_refused_is_known_before(fault, tmp_path):
    path = faulty(tmp_path / "a.csv", fault)
    first, *_ = inspect(path, dof=1).refusals
    with pytest.raises(nl.NeuralLagrangianError) as failed:
        identify(path, dof=1)
    assert str(failed.value) == f"{path}: {first}"
    assert f"refused      {first}" in str(inspect(path, dof=1))
    assert inspect(write(tmp_path / "b.csv"), dof=1).refusals == ()


def test_an_inspection_prints_what_info_prints(tmp_path, capsys):
    path = write(tmp_path / "a.csv")
    inspected = inspect(path, dof=1)
    assert capsys.readouterr() == ("", "")
    assert main(["info", str(path), "--dof", "1"]) == 0
    assert capsys.readouterr().out == f"{inspected}\n"
    assert inspected._repr_html_().startswith("<pre>recording ")


def test_trajectories_are_inspected_as_a_file_of_them_is(tmp_path):
    path = tmp_path / "a.csv"
    nl.trajectories.write_trajectories(path, motion(), positions=["x"], velocities=["v"])
    of_file, of_motion = inspect(path, dof=1), inspect(motion())
    assert of_motion.described == of_file.described == "300 samples, 5.98 s in all, 0.02 s apart"
    assert of_motion.columns.velocities == ("x_dot",)
    np.testing.assert_allclose(of_motion.trajectories.ys, of_file.trajectories.ys, rtol=1e-12)
    positions = inspect(motion(), velocities=[])
    assert positions.recording.window is not None
    np.testing.assert_allclose(positions.trajectories.ys, of_motion.trajectories.ys, atol=1e-2)


def test_a_remark_tells_the_options_that_help():
    turning = np.stack([3 * TS % (2 * np.pi), np.full_like(TS, 3.0)], axis=1)
    remark, *_ = inspect(motion(turning)).remarks
    assert "(angles=['x'])" in str(remark)
    assert "(--angles x)" in in_options(remark)
    assert inspect(motion(turning), **remark.options).remarks == ()
    assert inspect(motion(turning), angles=[0]).columns.angles == ("x",)


def test_a_remark_is_written_as_options_are_typed():
    remark = Remark("say `units` (", {"angles": ["a b"], "units": {"t": "ms"}, "friction": True, "velocities": []}, ")")
    assert in_options(remark) == "say --units (--angles a b --units t=ms --friction --velocities)"
    assert str(remark) == "say `units` (angles=['a b'], units={'t': 'ms'}, friction=True, velocities=[])"


@pytest.mark.slow
@pytest.mark.optax
def test_trajectories_are_identified_saved_and_compared_with_a_file(tmp_path, monkeypatch, capsys):
    """A model of motion in memory needs a recording to be compared with."""
    monkeypatch.setattr(learning, "STAGE_HORIZONS", (1.0, 1.0))
    monkeypatch.setattr(refinement, "POLISH_STEPS", 10)
    said = []
    options = {"steps": 60, "gap": np.inf, "folder": tmp_path / "fit"}
    found = identify(motion(), **options, tell=lambda topic, text: said.append((topic, str(text))))
    assert said[0] == ("recording", "trajectories in memory: 300 samples, 5.98 s in all, 0.02 s apart")
    assert str(found.formula).startswith(("0.5 x_dot^2 - 4.5", "-4.5"))
    assert inspect(tmp_path / "fit").columns.gap == np.inf
    assert nl.load_model(tmp_path / "fit", "network").scaling.dof == 1
    path = tmp_path / "a.csv"
    nl.trajectories.write_trajectories(path, motion(), positions=["x"], velocities=["x_dot"])
    assert main(["compare", str(tmp_path / "fit"), str(path)]) == 0
    assert main(["compare", str(tmp_path / "fit"), str(tmp_path / "fit")]) == 1
    assert "was learned from trajectories in memory: name a recording" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["dof", "time", "coordinates", "velocities", "trajectory", "units"])
@pytest.mark.parametrize("function", [inspect, identify])
def test_options_of_files_are_refused_for_trajectories(function, name):
    value = {"dof": 1, "coordinates": ["x"], "velocities": ["v"], "units": {"x": "cm"}}.get(name, "t")
    with pytest.raises(UsageError, match=f"`{name}` is .*; leave it out: Trajectories hold times and states in SI"):
        function(motion(), **{name: value})


def test_what_is_not_used_is_refused(tmp_path):
    with pytest.raises(UsageError, match="`resume` is True, but `folder` is None"):
        identify(motion(), resume=True)
    with pytest.raises(UsageError, match="observations 'encoder', but `observations` does not say what they see"):
        inspect(motion(observations={"encoder": np.zeros(300)}))
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(UsageError, match="is a folder of a model; leave out all options"):
        inspect(tmp_path, dof=1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"structure": "fluid"}, "`structure` is 'fluid'; expected one of 'mechanical', 'free'"),
        ({"steps": 0}, "`steps` is 0; expected a positive integer"),
        ({"minutes": -1.0}, "`minutes` is -1.0; expected a positive number"),
        ({"seed": 2**63}, "`seed` is 9223372036854775808; expected an integer of at most 63 bits and a sign"),
        ({"gap": 0.0}, "`gap` is 0.0; expected a positive time in seconds"),
        ({"angles": "x"}, r"`angles` is 'x'; expected a list of names, such as \['x'\]"),
        ({"angles": [1]}, "`angles` names 1; expected names or indices of the coordinates, x"),
    ],
)
def test_values_that_make_no_sense_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        identify(motion(), **options)


def options_of(command):
    (commands,) = [action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return {action.dest: action.default for action in commands.choices[command]._actions if action.option_strings}


def test_every_option_of_the_command_line_is_an_argument_with_the_same_default():
    arguments = {name: p.default for name, p in signatures.signature(identify).parameters.items()}
    options = options_of("fit")
    assert {*options, "source", "command", "tell", "folder", "candidates"} - {"help", "output"} == arguments.keys()
    for name in set(options) & arguments.keys() - {"units", "observations"}:  # lists become mappings
        assert options[name] == arguments[name], name
    assert set(COLUMNS) == signatures.signature(inspect).parameters.keys() - {"source"}
    kinds = {p.kind for p in list(signatures.signature(identify).parameters.values())[1:]}
    assert kinds == {signatures.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("stored", [[], [90]])
@pytest.mark.parametrize("explains", [None, Candidate("a family", 2, 1.0)], ids=["unexplained", "explained"])
def test_a_continued_call_trains_if_the_call_before_did(stored, explains, tmp_path):
    """Even if the time limit now leaves another part of the families untried."""
    empty = {name: kind() for name, kind in REQUIRED_SETTINGS.items()}
    write_settings(tmp_path, empty | {"training": {"seed": 0, "steps": stored}})
    wanted = Wanted("mechanical", False, None, None, 0, False, None, False, None, (), None)
    continued = wanted._replace(folder=tmp_path, resume=True)
    assert identifying._trains(continued, explains) == (bool(stored) or explains is None)
    assert identifying._trains(wanted, explains) == (explains is None)
    assert identifying._trains(wanted._replace(steps=90), explains)


@pytest.mark.slow
@pytest.mark.optax
@pytest.mark.parametrize("ended", [True, False])
def test_a_network_whose_training_was_cut_short_is_compared_with_no_other_one(ended, monkeypatch):
    """A network without mechanics that was trained longer would seem better."""
    forced = np.stack([np.cos(3 * TS) + 0.4 * np.cos(7.3 * TS), -3 * np.sin(3 * TS) - 2.92 * np.sin(7.3 * TS)], axis=1)
    forced += 0.001 * np.random.default_rng(0).normal(size=forced.shape)
    monkeypatch.setattr(Budget, "ends_training", lambda _, progress: ended and progress.step >= 3)
    found = identify(motion(forced), angles=[], steps=6)
    assert (len(found.outcome.trained.history.loss) < 6) == ended
    names = {one.name for one in found.outcome.contest.candidates}
    assert (NULL in names) != ended
