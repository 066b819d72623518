"""The packages that others use, beside ours: torchdyn's LNN and HNN, and torchdiffeq's NODE.

The same networks, weights, data and Runge-Kutta steps of fourth order. They need the extra `peers`.
"""

import statistics
import time
from functools import partial
from importlib.util import find_spec
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest

import neural_lagrangian as nl

from .contenders import network, rollout_loss, rollout_targets

WIDTH, STEPS, DOF = 128, 20, 2
STEPPING: dict[str, Any] = {"solver": nl.integrators.RK4(), "stepsize_controller": nl.StepsPerSample(1)}
PACKAGES = ("torch", "torchdyn", "torchdiffeq")
MAX_SECONDS = 60.0
"""Time after which no further round begins."""
COLUMNS = {
    "kind": "model",
    "package": "package",
    "batch": "batch",
    "forward_seconds": "forward",
    "gradient_seconds": "gradient",
    "ratio": "gradient / ours",
    "error": "difference of the losses",
}


def _torch_network(net: eqx.nn.MLP) -> Any:
    import torch

    layers = []
    for layer in net.layers:
        linear = torch.nn.Linear(*reversed(layer.weight.shape))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(np.array(layer.weight)))
            linear.bias.copy_(torch.from_numpy(np.array(layer.bias).reshape(-1)))
        layers += [linear, torch.nn.Softplus()]
    return torch.nn.Sequential(*layers[:-1])


def _with_kinetic_energy(net: Any) -> Any:
    """The network plus $|v|^2 / 2$ (or $|p|^2 / 2$), as in our models."""
    import torch

    class Sum(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, y):
            return self.net(y)[..., 0] + (y[..., DOF:] ** 2).sum(-1) / 2

    return Sum()


def _peers() -> dict[str, tuple[Any, str, Any]]:
    """Our model, the other package, and its vector field, by kind."""
    import torchdyn.models as peers

    scalar, states = network(DOF, WIDTH), network(DOF, WIDTH, 2 * DOF)
    energy, field = _with_kinetic_energy(_torch_network(scalar)), _torch_network(states)
    return {
        "LNN": (nl.NeuralLagrangian(scalar, **STEPPING), "torchdyn", peers.LNN(energy)),
        "HNN": (nl.HamiltonianNetwork(scalar, **STEPPING), "torchdyn", peers.HNN(energy)),
        "NODE": (nl.NeuralODE(states, **STEPPING), "torchdiffeq", field),
    }


def _seconds(call: Any) -> float:
    """Median of five calls, or the time of one call if it is long."""
    taken = []
    while len(taken) < (5 if sum(taken) < 1 else 1):
        began = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _compared(batch: int, rounds: int) -> list[dict[str, Any]]:
    """Medians of calls in turns, ours compiled beforehand, and the difference of the losses."""
    import torch
    from torchdiffeq import odeint

    ts, ys = rollout_targets(DOF, batch, STEPS)
    their_ts, their_ys = (torch.from_numpy(np.array(x)) for x in (ts, ys))
    rows = []
    for kind, (model, package, field) in _peers().items():
        loss, params = rollout_loss(model, ts, ys)
        forward, gradient = (jax.jit(f).lower(params).compile() for f in (loss, jax.grad(loss)))

        def their_loss(field=field):
            rolled_out = odeint(lambda t, y: field(y), their_ys[:, 0].clone(), their_ts, method="rk4")
            return ((rolled_out.swapaxes(0, 1) - their_ys) ** 2).mean()

        ours, theirs = float(forward(params)), their_loss().item()
        gradient(params)
        calls = {
            ("neural_lagrangian", "forward"): partial(forward, params),
            ("neural_lagrangian", "gradient"): partial(gradient, params),
            (package, "forward"): lambda loss=their_loss: loss().item(),
            (package, "gradient"): lambda loss=their_loss: loss().backward(),
        }
        taken, began = [], time.perf_counter()
        while len(taken) < rounds and time.perf_counter() - began < MAX_SECONDS:
            taken.append({of: _seconds(call) for of, call in calls.items()})
        medians = {of: statistics.median(times[of] for times in taken) for of in calls}
        for name in ("neural_lagrangian", package):
            row = {"kind": kind, "package": name, "batch": batch, "error": abs(ours - theirs) / abs(ours)}
            row |= {f"{part}_seconds": medians[name, part] for part in ("forward", "gradient")}
            rows.append(row | {"ratio": row["gradient_seconds"] / medians["neural_lagrangian", "gradient"]})
    return rows


# The marker skips before the record of the benchmark is made; pytest-benchmark cannot save one without times.
@pytest.mark.skipif(
    not all(map(find_spec, PACKAGES)), reason="`pip install neural_lagrangian[peers]` installs the other packages"
)
@pytest.mark.filterwarnings("ignore")  # those of the other packages
def test_beside_other_packages(benchmark, report, quick):
    """One run: a trajectory loss and its gradient, of the same network by each package."""
    rows = benchmark.pedantic(_compared, (4, 1) if quick else (100, 3))
    assert all(row["error"] < 1e-3 for row in rows)
    report.table("peers", f"Other packages, {WIDTH} x 2, n = {DOF}, {STEPS} Runge-Kutta steps", rows, COLUMNS)
