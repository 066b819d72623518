"""The motion of a pendulum tells how many steps of an encoder make a turn."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neural_lagrangian as nl
from neural_lagrangian.identification.encoders import MIN_STEPS, STEPS_OF_A_TURN, angles_in_steps, steps_of_a_turn
from neural_lagrangian.identification.inspection import inspected
from neural_lagrangian.identification.recordings import Angles, Declared

TS = np.arange(0.0, 20.0, 0.02)


def moved(force, amplitude):
    """A coordinate with linear and dry friction, released at rest."""

    def slope(t, y):
        return [y[1], -14 * force(y[0]) - 0.03 * y[1] - 0.05 * np.tanh(y[1] / 0.01)]

    return solve_ivp(slope, (0, TS[-1]), (amplitude, 0.0), t_eval=TS, rtol=1e-9, atol=1e-9, max_step=0.02).y[0]


SWING, SPRING = moved(np.sin, 1.2), moved(lambda q: q, 1.2)


def written(path, q, unit=""):
    np.savetxt(path, np.stack([TS, q], axis=1), delimiter=",", header=f"t,x{unit}", comments="")
    return inspected(path, Declared(dof=1))


@pytest.mark.parametrize("steps", [400, 600, 1000, 2000, 4096, 5000, 65536])
def test_a_usual_number_of_steps_is_found_wherever_the_encoder_begins(steps, tmp_path):
    inspection = written(tmp_path / "a.csv", np.round(steps / (2 * np.pi) * SWING) + 1234)
    found = steps_of_a_turn(inspection.recording.trajectories)
    assert steps in found
    assert angles_in_steps(inspection.recording, inspection.open) == [
        Angles(("x",), f"{360 / n:.10g} deg", is_usual=False) for n in found
    ]


@pytest.mark.parametrize(
    "q",
    [1000 * SPRING, 1000 * moved(lambda q: q + q**3, 1.2), 100000 * moved(np.sin, 0.02)],
    ids=["linear spring", "hard spring", "small swing"],
)
def test_other_motion_tells_no_number(q, tmp_path):
    assert steps_of_a_turn(written(tmp_path / "a.csv", np.round(q)).recording.trajectories) == []


@pytest.mark.parametrize("kind", ["a unit", "no whole numbers", "few steps", "two coordinates"])
def test_only_one_coordinate_in_whole_numbers_without_a_unit_is_tested(kind, tmp_path):
    q = np.round(2000 / (2 * np.pi) * SWING)
    if kind == "two coordinates":
        motion = nl.Trajectories(TS, np.stack([q, q, 0 * q, 0 * q], axis=1), names=["a", "b"])
        recording, open = inspected(motion, Declared(velocities=[])).recording, ("a", "b")
    else:
        q = {"no whole numbers": q + 0.5, "few steps": np.round(0.4 * MIN_STEPS * SWING / SWING.max())}.get(kind, q)
        inspection = written(tmp_path / "a.csv", q, " [cm]" if kind == "a unit" else "")
        recording, open = inspection.recording, inspection.open
        assert bool(open) == (kind != "a unit")
    assert angles_in_steps(recording, open) == []


def test_usual_numbers_have_those_of_common_encoders():
    assert {512, 1024, 1440, 2400, 4000, 8192, 16384, 20000, 36000} <= set(STEPS_OF_A_TURN)
    assert len(set(STEPS_OF_A_TURN)) == len(STEPS_OF_A_TURN)
