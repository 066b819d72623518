"""Constants of friction with memory, from position and force alone, over several recordings."""

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import BoucWen, ControlForce, LuGre
from neural_lagrangian.models import WithMemory, with_control
from neural_lagrangian.training import gauss_newton

pytestmark = [pytest.mark.double, pytest.mark.slow]
TS = np.arange(0.0, 30.005, 0.01)
NOISE = 0.01  # of the standard deviation of position and force
AT_REST = np.zeros(2)
SEEDS = range(3)


def rig(law, mass=0.6, stiffness=40.0):
    """A driven mass on a spring with friction; everything is trained."""
    lagrangian = nl.lagrangians.ParametricLagrangian(
        lambda t, q, v, *, log_m, log_k: (jnp.exp(log_m) * v @ v - jnp.exp(log_k) * q @ q) / 2,
        dof=1,
        log_m=np.log(mass),
        log_k=np.log(stiffness),
    )
    steps = nl.StepsPerSample(2)
    return WithMemory(nl.NeuralLagrangian(lagrangian, RK4(), force=ControlForce(), stepsize_controller=steps), law)


def lugre(stiffness, coulomb, breakaway, stribeck_velocity, damping, viscous):
    return LuGre(
        [stiffness],
        coulomb=[coulomb],
        breakaway=[breakaway],
        stribeck_velocity=[stribeck_velocity],
        damping=[damping],
        viscous=[viscous],
    )


def bouc_wen(strength, yield_displacement, exponent, unloading):
    return BoucWen([strength], yield_displacement=[yield_displacement], exponent=[exponent], unloading=[unloading])


LAWS = {
    "lugre": (lugre(300.0, 0.5, 0.8, 0.05, 4.0, 0.6), lugre(200.0, 0.4, 0.6, 0.08, 2.0, 0.3)),
    "bouc_wen": (bouc_wen(1.0, 0.008, 1.8, 0.4), bouc_wen(0.7, 0.012, 1.4, 0.2)),
}
CONSTANTS = {
    "lugre": ("stiffness", "coulomb", "breakaway", "stribeck_velocity", "damping", "viscous"),
    "bouc_wen": ("strength", "yield_displacement", "exponent", "unloading"),
}


def recorded(model, seed):
    rng = np.random.default_rng(seed)
    tones = sum(np.sin(2 * np.pi * f * TS + phase) for f, phase in ((0.31, 0.0), (0.83, 1.0), (1.9, 2.0)))
    us = 1.5 * np.sin(np.pi * TS / 7.5) ** 2 * tones
    q = np.asarray(with_control(model, TS, us[:, None])(TS, AT_REST))[:, 0]
    q, us = (x + NOISE * x.std() * rng.normal(size=x.shape) for x in (q, us))
    return nl.Trajectories(TS, np.stack([q, np.zeros_like(q)], axis=1)[None], controls=us[None, :, None])


def position_residual(model, window):
    return model(window.ts, jnp.asarray(AT_REST))[:, 0] - window.ys[:, 0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", LAWS)
def test_constants_are_found_within_ten_per_cent(name, seed):
    true, guess = LAWS[name]
    recording = recorded(rig(true, 0.5, 50.0), seed)
    options = {"residual": position_residual, "horizon": len(TS) - 1, "windows": 1, "steps": 60}
    found = gauss_newton(rig(guess), recording, **options).model.forces[0]
    errors = {
        constant: float(getattr(found, constant)[0] / getattr(true, constant)[0]) - 1 for constant in CONSTANTS[name]
    }
    assert max(map(abs, errors.values())) < 0.1, errors
