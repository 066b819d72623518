"""One evaluation of the vector field: by degrees of freedom, batch and mass solve.

The operations that must be done are counted by hand: passes through the network times the operations of its matrix
products, n + 3 passes for a Lagrangian (n + 1 directions and the value forward, one sweep back), one for a neural ODE;
nothing for activations, contractions and the mass solve.
"""

import jax.numpy as jnp

from neural_lagrangian.mechanics import Cholesky, DampedInverse, PseudoInverse

from .contenders import (
    PublishedFormula,
    lagrangian_network,
    network,
    neural_ode,
    parameter_count,
    right_hand_side,
    states,
)
from .harness import Contender, matrix_multiply_rate

WIDTH = 128
CASES = [*((n, batch) for n in (1, 2, 8, 32) for batch in (1, 64, 1024)), (128, 64)]
QUICK = [(2, 1024)]
MASS_SOLVES = {"pseudoinverse": PseudoInverse(), "damped": DampedInverse(), "Cholesky": Cholesky()}
COLUMNS = {
    "contender": "right-hand side",
    "dof": "n",
    "batch": "batch",
    "seconds": "time",
    "ratio": "/ NODE",
    "flops_ratio": "operations / NODE",
    "error": "error",
    "must_do_rate": "of the multiply rate",
    "temporary_bytes": "memory",
}


def test_right_hand_side(compare, report, quick):
    rows = []
    for dof, batch in QUICK if quick else CASES:
        rows += _case(compare, dof, batch, quick)
    report.table("right_hand_side", f"Right-hand side, {WIDTH} x 2", rows, COLUMNS)
    case = {row["contender"]: row for row in rows if (row["dof"], row["batch"]) == (2, 1024)}
    # Counted, not timed: fewer operations than the published formula, and no more than 7.7 neural ODEs.
    ours = case["LNN, pseudoinverse"]
    assert ours["flops"] < case["published formula"]["flops"]
    assert ours["flops_ratio"] < 7.7


def _case(compare, dof, batch, quick):
    ys = states(dof, batch)
    models = {"NODE": neural_ode(dof, WIDTH), "published formula": PublishedFormula(network(dof, WIDTH))}
    models |= {f"LNN, {name}": lagrangian_network(dof, WIDTH, mass_solve=solve) for name, solve in MASS_SOLVES.items()}
    contenders = []
    for name, model in models.items():
        fn, params = right_hand_side(model)
        passes = 1 if name == "NODE" else dof + 3
        must_do = 2 * parameter_count(model.network) * passes * batch
        record = {"dof": dof, "batch": batch, "must_do_flops": must_do}
        contenders.append(Contender(name, fn, (params, ys), record))
    rows, outputs = compare(contenders, baseline="NODE", rounds=5 if quick else 7, least=0.02)
    rate = matrix_multiply_rate(batch * (dof + 1), WIDTH)
    reference = outputs["published formula"]
    for row in rows:
        if row["contender"] != "NODE":
            row["error"] = float(jnp.abs(outputs[row["contender"]] - reference).max() / jnp.abs(reference).max())
        row["flops_ratio"] = row["flops"] / rows[0]["flops"]
        if row["contender"] != "published formula":
            row["must_do_rate"] = row["must_do_flops"] / row["seconds"] / rate
    return rows
