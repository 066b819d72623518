"""Torques of a serial arm with many joints, learned from its motion in MuJoCo.

    python -m bench.serial_arm 7
    python -m bench.serial_arm 3 --seed 1

The axes of the joints point along and across the links in turn. Each joint has the inertia of a motor, viscous and dry
friction. Encoders and torques have noise. Errors are mean squares of the noiseless torque on other motions, over the
variance of each joint.
"""

import argparse
import time
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import neural_lagrangian as nl
from neural_lagrangian.mechanics import ControlForce, LinearDamping, SmoothFriction, inverse_dynamics

ROW = 0.005
"""Seconds from row to row."""
STEP = 0.0005
"""Seconds of a step of MuJoCo."""
SECONDS = 10.0
"""Length of a motion."""
ANGLE_NOISE = 1e-5
"""Standard deviation of the encoders in radians, as of an encoder with 17 bits."""
TORQUE_NOISE = 0.005
"""Standard deviation of the noise of the torques, over that of the torque."""
WINDOW = 15
"""Rows of the smoother that estimates velocities and accelerations."""


def mjcf(joints: int) -> str:
    """The arm as a MuJoCo model: links from 0.3 m and 3 kg to 0.12 m and 0.6 kg."""
    lengths, masses = np.linspace(0.3, 0.12, joints), np.linspace(3.0, 0.6, joints)
    bodies, starts = "", np.append(0.0, lengths)
    for i in range(joints):
        axis = "0 0 1" if i % 2 == 0 else "0 1 0"
        bodies += (
            f'<body pos="0 0 {starts[i]}">'
            f'<joint name="j{i}" type="hinge" axis="{axis}" damping="{0.5 - 0.05 * i}" '
            f'frictionloss="{0.4 - 0.04 * i}" armature="{0.1 / (i + 1)}"/>'
            f'<geom type="capsule" fromto="0 0 0 0.03 0 {lengths[i]}" size="0.04" mass="{masses[i]}"/>'
        )
    option = f'<option timestep="{STEP}" gravity="0 0 -9.81" integrator="RK4"><flag contact="disable"/></option>'
    motors = "".join(f'<motor joint="j{i}"/>' for i in range(joints))
    world = f"<worldbody>{bodies}{'</body>' * joints}</worldbody>"
    return f"<mujoco>{option}{world}<actuator>{motors}</actuator></mujoco>"


def inverse(model: Any, data: Any, q: np.ndarray, v: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The torques of MuJoCo's own inverse dynamics."""
    import mujoco

    data.qpos[:], data.qvel[:], data.qacc[:] = q, v, a
    mujoco.mj_inverse(model, data)
    return data.qfrc_inverse.copy()


class Motion(NamedTuple):
    """A motion: times, angles, velocities, accelerations, torques."""

    t: np.ndarray
    q: np.ndarray
    v: np.ndarray
    a: np.ndarray
    u: np.ndarray


def simulate(model: Any, draw: np.random.Generator) -> Motion:
    """Computed torque moves the arm along a random sum of sines, at 1 kHz."""
    import mujoco

    n, data, of_inverse = model.nv, mujoco.MjData(model), mujoco.MjData(model)
    w = 2 * np.pi * np.arange(1, 6)[:, None] * 0.1 * draw.uniform(0.8, 1.2)
    size = 0.6 * draw.normal(size=(5, n)) / np.sqrt(np.arange(1, 6))[:, None]
    phase, middle = draw.uniform(0, 2 * np.pi, (5, n)), draw.uniform(-0.5, 0.5, n)

    def path(t):
        x = w * t + phase
        sines, cosines = size * np.sin(x), size * np.cos(x)
        return middle + sines.sum(0), (w * cosines).sum(0), -(w**2 * sines).sum(0)

    data.qpos[:], data.qvel[:], _ = path(0.0)
    rows = []
    for k in range(round(SECONDS / STEP) + 1):
        if k % 2 == 0:
            q, v, a = path(k * STEP)
            feedback = 400 * (q - data.qpos) + 40 * (v - data.qvel)
            data.ctrl[:] = inverse(model, of_inverse, q, v, a + feedback)
        if k % round(ROW / STEP) == 0:
            mujoco.mj_forward(model, data)
            rows.append([k * STEP, *data.qpos, *data.qvel, *data.qacc, *data.ctrl])
        mujoco.mj_step(model, data)
    t, *rest = np.split(np.array(rows), [1, 1 + n, 1 + 2 * n, 1 + 3 * n], axis=1)
    return Motion(t[:, 0], *rest)


def measured(motions: list[Motion], draw: np.random.Generator) -> nl.Trajectories:
    """What encoders and torque sensors see, with velocities and accelerations by smoothing."""
    qs = [m.q + ANGLE_NOISE * draw.normal(size=m.q.shape) for m in motions]
    smooth = nl.trajectories.differentiate([m.t for m in motions], qs, window=WINDOW, accelerations=True)
    us = np.stack([m.u for m in motions])
    us = us + TORQUE_NOISE * us.std(axis=(0, 1)) * draw.normal(size=us.shape)
    inside, a = slice(WINDOW, -WINDOW), smooth.accelerations
    assert a is not None
    return nl.Trajectories(
        smooth.ts[:, inside], smooth.ys[:, inside], accelerations=a[:, inside], controls=us[:, inside]
    )


def learn(recording: nl.Trajectories, joints: int, width: int, steps: int, seed: int) -> nl.NeuralLagrangian:
    """Motors, friction and a mechanical network, all unknown, by the error of the torques."""
    key, single = jax.random.key(seed), jnp.float32
    network = nl.MechanicalLagrangian.from_mlp(joints, width, periodic=range(joints), dtype=single, key=key)
    friction = LinearDamping(jnp.full(joints, 0.5, single)) + SmoothFriction(
        jnp.full(joints, 0.1, single), jnp.full(joints, 0.02, single)
    )
    model = nl.NeuralLagrangian(
        nl.lagrangians.Armature(jnp.full(joints, 0.05, single)) + network, force=friction + ControlForce()
    )
    spread = jnp.asarray(np.std(np.concatenate(list(recording.controls)), axis=0), single)

    def loss(model, window):  # each joint weighs one over its noise, which is a share of its spread
        return jnp.mean((nl.training.torque_residual(model, window).reshape(-1, joints) / spread) ** 2)

    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, steps))
    options = {"loss": loss, "horizon": 0, "batch_size": 256, "steps": steps, "key": key}
    return nl.models.with_precision(nl.fit(model, recording, optimizer=optimizer, **options).model, jnp.float64)


def feed_forward(recording: nl.Trajectories, width: int, steps: int, seed: int) -> Any:
    """The baseline: a network from the sines and cosines of the angles, velocities and accelerations to the torques."""
    a, u = (np.concatenate(list(x)) for x in (recording.accelerations, recording.controls))
    x = _inputs(np.concatenate(list(recording.ys)), a)
    (x0, xs), (u0, us) = ((z.mean(0), z.std(0)) for z in (x, u))
    X, U = (jnp.asarray(z, jnp.float32) for z in ((x - x0) / xs, (u - u0) / us))
    net = eqx.nn.MLP(
        X.shape[1], U.shape[1], width, 2, activation=jax.nn.silu, dtype=jnp.float32, key=jax.random.key(seed)
    )
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, steps))
    trained, fixed = eqx.partition(net, eqx.is_array)

    def step(carry, key):
        trained, state = carry
        i = jax.random.randint(key, (256,), 0, len(X))
        loss = lambda trained: jnp.mean((jax.vmap(eqx.combine(trained, fixed))(X[i]) - U[i]) ** 2)  # noqa: E731
        updates, state = optimizer.update(jax.grad(loss)(trained), state)
        return (optax.apply_updates(trained, updates), state), None

    keys = jax.random.split(jax.random.key(seed), steps)
    (trained, _), _ = jax.jit(lambda start: jax.lax.scan(step, start, keys))((trained, optimizer.init(trained)))
    net = eqx.combine(trained, fixed)
    return lambda ys, a: np.asarray(jax.vmap(net)(jnp.asarray((_inputs(ys, a) - x0) / xs, jnp.float32))) * us + u0


def _inputs(ys: np.ndarray, a: np.ndarray) -> np.ndarray:
    q, v = np.split(ys, 2, axis=1)
    return np.concatenate([np.cos(q), np.sin(q), v, a], axis=1)


def main() -> None:
    """Print the table."""
    import mujoco

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("joints", type=int)
    parser.add_argument("--motions", type=int, default=8)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    arm, draw = mujoco.MjModel.from_xml_string(mjcf(asked.joints)), np.random.default_rng(asked.seed)
    motions = [simulate(arm, draw) for _ in range(asked.motions + 2)]
    train, test = measured(motions[: asked.motions], draw), measured(motions[asked.motions :], draw)
    assert test.accelerations is not None
    ys, a = (np.concatenate(list(x))[::5] for x in (test.ys, test.accelerations))
    truth = np.concatenate([m.u[WINDOW:-WINDOW] for m in motions[asked.motions :]])[::5]
    q, v = np.split(ys, 2, axis=1)

    def report(name, u, began):
        error = np.mean((u - truth) ** 2, axis=0) / truth.var(axis=0)
        print(f"{name:24s}{error.mean():10.1e}{error.max():10.1e}{time.perf_counter() - began:8.0f} s", flush=True)

    print(f"{'torque error':24s}{'mean':>10s}{'worst':>10s}")
    began, data = time.perf_counter(), mujoco.MjData(arm)
    report("of MuJoCo", np.stack([inverse(arm, data, *row) for row in zip(q, v, a, strict=True)]), began)
    began = time.perf_counter()
    report("feed-forward network", feed_forward(train, 128, 2 * asked.steps, asked.seed)(ys, a), began)
    began, model = time.perf_counter(), learn(train, asked.joints, asked.width, asked.steps, asked.seed)
    torque = jax.jit(jax.vmap(lambda q, v, a: inverse_dynamics(model.lagrangian, 0.0, q, v, a, force=model.force)))
    report("learned Lagrangian", np.asarray(torque(*map(jnp.asarray, (q, v, a)))), began)
    print("dry friction", model.force.terms[1].strength, "armature", model.network.terms[0].inertia)


if __name__ == "__main__":
    main()
