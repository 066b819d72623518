"""Which modes of linear dynamics a control can influence."""

import numpy as np
import scipy.linalg

from .errors import ControlError

UNCONTROLLABLE = 1e-8
"""Smallest singular value of $[A - \\lambda I, B]$, in balanced coordinates and relative to A, below which the control
does not influence the mode: about the square root of the round-off, the accuracy of a double eigenvalue."""


def check_stabilizable(A: np.ndarray, B: np.ndarray, *, discrete: bool) -> None:
    r"""Popov-Belevitch-Hautus test: $[A - \lambda I, B]$ has full rank for each mode that does not decay.

    **Raises:** `ControlError`, with the mode.
    """
    if not (np.all(np.isfinite(A)) and np.all(np.isfinite(B))):
        raise ControlError("the linearisation is not finite; expected a state where the model has an acceleration")
    balanced, transformation = map(np.asarray, scipy.linalg.matrix_balance(A))
    inputs = np.linalg.solve(transformation, B)
    sizes = np.linalg.norm(inputs, axis=0)
    scale = max(np.linalg.norm(balanced), np.finfo(float).tiny)
    inputs = inputs / np.where(sizes > 0, sizes, 1.0) * scale
    for value in np.linalg.eigvals(balanced):
        growth = np.abs(value) - 1 if discrete else value.real
        if growth < -UNCONTROLLABLE * (1 if discrete else scale):
            continue
        left, singular, _ = np.linalg.svd(np.hstack([balanced - value * np.eye(len(A)), inputs]))
        if singular[-1] < UNCONTROLLABLE * scale:
            raise ControlError(_message(complex(value), left[:, -1], transformation, discrete))


def _message(value: complex, direction: np.ndarray, transformation: np.ndarray, discrete: bool) -> str:
    """The mode: its eigenvalue, and the coordinates that take part in it."""
    parts = np.abs(np.linalg.solve(transformation.T, direction))
    parts = parts / parts.max()
    half = len(parts) // 2
    names = [f"q[{k}]" for k in range(half)] + [f"v[{k}]" for k in range(half)]
    listed = ", ".join(name for name, part in zip(names, parts, strict=True) if part > 0.1)
    shown = f"{value.real:.3g}" if abs(value.imag) < 1e-9 * max(abs(value), 1e-300) else f"{value:.3g}"
    kind = "per sample" if discrete else "per second"
    return (
        f"the linearisation cannot be stabilised: the mode in {listed} with eigenvalue {shown} {kind} does not decay, "
        f"and no control influences it; expected a `matrix` of the ControlForce that acts on it, or another state"
    )
