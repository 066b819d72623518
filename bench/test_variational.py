"""Variational integrators over long times: cost against a scan written by hand, and against Runge-Kutta methods.

In double precision. The hand-written scan does the arithmetic of `GalerkinGaussLobatto(2)` for one linear oscillator:
the same nodes, the same Newton iteration to round-off from the same guess, the same compensated sums, and no more.
"""

import time

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import neural_lagrangian as nl
from neural_lagrangian import analysis
from neural_lagrangian.integrators import RK4, Integration, StormerVerlet
from neural_lagrangian.numerics.lobatto import differentiation_matrix, gauss_lobatto
from neural_lagrangian.systems import DampedOscillator, Pendulum

from .harness import Contender, compiled

DAMPING, STEP = 1e-4, 0.1
LONG_COLUMNS = {
    "contender": "1e6 steps of the damped oscillator, r = 2",
    "seconds": "time",
    "fastest_seconds": "fastest",
    "ratio": "ratio",
    "compile_seconds": "compile",
    "energy_error": "energy error",
}
COLUMNS = {
    "contender": "method",
    "step": "step",
    "steps": "steps",
    "evaluations": "evaluations",
    "seconds": "time",
    "error": "error of the state",
    "energy_error": "energy error",
}


def test_long_run(compare, report, quick):
    rows_of, per_row = (10, 1000) if quick else (1000, 1000)
    with jax.enable_x64(True):
        ts = STEP * per_row * jnp.arange(rows_of + 1.0)

        def ours(y0):
            integration = Integration(nl.GalerkinGaussLobatto(2), stepsize_controller=nl.StepsPerSample(per_row))
            return DampedOscillator(damping=DAMPING, integration=integration)(ts, y0)

        contenders = [
            Contender("written by hand", lambda y0: _by_hand(rows_of, per_row, y0), (jnp.asarray([1.0, 0.0]),)),
            Contender("GalerkinGaussLobatto(2)", ours, (jnp.asarray([1.0, 0.0]),)),
        ]
        rows, outputs = compare(contenders, baseline="written by hand", rounds=3 if quick else 7)
        soon = np.asarray(ts) <= 1e4
        for row in rows:
            energy = np.sum(np.asarray(outputs[row["contender"]]) ** 2, axis=1)
            true = np.sum(_damped(np.asarray(ts)) ** 2, axis=1)
            row["energy_error"] = float(np.abs(energy / true - 1)[soon].max())
    report.table("long_run", "A million variational steps", rows, LONG_COLUMNS)


def _by_hand(rows, per_row, y0):
    c, b = gauss_lobatto(4)
    D = differentiation_matrix(c)[:, 1:]
    T = np.eye(4)[:, 1:]
    T[:, -1] -= 1
    powers = (c[:, None] - 1) ** np.arange(4)
    taylor = np.linalg.pinv(powers)[1:, 1:]
    h, exponents = STEP, np.arange(1, 4)
    Jacobian = (
        D.T @ (b[:, None] * D) + h * T.T @ (-DAMPING * b[:, None] * D) - h**2 * T.T @ (b[:, None] * np.eye(4)[:, 1:])
    )
    inverse, D, T, b = (jnp.asarray(x) for x in (np.linalg.inv(Jacobian), D, T, b))
    ahead, taylor = jnp.asarray((h * c[1:, None]) ** exponents), jnp.asarray(taylor / h ** exponents[:, None])

    def forces(z, q):
        v = D @ z / h
        return v, -(q + jnp.concatenate([jnp.zeros(1), z])) - DAMPING * v

    def step(_, state):
        q, p, q_lost, p_lost, series = state

        def iterate(state):
            z, _, size, _ = state
            v, f = forces(z, q)
            dz = -inverse @ (h * (D.T @ (b * v) + h * (T.T @ (b * f))).at[-1].subtract(p))
            return z + dz, size, jnp.max(jnp.abs(dz)), jnp.max(jnp.abs(z))

        def unfinished(state):
            _, before, size, scale = state
            left = jnp.where(before == jnp.inf, size, size / before * size)
            return ~(left <= 2.8e-17 * scale)

        z, *_ = jax.lax.while_loop(unfinished, iterate, (ahead @ series, jnp.inf, jnp.inf, 0.0))
        _, f = forces(z, q)
        dq, dp = z[-1] - q_lost, h * (b @ f) - p_lost
        q_new, p_new = q + dq, p + dp
        return q_new, p_new, (q_new - q) - dq, (p_new - p) - dp, taylor @ z

    def row(state, _):
        state = jax.lax.fori_loop(0, per_row, step, state)
        return state, jnp.stack(state[:2])

    start = y0[0], y0[1], jnp.zeros(()), jnp.zeros(()), jnp.zeros(3).at[0].set(y0[1])
    _, ys = jax.lax.scan(row, start, None, length=rows)
    return jnp.concatenate([y0[None], ys])


def _damped(ts):
    """From rest at 1 m, of mass and stiffness one."""
    w = np.sqrt(1 - DAMPING**2 / 4)
    decay = np.exp(-DAMPING * ts / 2)
    q = decay * (np.cos(w * ts) + DAMPING / (2 * w) * np.sin(w * ts))
    return np.stack([q, -decay / w * np.sin(w * ts)], axis=1)


STEPS = (2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
# Of a pendulum, for which no method is exact: solver, evaluations a step, and the shortest step worth its time.
METHODS = {
    "Tsit5": (diffrax.Tsit5(), 6, 0.01),
    "Dopri8": (diffrax.Dopri8(), 13, 0.02),
    "RK4": (RK4(), 4, 0.01),
    "Störmer-Verlet": (StormerVerlet(), None, 0.01),
    "GGL r = 1": (nl.GalerkinGaussLobatto(1), None, 0.02),
    "GGL r = 2": (nl.GalerkinGaussLobatto(2), None, 0.05),
    "GGL r = 4": (nl.GalerkinGaussLobatto(4), None, 0.1),
    "GGL r = 8": (nl.GalerkinGaussLobatto(8), None, 0.2),
}


def test_work_precision_over_long_times(report, quick):
    span, count = (20.0, 2) if quick else (2000.0, 20)
    with jax.enable_x64(True):
        steps, methods = ((0.2, 0.1), dict(list(METHODS.items())[::4])) if quick else (STEPS, METHODS)
        rows = _rows(span, count, steps, methods)
        report.table("long_work_precision", f"Work against precision over {span:.0f} s", rows, COLUMNS)
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    names = dict.fromkeys(row["contender"] for row in rows)
    for ax, key, label in zip(axes, ("error", "energy_error"), ("error of the state", "energy error"), strict=True):
        points = {k: [(r["seconds"], r[key] + 1e-17) for r in rows if r["contender"] == k] for k in names}
        analysis.plot_work_precision(points, work="time [s]", error=f"{label} after {span:.0f} s", ax=ax)
        ax.set_ylim(top=10.0)
    report.figure("long_work_precision", figure)
    plt.close(figure)


def _rows(span, count, steps, methods):
    y0 = jnp.asarray([1.5, 0.0])
    ts = jnp.linspace(0.0, span, count + 1)
    pendulum = Pendulum()
    # Adaptive steps at a tolerance of 1e-13 are wrong by 6e-8 in the end; this agrees with them to that.
    fine = Integration(nl.GalerkinGaussLobatto(12), stepsize_controller=nl.StepsPerSample(round(span / count / 0.2)))
    truth = jax.jit(eqx.tree_at(lambda s: s.integration, pendulum, fine))(ts, y0)
    energy = jax.vmap(lambda y: pendulum.energy(0.0, *jnp.split(y, 2)))
    rows = []
    for name, (solver, stages, shortest) in methods.items():
        for h in (h for h in steps if h >= shortest):
            per_sample = round(span / count / h)
            integration = Integration(solver, stepsize_controller=nl.StepsPerSample(per_sample))
            executable, _ = compiled(eqx.tree_at(lambda s: s.integration, pendulum, integration), ts, y0)
            ys, seconds = _fastest(executable, ts, y0)
            ok = bool(np.all(np.isfinite(ys)))
            rows.append(
                {"contender": name, "step": h, "steps": per_sample * count, "seconds": seconds}
                | {"evaluations": None if stages is None else stages * per_sample * count}
                | {"error": float(np.abs(ys - truth)[-5:].max()) if ok else np.inf}
                | {"energy_error": float(np.abs(energy(ys) - energy(y0[None])).max() / 9.81) if ok else np.inf}
            )
    return rows


def _fastest(executable, *args, rounds=3):
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        ys = jax.block_until_ready(executable(*args))
        times.append(time.perf_counter() - began)
    return np.asarray(ys), min(times)
