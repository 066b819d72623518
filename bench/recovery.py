"""How often the right formula comes out of noisy motion, and how often its intervals hold the truth.

    python -m bench.recovery noise --runs 50
    python -m bench.recovery coverage --runs 200
    python -m bench.recovery coverage --runs 200 --given

Each run is a line of a file; runs that are there are not made again, and several of these commands may share the file.
A table of all that it holds is printed at the end.
"""

import argparse
import json
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import neural_lagrangian as nl
from neural_lagrangian.discovery import FoundLagrangian, Library, distill, sparse_lagrangian
from neural_lagrangian.integrators import Integration
from neural_lagrangian.systems import (
    AbstractConservativeSystem,
    AbstractSystem,
    CartPole,
    DoublePendulum,
    Duffing,
    HenonHeiles,
    Pendulum,
    SpringPendulum,
)
from neural_lagrangian.trajectories import differentiate

MOST_SHARED = 100
"""Runs that share compiled programs: a process may hold only so many."""
SAME = 1e-6
"""Residual of the true Lagrangian in the terms found, below which they are the right ones."""


class Case(NamedTuple):
    """A system to be found again: its terms on offer, and states from which its motions begin."""

    system: AbstractSystem
    library: Library
    begin: Callable[[np.random.Generator, int], np.ndarray]
    noises: tuple[float, ...] = (0.02,)


class SphericalPendulum(AbstractConservativeSystem):
    r"""A point mass on a rod: $L = (\dot\theta^2 + \dot\phi^2 \sin^2 \theta) / 2 + g \cos \theta$."""

    integration: Integration = Pendulum().integration

    @property
    def dof(self) -> int:
        return 2

    def lagrangian(self, t: Any, q: Array, v: Array) -> Array:
        return (v[0] ** 2 + (v[1] * jnp.sin(q[0])) ** 2) / 2 + 9.81 * jnp.cos(q[0])

    def energy(self, t: Any, q: Array, v: Array) -> Array:
        return (v[0] ** 2 + (v[1] * jnp.sin(q[0])) ** 2) / 2 - 9.81 * jnp.cos(q[0])

    def acceleration(self, t: Any, q: Array, v: Array) -> Array:
        s, c = jnp.sin(q[0]), jnp.cos(q[0])
        return jnp.stack([s * c * v[1] ** 2 - 9.81 * s, -2 * v[0] * v[1] * c / s])

    def invariants(self, t: Any, q: Array, v: Array) -> dict[str, Array]:
        return {"energy": self.energy(t, q, v)}

    def sample_states(self, key: Array, count: int) -> Array:
        raise NotImplementedError("`_cones` says where its motions begin")

    def drawing(self, q: Array) -> Any:
        raise NotImplementedError("nothing draws it here")


def _released(angles: tuple[int, ...], dof: int) -> Callable[[np.random.Generator, int], np.ndarray]:
    """At rest, with some coordinates anywhere in a turn."""

    def begin(rng: np.random.Generator, count: int) -> np.ndarray:
        y0s = np.zeros((count, 2 * dof))
        y0s[:, angles] = rng.uniform(-np.pi, np.pi, (count, len(angles)))
        return y0s

    return begin


def _cones(rng: np.random.Generator, count: int) -> np.ndarray:
    rest = np.zeros(count)
    return np.column_stack([rng.uniform(np.pi / 3, np.pi / 2, count), rest, rest, rest + np.pi])


def _sampled(system: Any) -> Callable[[np.random.Generator, int], np.ndarray]:
    return lambda rng, count: np.asarray(system.sample_states(jax.random.key(int(rng.integers(1 << 30))), count))


def _turns() -> Library:
    """Sixty terms of a spherical pendulum (Purnomo and Hayashibe 2023)."""
    waves = Library.functions(
        2,
        {"sin(q0)": lambda t, q, v: jnp.sin(q[0]), "cos(q0)": lambda t, q, v: jnp.cos(q[0])},
        {"sin(q0)": "sin(q0)", "cos(q0)": "cos(q0)"},
    )
    one = Library(2, (), ((),))
    return (one + waves) ** 2 * (Library.coordinates(2, 1, [1]) + Library.velocities(2, 1)) ** 2


PUBLISHED = {
    "single pendulum": Case(
        Pendulum(), Library.waves(1, 2) * Library.velocities(1, 2), _released((0,), 1), (0.06, 0.12, 0.3)
    ),
    "cart with pole": Case(
        CartPole(),
        Library.waves(2, 2, [1]) * Library.velocities(2, 2),
        _released((1,), 2),
        (0.04, 0.08, 0.2),
    ),
    "spherical pendulum": Case(SphericalPendulum(), _turns(), _cones, (0.02, 0.04, 0.1)),
    "double pendulum": Case(
        DoublePendulum(),
        Library.waves(2, 2) * Library.velocities(2, 2),
        _released((0, 1), 2),
        (0.1, 0.2, 0.4),
    ),
}
"""Noise at which the right terms were published, twice as much, and more."""

_POLAR = ("r", "theta")
_CUBIC = Library.coordinates(2, 3) + Library.velocities(2, 2)
_DUFFING = Duffing(stiffness=1.0, hardening=1.0, damping=0.1, drive=0.0)
COVERED = {
    "pendulum": Case(Pendulum(), PUBLISHED["single pendulum"].library, _sampled(Pendulum())),
    "Duffing, damped": Case(
        _DUFFING,
        Library.coordinates(1, 4) * Library.velocities(1, 2),
        lambda rng, count: rng.uniform(-2, 2, (count, 2)),
    ),
    "Hénon-Heiles": Case(HenonHeiles(), _CUBIC, _sampled(HenonHeiles())),
    "spring pendulum": Case(
        SpringPendulum(),
        Library.coordinates(2, 2, [0], names=_POLAR)
        * Library.waves(2, 1, [1], names=_POLAR)
        * Library.velocities(2, 2, names=_POLAR),
        _sampled(SpringPendulum()),
    ),
    "cart with pole": Case(CartPole(), Library.waves(2, 1, [1]) * Library.velocities(2, 2), _released((1,), 2)),
    "double pendulum": Case(
        DoublePendulum(),
        Library.waves(2, 2) * Library.velocities(2, 2),
        lambda rng, count: np.hstack([rng.uniform(-1.5, 1.5, (count, 2)), np.zeros((count, 2))]),
    ),
}
TABLES = {"noise": PUBLISHED, "coverage": COVERED}
WAYS = ("measured velocities", "smoothed positions")


@cache
def _clean(table: str, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, states and accelerations: 100 motions of 5 s at 100 Hz, or 10 of 4 s at 50 Hz."""
    case = TABLES[table][name]
    count, duration, samples = (100, 5.0, 500) if table == "noise" else (10, 4.0, 200)
    ts = np.arange(samples) * (duration / samples)
    y0s = jnp.asarray(case.begin(np.random.default_rng(0), count))
    motion = nl.simulate(case.system, jnp.asarray(ts), y0s, accelerations=True)
    assert motion.accelerations is not None
    return ts, np.asarray(motion.ys), np.asarray(motion.accelerations)


def _recording(table: str, name: str, noise: float, way: str, seed: int) -> nl.Trajectories:
    ts, ys, a = _clean(table, name)
    rng = np.random.default_rng([seed, 2023])
    if table == "noise":
        disturbed = (x + rng.normal(0, noise, x.shape) for x in (ys, a))
        states, accelerations = disturbed
        return nl.Trajectories(ts, states, accelerations=accelerations if way == WAYS[0] else None)
    spread = noise * ys.std(axis=(0, 1))
    states = ys + spread * rng.normal(size=ys.shape)
    if way == WAYS[0]:
        return nl.Trajectories(ts, states)
    qs = list(states[..., : ys.shape[2] // 2])
    return differentiate([ts] * len(qs), qs)


def _among(library: Library, terms: Iterable[Any]) -> Library:
    """The library with these terms only."""
    return library.select([library.names.index(str(term)) for term in terms])


def _distilled(table: str, name: str, library: Library) -> FoundLagrangian:
    """The true Lagrangian in the terms of a library."""
    _, ys, _ = _clean(table, name)
    some = ys.reshape(-1, ys.shape[2])[:: max(1, ys.size // 4000)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return distill(TABLES[table][name].system.lagrangian, library, jnp.asarray(some))


@cache
def _true_terms(table: str, name: str) -> Library:
    """The terms of the true Lagrangian, among those on offer."""
    case = TABLES[table][name]
    found = _distilled(table, name, case.library)
    assert found.candidate is not None
    return _among(case.library, found.candidate.support)


@cache
def _truth(table: str, name: str, support: tuple[str, ...]) -> dict[str, float] | None:
    """The true coefficients in these terms; `None` if the Lagrangian is not a combination of them."""
    found = _distilled(table, name, _among(TABLES[table][name].library, support))
    if found.candidate is None or not found.residual < SAME:
        return None
    truth = {term: float(c) for term, c in found.candidate.named.items()}
    return truth if set(truth) == set(support) else None


def _run(table: str, name: str, noise: float, way: str, given: bool, seed: int) -> dict[str, Any]:
    library = _true_terms(table, name) if given else TABLES[table][name].library
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = sparse_lagrangian(_recording(table, name, noise, way, seed), library)
    line = {"table": table, "system": name, "noise": noise, "way": way, "given": given, "seed": seed}
    return line | _verdict(table, name, found) | {"seconds": round(time.perf_counter() - began, 1)}


def _verdict(table: str, name: str, found: FoundLagrangian) -> dict[str, Any]:
    if found.formula is None:
        return {"verdict": "refused", "why": found.missing[0]}
    names = tuple(map(str, found.formula.support))
    truth, system = _truth(table, name, names), TABLES[table][name].system
    friction = getattr(system, "damping", None)
    if truth is None or (friction is None) != (found.damping is None):
        return {"verdict": "wrong", "terms": names}
    c, errors = np.asarray(found.formula.coefficients), np.asarray(found.formula.standard_errors)
    true = np.array([truth[term] for term in names])
    if friction is not None and found.damping is not None and found.damping_errors is not None:
        c, errors = np.append(c, found.damping[0, 0]), np.append(errors, found.damping_errors[0, 0])
        true = np.append(true, float(friction))  # of unit mass, as the formula is
    free = (errors > 0) & np.isfinite(errors)
    held = int(np.sum(np.abs(c - true)[free] <= 1.96 * errors[free]))
    worst = float(np.max(np.abs(c / true - 1)[free], initial=0.0))
    return {"verdict": "right", "held": held, "intervals": int(free.sum()), "worst": worst}


def _table(lines: list[dict[str, Any]]) -> str:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        groups[line["system"], line["noise"], line["way"], "true" if line["given"] else "all"].append(line)
    rows = [
        "| system | noise | from | terms | right | refused | wrong | worst coefficient | 95 % intervals that hold |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (system, noise, way, terms), runs in sorted(groups.items()):
        count = {v: sum(run["verdict"] == v for run in runs) for v in ("right", "refused", "wrong")}
        right = [run for run in runs if run["verdict"] == "right"]
        worst = f"{100 * max(run['worst'] for run in right):.2g} %" if right else ""
        held, all_of_them = (sum(run[k] for run in right) for k in ("held", "intervals"))
        share = f"{100 * held / all_of_them:.1f} % of {all_of_them}" if all_of_them else ""
        cells = (system, noise, way, terms, *count.values(), worst, share)
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--runs", type=int, default=20, help="draws of noise in each row")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--systems", nargs="*", choices=sorted({*PUBLISHED, *COVERED}), help="only these")
    parser.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS, help="only these")
    parser.add_argument("--noises", nargs="*", type=float, help="only these")
    parser.add_argument("--given", action="store_true", help="offer the true terms only")
    parser.add_argument("--output", type=Path, default=Path(".bench/recovery.jsonl"))
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    keys = ("table", "system", "noise", "way", "given", "seed")

    def lines() -> list[dict[str, Any]]:
        if not options.output.exists():
            return []
        every_run = [json.loads(text) for text in options.output.read_text().splitlines()]
        return [run for run in every_run if run["table"] == options.table]

    cases, made = TABLES[options.table], 0
    for seed in range(options.first, options.first + options.runs):
        for name in options.systems or cases:
            for noise in options.noises or cases[name].noises:
                for way in options.ways:
                    run = (options.table, name, noise, way, options.given, seed)
                    if any(tuple(line[k] for k in keys) == run for line in lines()):
                        continue
                    made += 1
                    if made % MOST_SHARED == 0:
                        jax.clear_caches()
                    line = _run(*run)
                    print(line, flush=True)
                    with options.output.open("a") as file:
                        file.write(json.dumps(line) + "\n")
    print(_table(lines()))


if __name__ == "__main__":
    main()
