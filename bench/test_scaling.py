"""Cost of the gradient against the number of parameters.

The experiment of Unneberg and Kaarbø (2023), figures 8 and 9: the double pendulum, 10 initial conditions, 140 points of
[0, 1], trajectory mean square error. Reverse mode through the Lagrangian network's rollout, reverse mode through a
neural ODE's of equal hidden layers, and forward differences through the Lagrangian network's rollout, timed on a
sample of the parameters and extrapolated to all (one rollout a parameter, and one more); the same differences through
the published formula, from the time of one of its rollouts.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import neural_lagrangian as nl
from neural_lagrangian import analysis
from neural_lagrangian.systems import DoublePendulum

from .contenders import PublishedFormula, lagrangian_network, network, neural_ode, parameter_count, rollout_loss
from .harness import Contender

WIDTHS = [7, 16, 44, 128, 316, 1000]  # 4-w-w-1: 99, 369, 2 245, 17 281, 102 069, 1 007 001 parameters
QUICK_WIDTHS = [128]
SAMPLED = 3  # parameters perturbed for the finite differences
SOURCE_PER_PARAMETER = 0.080  # seconds a parameter by finite differences (Unneberg and Kaarbø 2023, section 4)
COLUMNS = {
    "parameters": "parameters",
    "contender": "gradient by",
    "seconds": "time",
    "ratio": "/ LNN reverse mode",
    "gradient_over_forward": "/ own forward",
    "extrapolated": "extrapolated",
    "error": "error",
    "temporary_bytes": "memory",
}


def test_scaling(compare, report, quick):
    system = DoublePendulum()
    data = nl.simulate(system, jnp.linspace(0.0, 1.0, 140), system.sample_states(jax.random.key(0), 10))
    ts, ys = jnp.asarray(data.ts[0]), jnp.asarray(data.ys)
    rows = []
    for width in QUICK_WIDTHS if quick else WIDTHS:
        rows += _at_width(compare, ts, ys, width, rounds=3 if quick or width > 300 else 5)
    report.table("scaling", "Gradient against parameters (double pendulum, 10 rollouts of 140 points)", rows, COLUMNS)
    slopes = _figures(report, rows)
    print("\n" + "\n".join(slopes))
    largest = {row["contender"]: row for row in rows if row["width"] == 128}
    assert largest["LNN forward differences"]["ratio"] > 1000


def _at_width(compare, ts, ys, width, rounds):
    loss, params = rollout_loss(lagrangian_network(2, width), ts, ys)
    node_loss, node_params = rollout_loss(neural_ode(2, width), ts, ys)
    plain_loss, _ = rollout_loss(PublishedFormula(network(2, width)), ts, ys)
    parameters = parameter_count(params)
    where = [0, parameters // 2, parameters - 1]
    assert len(where) == SAMPLED

    def sampled_differences(params):
        """(loss(theta + h e_i) - loss(theta)) / h at a few i, one rollout after another."""
        base = loss(params)
        return jax.lax.map(lambda i: (loss(_perturbed(params, i, 1e-3)) - base) / 1e-3, jnp.asarray(where))

    size = {"parameters": parameters, "width": width}
    rows, outputs = compare(
        [
            Contender("LNN reverse mode", jax.value_and_grad(loss), (params,), dict(size)),
            Contender("LNN forward", loss, (params,), dict(size)),
            Contender("NODE reverse mode", jax.value_and_grad(node_loss), (node_params,), dict(size)),
            Contender("NODE forward", node_loss, (node_params,), dict(size)),
            Contender("published formula, forward differences", plain_loss, (params,), dict(size), parameters + 1),
            Contender(
                "LNN forward differences",
                sampled_differences,
                (params,),
                dict(size),
                repeats=(parameters + 1) / (SAMPLED + 1),
            ),
        ],
        baseline="LNN reverse mode",
        rounds=rounds,
    )
    gradient = jax.flatten_util.ravel_pytree(outputs["LNN reverse mode"][1])[0][jnp.asarray(where)]
    difference = outputs["LNN forward differences"] - gradient
    rows[-1]["error"] = float(jnp.abs(difference).max() / jnp.abs(gradient).max())
    seconds = {row["contender"]: row["seconds"] for row in rows}
    for row in rows:
        model, _, kind = row["contender"].partition(" ")
        if kind == "reverse mode":
            row["gradient_over_forward"] = row["seconds"] / seconds[f"{model} forward"]
    return rows


def _perturbed(params, index, step):
    flat, unravel = jax.flatten_util.ravel_pytree(params)
    return unravel(flat.at[index].add(step))


def _figures(report, rows):
    """Figures 8 and 9 of the source with our lines on them."""
    differences = ["published formula, forward differences", "LNN forward differences"]
    reverse = ["LNN reverse mode", "NODE reverse mode"]
    lines = {
        name: [(row["parameters"], row["seconds"]) for row in rows if row["contender"] == name]
        for name in [*differences, *reverse, "LNN forward", "NODE forward"]
    }
    figure, ax = plt.subplots(layout="constrained")
    analysis.plot_parameter_scaling({k: lines[k] for k in differences + reverse}, cost="one gradient [s]", ax=ax)
    x = np.array(sorted({row["parameters"] for row in rows}))
    ax.plot(x, SOURCE_PER_PARAMETER * x, "k--", label="finite differences of the source (80 ms a parameter)")
    ax.legend(ax.get_lines(), [line.get_label() for line in ax.get_lines()], fontsize="small")
    report.figure("scaling_gradients", figure)
    figure, ax = plt.subplots(layout="constrained")
    analysis.plot_parameter_scaling({k: v for k, v in lines.items() if k not in differences}, ax=ax)
    report.figure("scaling_forward", figure)
    plt.close("all")
    return [
        f"{name}: time grows with the parameters to the power {analysis.power_law(line):.2f}"
        for name, line in lines.items()
    ]
