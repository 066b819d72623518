"""What is not used is refused, with the name of the argument."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.control import (
    Catch,
    ClosedLoop,
    ComputedTorque,
    ControlError,
    ControlLimits,
    EnergyShaping,
    Guarded,
    Limited,
    QuadraticCost,
    RecedingHorizon,
    TrainedRegion,
    attraction_level,
    closed_loop,
    control_report,
    linearize,
    lqr,
    optimize_trajectory,
    total_cost,
)

from ..helpers import DTYPE
from .machines import arm, array, cart_pole, mass

pytestmark = pytest.mark.bad_input

TS = jnp.linspace(0.0, 1.0, 11, dtype=DTYPE)
REST, START = array(0.0, 0.0), array(1.0, 0.0)
UPRIGHT = array(0.0, np.pi, 0.0, 0.0)
KEY = jax.random.key(0)


def regulator(**options):
    return lqr(mass(), REST, state_cost=np.ones(2), control_cost=np.ones(1), **options)


def cost(**options):
    return QuadraticCost(REST, array(1.0, 1.0), array(0.1), **options)


def planned(**options):
    return optimize_trajectory(**{"model": mass(), "cost": cost(), "ts": TS, "y0": START} | options)


def horizon(**options):
    return RecedingHorizon(**{"model": mass(), "cost": cost(), "dt": 0.1, "steps": 5} | options)


def run():
    return ClosedLoop(TS, jnp.ones((11, 2), DTYPE), jnp.zeros((11, 1), DTYPE))


def report(**options):
    return control_report(run(), **{"target": REST, "tolerance": 0.1} | options)


def tracking(**options):
    return ComputedTorque(**{"model": mass(), "reference": lambda t: t[None], "stiffness": 25.0} | options)


def swing(**options):
    given = {"target": UPRIGHT, "motor": 0, "energy_gain": 3.0, "stiffness": 4.0, "damping": 3.0}
    return EnergyShaping(cart_pole(), **given | options)


def recording(ys=None):
    ys = np.stack([np.sin(TS), np.cos(TS)], axis=1) if ys is None else ys
    return nl.Trajectories(np.asarray(TS), np.asarray(ys, DTYPE)[None], names=("angle",))


def push(t, y):
    return -y[:1]


def level(**options):
    return attraction_level(mass(), regulator(), key=KEY, **options)


PERIODIC = {
    "lqr": lambda periodic: regulator(periodic=periodic)(0.0, START),
    "QuadraticCost": lambda periodic: cost(periodic=periodic).final(0.0, START),
    "optimize_trajectory": lambda periodic: planned(periodic=periodic)(0.0, START),
    "control_report": lambda periodic: report(periodic=periodic),
    "ComputedTorque": lambda periodic: eqx.filter_jit(tracking(periodic=periodic))(0.0, START),
    "TrainedRegion": lambda periodic: TrainedRegion.of(recording(), periodic=periodic).contains(START),
}


@pytest.mark.parametrize("name", PERIODIC)
@pytest.mark.parametrize("periodic", [[-1], [1], (7,), [0.0], [True], "theta", ["theta"], 0])
def test_an_angle_that_does_not_exist_is_refused_and_not_ignored(name, periodic):
    with pytest.raises(ValueError, match=r"`periodic` is .*; expected indices"):
        PERIODIC[name](periodic)


@pytest.mark.parametrize("name", PERIODIC)
def test_any_sequence_of_angles_will_do(name):
    results = [PERIODIC[name](periodic) for periodic in ((0,), [0], np.array([0]))]
    assert all(eqx.tree_equal(results[0], result) for result in results[1:])


SAMPLED = {
    "closed_loop": lambda ts, y0: closed_loop(mass(), push, ts, y0),
    "optimize_trajectory": lambda ts, y0: planned(ts=ts, y0=y0, cost=_cost_of(y0.dtype)),
}


def _cost_of(dtype):
    return QuadraticCost(*(jnp.ones(n, dtype) for n in (2, 2, 1)))


@pytest.mark.parametrize("name", SAMPLED)
def test_time_does_not_go_back(name):
    with pytest.raises(ValueError, match="`ts` decreases"):
        SAMPLED[name](TS[::-1], START)


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize("begin", [1.7e9, 3e6])
def test_times_without_room_for_their_intervals_are_refused(name, begin):
    """Single precision holds neither a tenth of a second since 1970, nor since a month ago."""
    with pytest.raises(ValueError, match=r"`ts` (starts at .* rounds its intervals|is not strictly)"):
        SAMPLED[name](begin + 0.1 * np.arange(11.0), START.astype(np.float32))


def test_a_receding_horizon_refuses_such_times_too():
    with pytest.raises(ValueError, match="`ts` starts at"):
        horizon(cost=_cost_of(np.float32))(1.7e9, START.astype(np.float32))


def test_integer_controls_are_those_of_the_precision_of_the_state():
    found, expected = (closed_loop(mass(), lambda t, y, u=u: u, TS, START) for u in ([1], array(1.0)))
    assert found.us.dtype == DTYPE
    assert eqx.tree_equal(found, expected)


REFUSED = {
    "limits of another length": (lambda: ControlLimits([-1.0, -1.0], [1.0, 1.0, 1.0]), "`lower` has shape"),
    "limits in words": (lambda: ControlLimits("low", 1.0), "`lower` is 'low'"),
    "limits of nothing": (lambda: ControlLimits(-1.0, None), "`upper` is None"),
    "limits of two controls": (lambda: ControlLimits([-1.0, -2.0], [1.0, 2.0])(array(0.5)), r"`limits` have shape"),
    "limits of one of two": (lambda: ControlLimits([-1.0], [1.0])(array(0.5, 0.5)), r"`limits` have shape"),
    "lqr, limits": (lambda: regulator(limits=(-1.0, 1.0)), "`limits` is"),
    "lqr, dt of words": (lambda: regulator(dt="fast"), "`dt` is 'fast'"),
    "lqr, dt for ever": (lambda: regulator(dt=np.inf), "`dt` is inf"),
    "lqr, several dt": (lambda: regulator(dt=array(0.1, 0.2)), "`dt` is"),
    "lqr, state": (
        lambda: lqr(mass(), array(np.nan, 0.0), state_cost=np.ones(2), control_cost=np.ones(1)),
        "`y` is .*finite",
    ),
    "lqr, control": (lambda: regulator(u=array(np.nan)), "`u` is .*finite"),
    "lqr, cost": (
        lambda: lqr(mass(), REST, state_cost="cheap", control_cost=np.ones(1)),
        "`state_cost` cannot be read",
    ),
    "linearize": (lambda: linearize(mass(), array(np.inf, 0.0), array(0.0)), "`y` is .*finite"),
    "plan, limits": (lambda: planned(limits=(-1.0, 1.0)), "`limits` is"),
    "plan, cost": (lambda: planned(cost=3.0), "`cost` is 3.0"),
    "plan, tolerance": (lambda: planned(tolerance=np.nan), "`tolerance` is nan"),
    "plan, cost of another machine": (
        lambda: planned(cost=QuadraticCost(UPRIGHT, jnp.ones(4, DTYPE), array(1.0))),
        r"`target` of the cost has shape \(4,\)",
    ),
    "plan, weights of another control": (
        lambda: planned(cost=QuadraticCost(REST, array(1.0, 1.0), array(1.0, 1.0))),
        r"`control` of the cost has shape \(2,\)",
    ),
    "one weight for two controls": (
        lambda: RecedingHorizon(arm(), QuadraticCost(UPRIGHT, jnp.ones(4, DTYPE), array(1.0)), 0.1, 5)(0.0, UPRIGHT),
        r"`control` of the cost has shape \(1,\)",
    ),
    "cost, target": (lambda: QuadraticCost(array(np.nan, 0.0), array(1.0, 1.0), array(1.0)), "`target` is .*finite"),
    "cost, weights": (lambda: QuadraticCost(REST, array(np.nan, 1.0), array(1.0)), "`state` is .*finite"),
    "total cost": (lambda: total_cost(lambda y: y, run()), "`cost` is"),
    "horizon, dt": (lambda: horizon(dt=-0.1), "`dt` is -0.1"),
    "horizon, no time": (lambda: horizon(dt=0.0), "`dt` is 0.0"),
    "horizon, steps": (lambda: horizon(steps=0), "`steps` is 0"),
    "horizon, iterations": (lambda: horizon(iterations=0), "`iterations` is 0"),
    "horizon, limits": (lambda: horizon(limits=1.0), "`limits` is 1.0"),
    "horizon, cost": (lambda: horizon(cost=None), "`cost` is None"),
    "report, tolerance": (lambda: report(tolerance=-0.1), "`tolerance` is -0.1"),
    "report, tolerances": (lambda: report(tolerance=jnp.ones(3)), r"`tolerance` has shape \(3,\)"),
    "report, target": (lambda: report(target=UPRIGHT), r"`target` has shape \(4,\)"),
    "report, limits": (lambda: report(limits=(-1.0, 1.0)), "`limits` is"),
    "level without directions": (lambda: level(directions=0), "`directions` is 0"),
    "level of one level": (lambda: level(levels=1), "`levels` is 1"),
    "level, regulator": (lambda: attraction_level(mass(), push, key=KEY), "`regulator` is"),
    "level, limits": (lambda: level(limits=3.0), "`limits` is 3.0"),
    "swing, motor": (lambda: swing(motor=2), "`motor` is 2; expected an index from 0 to 1"),
    "swing, target": (lambda: swing(target=array(0.0, 0.0, 0.0)), r"`target` has shape \(3,\)"),
    "swing of another machine": (lambda: swing(target=REST)(0.0, UPRIGHT), r"`target` has shape \(2,\)"),
    "swing, gain": (lambda: swing(energy_gain=array(1.0, 1.0)), r"`energy_gain` has shape \(2,\)"),
    "catch, regulator": (lambda: Catch(push, push, 1.0), "`regulator` is"),
    "catch, level": (lambda: Catch(push, regulator(), np.nan), "`level` is nan"),
    "catch of another size": (lambda: Catch(lambda t, y: y, regulator(), 1.0)(0.0, START), "`swing` has shape"),
    "limited, limits": (lambda: Limited(push, (-1.0, 1.0)), "`limits` is"),
    "track, stiffness": (lambda: tracking(stiffness=-1.0), "`stiffness` is -1.0"),
    "track, damping": (lambda: tracking(damping=np.nan), "`damping` is nan"),
    "track, gains": (lambda: tracking(stiffness=[1.0, 1.0])(0.0, START), r"`stiffness` has shape \(2,\)"),
    "track, reference": (
        lambda: tracking(reference=lambda t: jnp.stack([t, t]))(0.0, START),
        r"`reference` has shape \(2,\); expected \(1",
    ),
    "region, margin": (lambda: TrainedRegion.of(recording(), margin="wide"), "`margin` is 'wide'"),
    "region, count": (lambda: TrainedRegion.of(recording(), count=2.5), "`count` is 2.5"),
    "region of another machine": (lambda: TrainedRegion.of(recording()).contains(UPRIGHT), r"`y` has shape \(4,\)"),
    "region at rest": (lambda: TrainedRegion.of(recording(np.zeros((11, 2)))), "one state"),
    "guarded of another size": (
        lambda: Guarded(push, TrainedRegion.of(recording()), lambda t, y: y)(0.0, START),
        "`fallback` has shape",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused_by_name(name):
    task, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        task()


def test_the_reference_is_desired_at_whole_seconds_too():
    assert eqx.tree_equal(tracking().desired(1), tracking().desired(jnp.asarray(1.0)))


def test_a_recording_has_the_same_region_twice():
    once = recording()
    twice = nl.Trajectories(np.asarray(TS), np.concatenate([once.ys, once.ys]))
    assert TrainedRegion.of(once).radius == TrainedRegion.of(twice).radius > 0
    assert TrainedRegion.of(twice).contains(jnp.asarray(once.ys[0, 3]))


def test_a_state_that_is_not_a_number_is_outside():
    assert "outside" in TrainedRegion.of(recording()).outside(jnp.full((3, 2), jnp.nan, DTYPE))


MEMORY = {
    "closed_loop": lambda model: closed_loop(model, push, TS, START),
    "optimize_trajectory": lambda model: planned(model=model),
    "RecedingHorizon": lambda model: horizon(model=model)(0.0, START),
    "lqr": lambda model: lqr(model, REST, state_cost=np.ones(2), control_cost=np.ones(1)),
}


@pytest.mark.parametrize("name", MEMORY)
@pytest.mark.parametrize("scaled", [False, True])
def test_internal_states_are_not_forgotten_at_each_sample(name, scaled):
    """A rollout from each sample would start with fresh internal states, so friction with memory would be wrong."""
    model = nl.models.WithMemory(mass(), nl.mechanics.Maxwell([4.0], relaxation_time=[0.5]))
    model = nl.Scaled(model, nl.trajectories.Scaling([0.0], [1.0], 1.0)) if scaled else model
    with pytest.raises(ControlError, match="forces with memory"):
        MEMORY[name](model)
