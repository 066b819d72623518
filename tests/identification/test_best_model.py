"""The model of the verdict is the one that is loaded, rolled out, compared and exported by default."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification import (
    Family,
    compared,
    exported,
    identified,
    identify,
    outside_training,
    predicted,
)
from neural_lagrangian.identification.candidates.all_candidates import FORMULA, NULL
from neural_lagrangian.identification.candidates.contest import Candidate, Contest
from neural_lagrangian.identification.choices import NETWORK
from neural_lagrangian.identification.folders.family_file import FAMILY
from neural_lagrangian.identification.formulas.refinement import RefinedFormula
from neural_lagrangian.identification.identified import Identified
from neural_lagrangian.identification.reports.report import contents_of, python_of
from neural_lagrangian.identification.reports.verdict import verdict

from ..export.compiled import Compiled, needs_compiler
from .test_rigid_chain import PENDULUM, frames, recorded

pytestmark = [pytest.mark.double, pytest.mark.optax]

TS, Y0 = jnp.linspace(0.0, 1.0, 11), jnp.asarray([1.0, 0.2])
OWN = Family("no offset", lambda c, q, v: 0.5 * v[0] ** 2 + c["g"] * jnp.cos(q[0]), {"g": 10.0})


@pytest.fixture(autouse=True)
def _without_figures(monkeypatch):
    monkeypatch.setattr(identified, "write_report", lambda *_: None)


@pytest.fixture(scope="module")
def pendulum():
    """A swing with dry friction, of which the network sees three steps: a known family wins."""
    motion = recorded(PENDULUM, frames(1)[0], [2.0], seconds=16.0, step=0.02)
    return identify(motion, angles=["a"], velocities=[], steps=3, candidates=[OWN])


def won_by(found, *candidates):
    """What was found, had these candidates won."""
    contest = found.outcome.contest
    others = [one for one in contest.candidates if one.name not in [winner.name for winner in candidates]]
    return Identified.of(found.outcome._replace(contest=Contest((*candidates, *others), contest.refused)))


@pytest.fixture
def winner(request):
    """An identification whose best candidate is of this kind."""
    found = request.getfixturevalue("pendulum")
    if request.param == "known family":
        return found
    if request.param == "family":
        return won_by(found, next(one for one in found.candidates.candidates if one.name == OWN.name))
    if request.param == "formula":
        model = nl.NeuralLagrangian(found.formula)  # without friction, so another model
        searched = RefinedFormula("the recording", model, 0.0)
        one = won_by(found, Candidate(FORMULA, 2, 1e-9, found=searched))
        return Identified.of(one.outcome._replace(formula=searched))
    network = Candidate(NETWORK, 100, 1e-9, is_network=True)
    if request.param == "no mechanics":
        return won_by(found, Candidate(NULL, 100, 1e-10, is_mechanical=False), network)
    return won_by(found, network)


KINDS = {
    "known family": "formula",
    "formula": "formula",
    "network": "network",
    "no mechanics": "network",
    "family": "family",
}
STORED = ["known family", "network"]


@pytest.mark.parametrize(("winner", "predictor"), KINDS.items(), ids=KINDS, indirect=["winner"])
def test_the_model_that_is_loaded_is_the_one_of_the_verdict(winner, predictor, tmp_path):
    """Negative control: another predictor moves differently."""
    winner.save(tmp_path / "fit")
    best = winner.outcome.contest.winner
    expected = winner.outcome.models[predictor](TS, Y0)
    if best.found is not None:
        np.testing.assert_array_equal(expected, best.found.model(TS, Y0))
    loaded = nl.load_model(tmp_path / "fit", candidates=[OWN])
    np.testing.assert_allclose(loaded(TS, Y0), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(winner.model(TS, Y0), expected, rtol=1e-9, atol=1e-12)
    assert (winner.predictor, winner.predicts) == (predictor, winner.outcome.judgement[predictor]["predicts"])
    for other in {"network", "formula"} - {predictor}:
        if other in winner.outcome.models:
            assert np.abs(np.asarray(nl.load_model(tmp_path / "fit", other)(TS, Y0) - expected)).max() > 1e-3
    assert json.loads((tmp_path / "fit" / "settings.json").read_text())["predictor"] == predictor
    assert f"predictor    {predictor}, unless" in str(nl.identification.inspect(tmp_path / "fit"))


@pytest.mark.parametrize("winner", STORED, indirect=True)
def test_a_prediction_and_a_comparison_use_the_model_of_the_verdict(winner, tmp_path):
    predictor = winner.predictor
    winner.save(tmp_path / "fit")
    times = {"until": 1.0, "step": 0.1, "anyway": True}
    folder, start = str(tmp_path / "fit"), np.asarray(Y0).tolist()
    motion, _ = predicted(folder, start, **times)
    np.testing.assert_allclose(motion.ys[0], winner.model(TS, Y0), rtol=1e-6, atol=1e-8)
    assert outside_training(folder, motion) == outside_training(folder, motion, predictor)
    nl.trajectories.write_trajectories(
        tmp_path / "a.csv",
        recorded(PENDULUM, frames(1)[0], [1.5], seconds=8.0, step=0.02),
        positions=["a"],
        velocities=["a_dot"],
    )
    by_default, asked = (dict(compared([folder, str(tmp_path / "a.csv")], *given).facts) for given in ([], [predictor]))
    assert by_default == asked
    assert by_default["predictor"] == f"{folder}: {predictor}"
    other = "network" if predictor == "formula" else "formula"
    assert dict(compared([folder, str(tmp_path / "a.csv")], other).facts)["errors"] != asked["errors"]


@needs_compiler
@pytest.mark.parametrize("winner", STORED, indirect=True)
def test_an_exported_program_is_the_model_of_the_verdict(winner, tmp_path):
    """With its friction."""
    winner.save(tmp_path / "fit")
    exported(str(tmp_path / "fit"), tmp_path / "a.c", anyway=True)
    program, (q, v) = Compiled(tmp_path / "a.c"), np.split(np.asarray(Y0), 2)
    expected = winner.model.acceleration(0.0, jnp.asarray(q), jnp.asarray(v))
    np.testing.assert_allclose(program("acceleration", 1, q=q, v=v), expected, rtol=1e-9)
    assert f"predictor: {winner.predictor}" in (tmp_path / "a.c").read_text()


@pytest.mark.parametrize("winner", ["family"], indirect=True)
def test_a_function_of_the_user_is_given_again(winner, tmp_path):
    """No file holds it. Its constants and its friction are in the folder, to the last digit."""
    winner.save(tmp_path / "fit")
    for given in ([], [Family("another", OWN.lagrangian, OWN.start)], [Family(OWN.name, OWN.lagrangian, {"k": 1.0})]):
        with pytest.raises(nl.identification.NoAnswerError, match="needs your `Family` 'no offset' of g"):
            nl.load_model(tmp_path / "fit", candidates=given)
    (tmp_path / "fit" / FAMILY).write_text("[]")
    with pytest.raises(nl.identification.NoAnswerError, match=r"family\.json is damaged"):
        nl.load_model(tmp_path / "fit", candidates=[OWN])


@pytest.mark.parametrize(
    ("winner", "call"),
    [
        ("known family", "('fit')  # the formula; or: 'network'"),
        ("network", "('fit')  # the network; or: 'formula'"),
        ("family", "('fit', candidates=[...])  # the family; or: 'network', 'formula'"),
    ],
    indirect=["winner"],
)
def test_a_report_loads_the_model_of_the_verdict(winner, call):
    assert f"model = nl.load_model{call}" in python_of(Path("fit"), winner.outcome)


def test_no_network_is_trained_if_a_known_family_explains_the_motion(tmp_path, pendulum):
    """The answer is the same as with one. `network` and `history` are none, and a folder without one says so."""
    motion, said = recorded(PENDULUM, frames(1)[0], [2.0], seconds=16.0, step=0.02), []
    found = identify(motion, angles=["a"], velocities=[], tell=lambda topic, text: said.append(topic))
    assert (found.network, found.history, found.predictor) == (None, None, "formula")
    assert "training" not in said
    assert list(found.outcome.models) == ["formula"]
    assert {one.name for one in pendulum.candidates.candidates} - {OWN.name, NETWORK} == {
        one.name for one in found.candidates.candidates
    }
    np.testing.assert_allclose(found.model(TS, Y0), pendulum.model(TS, Y0), rtol=1e-9)
    (left_out,) = found.outcome.cut_short
    assert left_out.endswith("so no formula was searched for, and no network was trained.")
    found.save(tmp_path / "fit")
    assert found.files(tmp_path / "fit") == "formula.json, settings.json"
    np.testing.assert_allclose(nl.load_model(tmp_path / "fit")(TS, Y0), found.model(TS, Y0), rtol=1e-9)
    with pytest.raises(nl.identification.NoAnswerError, match="has no network: none was needed"):
        nl.load_model(tmp_path / "fit", "network")
    summary = str(nl.identification.inspect(tmp_path / "fit"))
    assert "no network was trained" in summary
    assert "\nstructure " not in summary
    page = contents_of(found.outcome, tmp_path)
    assert page["energy_and_history"] != contents_of(pendulum.outcome, tmp_path)["energy_and_history"]
    assert "losses" not in page["energy_caption"]
    assert "trained" not in dict(found.facts)


def test_a_folder_without_a_verdict_has_its_network(pendulum, tmp_path):
    pendulum.save(tmp_path / "fit")
    path = tmp_path / "fit" / "settings.json"
    settings = json.loads(path.read_text())
    assert settings.pop("predictor") == "formula"
    path.write_text(json.dumps(settings))
    np.testing.assert_allclose(nl.load_model(tmp_path / "fit")(TS, Y0), pendulum.network(TS, Y0), rtol=1e-6)
    path.write_text(json.dumps(settings | {"predictor": "oracle"}))
    with pytest.raises(nl.identification.NoAnswerError, match="is damaged: `predictor` is 'oracle'"):
        nl.load_model(tmp_path / "fit")


def test_a_formula_that_lacks_something_is_not_said_to_be_found(pendulum):
    outcome = pendulum.outcome
    assert verdict(outcome)[-1].startswith("The formula found: ")
    rows = tuple(one._replace(rest=9.0) for one in outcome.contest.candidates)
    worse = outcome._replace(contest=outcome.contest._replace(candidates=rows))
    assert verdict(worse)[-1].startswith("The best formula, which lacks something: ")
