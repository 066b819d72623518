"""The picture that moves: a learned double pendulum beside the true one. `python docs/figures/animation.py` writes it.

Trained as in examples/double_pendulum.py, on ten motions of one second; both panels start from the same state, which
training has not seen.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import optax

import neural_lagrangian as nl
from neural_lagrangian import analysis

STEPS = 6000

system = nl.systems.DoublePendulum()
key = jax.random.key(0)
motion = nl.simulate(system, jnp.linspace(0.0, 1.0, 140), system.sample_states(key, 10))
lagrangian = nl.MechanicalLagrangian.from_mlp(2, 128, periodic=(0, 1), key=key)
result = nl.fit(
    nl.NeuralLagrangian(lagrangian),
    motion,
    optimizer=optax.contrib.muon(
        optax.cosine_decay_schedule(1e-2, STEPS), weight_decay=0.03
    ),
    steps=STEPS,
    horizon=1,
    stride=5,
    batch_size=64,
    key=key,
)

ts, start = jnp.linspace(0.0, 6.0, 301), jnp.array([0.6, -0.5, 0.4, 0.3])
motions = {"true": system(ts, start), "learned": result.model(ts, start)}
print(
    "largest difference of the angles [rad]:",
    jnp.abs(motions["true"] - motions["learned"])[:, :2].max(),
)
path = Path(__file__).parent / "double_pendulum.gif"
analysis.animate(system, ts, motions, path=path, frames_per_second=15, size=2.2)
print(f"{path.stat().st_size / 1000:.0f} kB")
