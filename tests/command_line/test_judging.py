"""Errors against predictions that know nothing, and when a model is worth more than these."""

import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.command_line.columns import Columns
from neural_lagrangian.command_line.fit import _ends_after
from neural_lagrangian.command_line.formulas import TERMS, library_for
from neural_lagrangian.command_line.judging import Errors, predicts, rollout_errors, starts_of
from neural_lagrangian.command_line.learning import loss_for
from neural_lagrangian.training import Progress
from neural_lagrangian.trajectories import Trajectories

from ..helpers import DTYPE
from .recordings import FREQUENCY, oscillations

STEADY = Columns("t", ("theta",), ("omega",), None, {}, ("theta",))


def steady(ts, y0):
    return jnp.stack([y0[0] + y0[1] * (ts - ts[0]), jnp.broadcast_to(y0[1], ts.shape)], axis=1)


def oscillating(ts, y0):
    q, v = y0
    angle = FREQUENCY * (ts - ts[0])
    c, s = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([q * c + v / FREQUENCY * s, v * c - FREQUENCY * q * s], axis=1)


def motion(ys):
    ts = np.linspace(0.0, 4.0, 81).astype(DTYPE)
    return Trajectories(ts, ys(ts).astype(DTYPE))


def going_round(ts):
    return np.stack([2 * ts, np.full_like(ts, 2)], axis=1)[None]


def test_constant_velocity_is_exact_on_steady_motion_and_turns_do_not_count():
    def a_turn_ahead(ts, y0):
        return steady(ts, y0) + jnp.asarray([[2 * np.pi, 0]], y0.dtype)

    starts = starts_of(motion(going_round), 2)
    errors, rollouts = rollout_errors({"ahead": a_turn_ahead}, starts, STEADY)
    assert errors.by_name["constant velocity"].max() < 1e-5
    assert errors.by_name["ahead"].max() < 1e-5
    assert errors.by_name["at rest"].max() > 1
    assert rollouts["ahead"].shape == starts.ys.shape


def test_a_model_must_be_better_than_every_baseline():
    starts = starts_of(motion(lambda ts: oscillations(ts, (0.0, 1.0))), 1)
    models = {"right": oscillating, "steady": steady, "lost": lambda ts, y0: oscillating(ts, y0) / 0}
    errors, _ = rollout_errors(models, starts, STEADY)
    assert predicts(errors, "right")
    assert not predicts(errors, "steady")
    assert not predicts(errors, "lost")
    assert errors.failures("lost") == len(starts.ys)
    assert errors.failures("right") == 0


def test_one_better_baseline_is_enough_to_refuse_a_model():
    def errors(at_rest):
        sizes = {"model": 1.0, "constant velocity": 2.0, "at rest": at_rest}
        return Errors(np.arange(3.0), {name: np.full((4, 3, 1), size) for name, size in sizes.items()})

    assert predicts(errors(1.5), "model")
    assert not predicts(errors(0.5), "model")


def test_the_table_has_a_row_for_each_coordinate_and_time():
    starts = starts_of(motion(lambda ts: oscillations(ts, (0.0, 1.0))), 1)
    errors, _ = rollout_errors({"network": oscillating}, starts, STEADY)
    header, *rows = errors.table(STEADY)
    assert header == ["error of, after", "network", "constant velocity", "at rest"]
    assert [row[0] for row in rows] == [
        "theta [rad], 0.35 s",
        "theta [rad], 0.65 s",
        "theta [rad], 1.3 s",
        "theta [rad], 2.65 s",
    ]
    assert all(float(row[1]) < 1e-4 < float(row[2]) for row in rows)


@pytest.mark.parametrize(
    ("coordinates", "angles", "terms"),
    [
        (("x",), (), {"x^4", "x^2 x_dot^2"}),
        (("theta",), ("theta",), {"cos(2*theta)", "cos(theta) theta_dot^2"}),
        (("r", "theta"), ("theta",), {"r^2 theta_dot^2", "cos(theta) r"}),
        (("a", "b", "c", "d", "e"), (), {"a b", "a_dot b_dot"}),
        (("x [m]",), (), {"q^2", "v^2"}),
    ],
)
def test_the_library_follows_from_the_coordinates(coordinates, angles, terms):
    library = library_for(Columns("t", coordinates, (), None, {}, angles))
    assert terms <= set(library.names)
    assert len(library) <= TERMS


def test_training_ends_after_minutes_not_seconds():
    def at(seconds):
        return Progress(1, 9, 2, 0.1, 0, np.nan, seconds, lambda: None)

    is_over = _ends_after(10.0)
    assert [is_over(at(seconds)) for seconds in (11.0, 599.0, 601.0)] == [False, False, True]


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_errors_of_one_spread_have_a_loss_of_one_in_any_unit(unit):
    """Positions and velocities each over their own spread: multiplied by it, a unit would decide what is learned."""
    recorded = motion(lambda ts: unit * oscillations(ts))
    ts, ys = jnp.asarray(recorded.ts[0]), jnp.asarray(recorded.ys[0])
    spread = jnp.asarray(recorded.ys.reshape(-1, 2).std(axis=0))

    def off_by_one_spread(ts, y0):
        return ys + spread[None]

    assert float(loss_for(recorded)(off_by_one_spread, ts, ys)) == pytest.approx(1.0, rel=1e-2)
    positions = loss_for(recorded, velocity=1e-3)(off_by_one_spread, ts, ys)
    assert float(positions) == pytest.approx(0.5, rel=1e-2)
