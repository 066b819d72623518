"""Cost of the gradient of a trajectory loss against the number of parameters.

The experiment of Unneberg and Kaarbø (2023), figures 8 and 9: the double pendulum, 10 initial conditions, 140 points of
[0, 1], trajectory mean square error. Three contenders in one run: reverse mode through the Lagrangian network's
rollout, reverse mode through a neural ODE's of equal hidden layers, and forward differences through the Lagrangian
network's rollout, timed on a sample of the parameters and extrapolated to all (one rollout a parameter, and one more).
"""

import json
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import neural_lagrangian as nl

WIDTHS = [7, 16, 44, 128]  # 4-w-w-1: 99, 369, 2245, 17 281 parameters
QUICK_WIDTHS = [7, 128]
SAMPLED = 3  # parameters perturbed for the finite differences
OUTPUT = Path(__file__).parent / "output"
results: dict[tuple[str, int], dict] = {}


@pytest.fixture(scope="module")
def data():
    system = nl.systems.DoublePendulum()
    return nl.simulate(system, jnp.linspace(0.0, 1.0, 140), system.sample_states(jax.random.key(0), 10))


def loss_of(cls, outputs, width, data):
    """`(loss, params)` with the loss compiled as a function of the parameters alone."""
    mlp = eqx.nn.MLP(4, outputs, width, 2, activation=jax.nn.softplus, key=jax.random.key(1))
    model = cls(mlp, diffrax.Tsit5(), stepsize_controller=nl.StepsPerSample(1))
    params, static = eqx.partition(model, eqx.is_inexact_array)
    ts, ys = jnp.asarray(data.ts), jnp.asarray(data.ys)

    def loss(params):
        return jnp.mean(jax.vmap(nl.trajectory_mse, (None, 0, 0))(eqx.combine(params, static), ts, ys))

    return loss, params


def count(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def perturbed(params, index, step):
    leaves, structure = jax.tree.flatten(params)
    flat = leaves[0].reshape(-1)
    leaves[0] = flat.at[index].add(step).reshape(leaves[0].shape)
    return jax.tree.unflatten(structure, leaves)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("contender", ["LNN reverse mode", "NODE reverse mode", "LNN forward differences"])
def test_gradient_cost(benchmark, data, contender, width, quick):
    if quick and width not in QUICK_WIDTHS:
        pytest.skip("not in the quick mode")
    cls, outputs = (nl.NeuralODE, 4) if contender.startswith("NODE") else (nl.NeuralLagrangian, "scalar")
    loss, params = loss_of(cls, outputs, width, data)
    differences = contender.endswith("differences")
    compiled = jax.jit(loss if differences else jax.value_and_grad(loss)).lower(params).compile()
    samples = [perturbed(params, i, 1e-3) for i in range(SAMPLED)] if differences else [params]

    def run():
        jax.block_until_ready([compiled(p) for p in samples])

    benchmark.group = f"gradient, width {width}"
    benchmark.pedantic(run, rounds=3 if quick else 7, warmup_rounds=1)
    parameters = count(params)
    seconds = benchmark.stats.stats.median
    if differences:
        seconds *= (parameters + 1) / SAMPLED
    record = {
        "parameters": parameters,
        "seconds": seconds,
        "extrapolated": differences,
        "flops": compiled.cost_analysis().get("flops"),
        "temporary_bytes": compiled.memory_analysis().temp_size_in_bytes,
        "dtype": str(data.ys.dtype),
        "device": jax.devices()[0].device_kind,
    }
    benchmark.extra_info.update(record)
    results[contender, width] = record


def test_report(quick):
    """The ratios, to the neural ODE and to forward differences, of this run."""
    widths = QUICK_WIDTHS if quick else WIDTHS
    if ("LNN forward differences", widths[-1]) not in results:
        pytest.skip("the benchmarks did not run")
    lines = [
        "| parameters | LNN reverse mode | NODE reverse mode | LNN / NODE | forward differences | / reverse mode |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for width in widths:
        ad, node, fd = (
            results[name, width] for name in ("LNN reverse mode", "NODE reverse mode", "LNN forward differences")
        )
        lines.append(
            f"| {ad['parameters']} | {ad['seconds'] * 1e3:.1f} ms | {node['seconds'] * 1e3:.1f} ms | "
            f"{ad['seconds'] / node['seconds']:.1f} | {fd['seconds']:.3g} s (extrapolated from {SAMPLED}) | "
            f"{fd['seconds'] / ad['seconds']:.0f} |"
        )
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "gradient.md").write_text("\n".join(lines) + "\n")
    rows = [{"contender": name, "width": width, **record} for (name, width), record in results.items()]
    (OUTPUT / "gradient.json").write_text(json.dumps(rows, indent=1))
    print("\n\n" + "\n".join(lines))
    first, last = results["LNN reverse mode", widths[0]], results["LNN reverse mode", widths[-1]]
    extra = (last["seconds"] - first["seconds"]) / (last["parameters"] - first["parameters"])
    print(f"\nper extra parameter: {extra * 1e6:.2f} us by reverse mode (the source: 80 ms by finite differences)")
    fd, ad = results["LNN forward differences", widths[-1]], last
    assert fd["seconds"] > 100 * ad["seconds"]
