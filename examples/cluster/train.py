"""Train on all processes of a job: each reads its own trajectories, and all end with the same model.

Under SLURM, `sbatch examples/cluster/train.sbatch`; on one machine, `python examples/cluster/launch.py`. The same call
again goes on from the last checkpoint.
"""

import sys
from pathlib import Path

import jax

# Before anything is computed. Under SLURM, Open MPI or Kubernetes JAX finds the other processes by itself; elsewhere it
# is told: python train.py ADDRESS PROCESSES RANK [--smoke]
told = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
if told:
    jax.distributed.initialize(told[0], int(told[1]), int(told[2]))
else:
    jax.distributed.initialize()

import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType

import neural_lagrangian as nl
from neural_lagrangian.training import Running

SMOKE = "--smoke" in sys.argv
OUTPUT = Path(__file__).parent.parent / "output" / "cluster"
COUNT, STEPS = (4, 20) if SMOKE else (64, 2000)
KEY = jax.random.key(0)


def my_trajectories() -> nl.Trajectories:
    """What this process alone reads: here simulated, elsewhere `read_trajectories(f"shard-{rank}.npz", ...)` of
    `nl.trajectories`, or mapped files where it is more than fits into memory.
    """
    system = nl.systems.DoublePendulum()
    mine = jax.random.fold_in(KEY, jax.process_index())
    return nl.simulate(system, jnp.linspace(0.0, 2.0, 101), system.sample_states(mine, COUNT))


def main() -> None:
    first = jax.process_index() == 0
    mesh = jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Explicit,))
    model = nl.NeuralLagrangian(nl.MechanicalLagrangian.from_mlp(2, 32, periodic=(0, 1), key=KEY))
    result = nl.fit(
        model,
        my_trajectories(),
        key=KEY,
        steps=STEPS,
        batch_size=32 * mesh.size,
        running=Running(mesh=mesh, resume=OUTPUT / f"checkpoints-{jax.process_count()}", checkpoint_every=60.0),
    )
    if first:
        nl.save(OUTPUT / "double_pendulum.model", result.model)
        print(f"{mesh.size} devices in {jax.process_count()} processes, {len(result.history.loss)} steps:", end=" ")
        print(f"loss {np.mean(result.history.loss[-10:]):.2e}")


main()
