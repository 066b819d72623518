r"""Affine generators $\xi = A q + b + b' t$, $\tau$ of symmetries: coefficient vectors, names and formulas."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

EXACT, NEAR = 1e-3, 0.1
"""Largest relative distance from a named generator: for the name itself, and for "nearly" that name."""


class GeneratorParts(NamedTuple):
    r"""The parts of a generator: $A$, shape `(dof, dof)`; $b$ and $b'$, shape `(dof,)`; $\tau$. NumPy or JAX arrays."""

    matrix: Any
    shift: Any
    drift: Any
    tau: Any


def split(coefficients: Any, dof: int) -> GeneratorParts:
    """Split coefficient vectors into their parts, along the last axis."""
    n = dof
    A = coefficients[..., : n * n].reshape(*coefficients.shape[:-1], n, n)
    return GeneratorParts(
        A, coefficients[..., n * n : n * n + n], coefficients[..., n * n + n : -1], coefficients[..., -1]
    )


def join(parts: Sequence[Any]) -> np.ndarray:
    """Join the parts into one coefficient vector."""
    return np.concatenate([np.ravel(x) for x in parts])


def name(coefficients: np.ndarray, size: np.ndarray, dof: int) -> str:
    r"""The name of a generator, such as "rotation in (q0, q1)", or "affine" if it has no name.

    **Arguments:**

    - `coefficients`: coefficients of one generator, the leading one equal to one.
    - `size`: the effect of each coefficient at the value one, in scaled units.
    - `dof`: degrees of freedom n.
    """
    g, weight = split(coefficients, dof), split(size, dof)
    P, p, p_t, p_tau = (np.clip(np.rint(x), -1, 1) for x in g)
    kinds = [kind for kind, part in zip("Abdt", (P, p, p_t, p_tau), strict=True) if part.any()]
    title = "affine"
    if "A" in kinds and "d" not in kinds and (planes := _planes(P)):
        centre = -P.T @ g.shift  # P (q - centre) = A q + b, since in its planes P^-1 = P^T
        p = -P @ centre
        title = "rotation in " + ", ".join(f"(q{i}, q{j})" for i, j in planes)
        if np.abs(p * weight.shift).max() > EXACT * np.abs(P * weight.matrix).max():
            title += " about (" + ", ".join(f"{centre[i]:.3g}" for plane in planes for i in plane) + ")"
        if "t" in kinds:
            p_tau, title = g.tau, f"{title} with time"
    elif kinds == ["A"] and np.array_equal(P, np.eye(dof)):
        title = "dilation"
    elif kinds == ["b"]:
        title = "translation along " + _axes(p)
    elif kinds == ["d"]:
        title = "boost along " + _axes(p_t)
    elif kinds == ["t"]:
        title = "time translation"
    pattern = join(GeneratorParts(P, p, p_t, p_tau))
    distance = np.linalg.norm((coefficients - pattern) * size) / np.linalg.norm(coefficients * size)
    if title == "affine" or distance > NEAR:
        return "affine"
    return title if distance <= EXACT else f"nearly {title}"


def formula(coefficients: np.ndarray, size: np.ndarray, dof: int) -> str:
    r"""The generator as a formula, to three digits. Terms below a thousandth of the largest are left out.

    The arguments are as for `name`.
    """
    effect = np.abs(coefficients * size)
    A, b, drift, tau = split(np.where(effect > EXACT * effect.max(), coefficients, 0.0), dof)
    symbols = [*(f"q{j}" for j in range(dof)), "", "t"]
    rows = np.hstack([A, b[:, None], drift[:, None]])
    parts = [f"ξ{i} = {combination(row, symbols)}" for i, row in enumerate(rows) if row.any()]
    if tau:
        parts.append(f"τ = {combination(tau[None], [''])}")
    return ", ".join(parts)


def combination(coefficients: np.ndarray, symbols: list[str]) -> str:
    """The text of a sum of coefficients times symbols, without zero terms."""
    words = ""
    for c, symbol in zip(coefficients, symbols, strict=True):
        number = f"{abs(c):.3g}"
        if c == 0:
            continue
        term = symbol if symbol and number == "1" else f"{number} {symbol}".strip()
        sign = (" - " if c < 0 else " + ") if words else ("-" if c < 0 else "")
        words += sign + term
    return words or "0"


def _planes(P: np.ndarray) -> list[tuple[int, int]]:
    """The planes of an infinitesimal rotation with entries 0 and ±1, first axis to second. Empty if it is not one."""
    if np.any(P + P.T) or np.any(np.abs(P).sum(axis=1) > 1):
        return []
    pairs = zip(*np.nonzero(np.triu(P)), strict=True)
    return [(int(i), int(j)) if P[j, i] > 0 else (int(j), int(i)) for i, j in pairs]


def _axes(p: np.ndarray) -> str:
    return ", ".join(("-" if x < 0 else "") + f"q{i}" for i, x in enumerate(p) if x)
