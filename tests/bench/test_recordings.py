"""The recordings gym makes the faults that it names, judges by the truth, and does nothing twice."""

import json

import numpy as np
import pytest

from bench.recordings import __main__ as command
from bench.recordings.faults import FAULTS, made
from bench.recordings.run import prediction_error
from bench.recordings.systems import SYSTEMS
from bench.recordings.table import written

pytestmark = pytest.mark.double

NAME = "spring, drag"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_recording_is_the_exact_motion_with_its_fault(fault):
    system = SYSTEMS[NAME]
    (motion, options), exact = made(system, fault, 0)
    assert options["angles"] == list(system.angles)
    assert len(motion) == len(exact) == FAULTS[fault][1].runs
    for (t, y), (s, truth) in zip(motion, exact, strict=True):
        rows = np.isin(s, t)
        off = np.abs(y - truth[rows])[:, 0]
        assert np.median(off) < 0.1 * truth[:, 0].std()
        assert np.median(off) > 0
        assert (len(t) < len(s)) == (fault == "gaps")
        assert (off.max() > 0.5 * truth[:, 0].std()) == (fault == "outliers")


def test_an_angle_is_wrapped_or_has_an_offset():
    system = SYSTEMS["pendulum, dry friction"]
    wrapped, shifted = (made(system, fault, 0)[0].motion.ys[0, :, 0] for fault in ("wrapped", "offset"))
    assert np.abs(wrapped).max() <= np.pi
    assert np.rad2deg(np.mean(shifted - wrapped)) == pytest.approx(20.0, abs=1.0)


def test_the_true_model_has_no_error_of_prediction_and_another_has():
    system = SYSTEMS[NAME]
    _, exact = made(system, "short runs", 0)
    assert prediction_error(system.model, system, exact) < 1e-4
    assert prediction_error(system._replace(force=None).model, system, exact) > 1e-2


def test_cases_are_resumed_and_counted(tmp_path, monkeypatch, capsys):
    asked = []

    def case(system, fault, seed, *, steps):
        asked.append((system, fault))
        verdict = "found" if fault == "gaps" else "wrong"
        return {"system": system, "fault": fault, "seed": seed, "verdict": verdict, "confident": True, "ratio": 1.2}

    monkeypatch.setattr(command, "case", case)
    arguments = ["bench", "--quick", "--output", str(tmp_path / "a.jsonl"), "--docs", str(tmp_path / "a.md")]
    monkeypatch.setattr("sys.argv", arguments)
    command.main()
    command.main()
    assert asked == list(command.QUICK)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == len(asked)
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])["seed"] == 0
    page = (tmp_path / "a.md").read_text()
    assert f"| all | {len(asked)} | 1 | 0 | {len(asked) - 1} | {len(asked)} | 1.2 | - | - |" in page
    assert "| gaps | 1 | 1 | 0 | 0 | 1 |" in page
    assert written([]).count("| all | 0 |") == 2
    assert page in capsys.readouterr().out
