"""One case of the gym: identify a recording, fit the true family alone, and compare both with the exact motion."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import neural_lagrangian as nl

from .faults import made
from .systems import SYSTEMS, System

STARTS = 20
"""Number of exact states from which predictions are compared, over one period each."""
MAX_RATIO = 1.5
"""A prediction is as good as that of the oracle if its error is at most this factor larger."""


def case(name: str, fault: str, seed: int, *, steps: int) -> dict[str, Any]:
    """The result of one case, as JSON can hold it.

    `said`: the best candidate. `verdict`: `found`, `refused` or `wrong`. `confident`: whether a wrong answer is said
    to predict. `ratio`: error of prediction over that of the oracle, the true family fitted alone. `coverage`: of the
    bands on the held-out set.
    """
    system = SYSTEMS[name]
    recording, exact = made(system, fault, seed)
    row: dict[str, Any] = {"system": name, "fault": fault, "seed": seed, "steps": steps}
    began = time.perf_counter()
    try:
        found = nl.identification.identify(recording.motion, **recording.options, steps=steps, seed=seed)
    except nl.NeuralLagrangianError as error:
        return row | {"verdict": "refused", "said": str(error), "seconds": time.perf_counter() - began}
    row["seconds"] = time.perf_counter() - began
    contest, examination = found.candidates, found.outcome.examination
    own = [one.found for one in contest.candidates if one.found is not None and system.family in one.name]
    if not contest.candidates or found.formula_model is None:
        return row | {"verdict": "refused", "said": "no formula"}
    said = contest.winner.title
    error = prediction_error(found.formula_model, system, exact)
    oracle = prediction_error(own[0].model, system, exact) if own else np.inf
    ratio = error / oracle if np.isfinite(oracle) and oracle > 0 else np.nan
    named = system.family in said and all(word in said for word in system.friction)
    equal = contest.winner.fit is None and ratio <= MAX_RATIO
    coverage = None if examination is None else examination.bands.coverage
    verdict = "found" if named or equal else "wrong"
    return row | {
        "said": said,
        "verdict": verdict,
        "confident": verdict == "wrong" and found.predicts,
        "ratio": None if np.isnan(ratio) else float(ratio),
        "coverage": coverage,
    }


def prediction_error(model: Any, system: System, exact: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Median root mean square error of the coordinates over a period, from exact states, in spreads."""
    windows = []
    for t, y in exact:
        length = min(round(system.period / float(t[1] - t[0])), len(t) - 1)
        begins = np.linspace(0, len(t) - length - 1, max(1, STARTS // len(exact))).astype(int)
        windows += [(t[: length + 1], y[k : k + length + 1]) for k in begins]
    ts, ys = (jnp.asarray(np.stack(part)) for part in zip(*windows, strict=True))
    dof = len(system.names)
    predicted = np.asarray(jax.jit(jax.vmap(model))(ts, ys[:, 0]))[..., :dof]
    spreads = np.concatenate([y for _, y in exact]).std(axis=0)[:dof]
    errors = np.sqrt(np.mean(((predicted - np.asarray(ys)[..., :dof]) / spreads) ** 2, axis=(1, 2)))
    return float(np.median(np.where(np.isfinite(errors), errors, np.inf)))
