"""Motion whose numbers are far from order one is trained on with a warning, which depends on these sizes alone."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.training.sizes import MAX_SAMPLES, warn_of_sizes
from neural_lagrangian.trajectories import Scaling

from ..helpers import DTYPE, mlp, small_network

KEY = jax.random.key(0)
MODEL = nl.NeuralLagrangian(small_network(2))
CLOCK = np.linspace(0.0, 2 * np.pi, 60, endpoint=False)


def motion(sizes=(1.0, 1.0), tau=1.0, dtype=np.float64, **options):
    """Two oscillators of a root mean square of about one, in other units."""
    q = np.stack([np.cos(CLOCK), np.sin(CLOCK)], axis=1) * np.sqrt(2) * sizes
    v = np.stack([-np.sin(CLOCK), np.cos(CLOCK)], axis=1) * np.sqrt(2) * sizes / tau
    return nl.Trajectories((CLOCK * tau).astype(dtype), np.hstack([q, v]).astype(dtype), **options)


def said(trajectories, model=MODEL):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_sizes(model, trajectories)
    assert len(caught) <= 1
    return "".join(str(one.message) for one in caught)


ORDINARY = [((1, 1), 1), ((0.06, 15), 1), ((1, 1), 15), ((1, 1), 0.06), ((0, 1), 1), ((0, 0), 1)]
FAR = {
    "micrometres": ((1e-6, 1), 1, ["q0: 1e-06"], ["q1", "time"]),
    "kilometres": ((1, 1e3), 1, ["q1: 1e+03"], ["q0", "time"]),
    "both": ((1e-3, 1e3), 1, ["q0", "q1"], ["time"]),
    "years in seconds": ((1, 1), 3e7, ["time scale of the motion"], ["q0", "q1"]),
    "microseconds": ((1, 1), 1e-6, ["time scale of the motion"], ["q0", "q1"]),
}


@pytest.mark.parametrize(("sizes", "tau"), ORDINARY)
def test_motion_of_ordinary_size_is_passed_over(sizes, tau):
    assert said(motion(sizes, tau)) == ""


@pytest.mark.parametrize("case", FAR)
def test_motion_far_from_order_one_is_named(case):
    sizes, tau, named, not_named = FAR[case]
    text = said(motion(sizes, tau))
    assert all(part in text for part in named), text
    assert not any(part in text.partition("expected")[0] for part in not_named), text


@pytest.mark.parametrize("case", FAR)
def test_what_the_warning_says_to_do_ends_it(case):
    far = motion(*FAR[case][:2])
    scaling = Scaling.of(far)
    assert said(far)
    assert said(scaling.scale(far)) == ""
    assert said(far, nl.Scaled(MODEL, scaling)) == ""


@pytest.mark.parametrize("case", FAR)
def test_sizes_alone_decide(case):
    """Not the model, the precision, the number of samples, their order, or gaps."""
    sizes, tau = FAR[case][:2]
    text = said(motion(sizes, tau))
    other_models = nl.NeuralODE(mlp(4, 2)), nl.NeuralLagrangian(nl.MechanicalLagrangian(None, dof=2))
    assert [said(motion(sizes, tau), model) for model in other_models] == [text, text]
    one = motion(sizes, tau)
    thin = nl.Trajectories(np.repeat(one.ts, 3, axis=0), np.repeat(one.ys, 3, axis=0))
    assert text == said(thin) == said(motion(sizes, tau, gap=0.1 * tau)) == said(motion(sizes, tau, np.float32))


def test_names_are_those_of_the_recording():
    assert "coordinate x: 1e-06" in said(motion((1e-6, 1), names=("x", "theta")))


def test_angles_that_the_model_knows_may_go_round():
    ts = np.linspace(0.0, 600.0, 6001)
    rotation = nl.Trajectories(ts, np.stack([2 * ts, 2 + 0 * ts], axis=1))
    assert "q0" in said(rotation, nl.NeuralLagrangian(small_network(1)))
    assert said(rotation, nl.NeuralLagrangian(nl.PeriodicEmbedding(mlp(3), 1))) == ""


def test_a_long_recording_is_sampled():
    """In all of its length: the second half is a thousand times larger than the first."""
    rows = 4 * MAX_SAMPLES
    q = np.where(np.arange(rows) < rows // 2, 1.0, 1e3)
    ts = np.linspace(0.0, 100.0, rows)
    assert "q0: 7.1e+02" in said(nl.Trajectories(ts, np.stack([q, np.cos(ts)], axis=1)), nl.NeuralODE(mlp(2, 1)))


@pytest.mark.optax
def test_fit_warns_once():
    far, keywords = motion((1e-3, 1)), {"optimizer": optax.sgd(0.0), "steps": 1, "horizon": 1}
    for data, count in ((far, 1), (motion(), 0)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            nl.fit(MODEL, data.astype(DTYPE), key=KEY, batch_size=2, loss=_speed, **keywords)
        assert sum("far from order one" in str(one.message) for one in caught) == count


def _speed(model, window):
    return jnp.mean(jax.vmap(lambda t, y: model.lagrangian(t, *jnp.split(y, 2)) ** 2)(window.ts, window.ys))
