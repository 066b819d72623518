"""Everything that can be run: `nox -l` lists the sessions. Each installs what it needs."""

import os
import shutil
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "tests"]

CONSTRAINTS = ("-c", "constraints.txt")
DATA_VARIABLE = "NEURAL_LAGRANGIAN_DATA"


def install(session: nox.Session, *extras: str) -> None:
    """The package and its extras, at the versions of the last green run."""
    session.install("-e", f".[{','.join(extras)}]" if extras else ".", *CONSTRAINTS)


def environment(session: nox.Session, **variables: str) -> dict[str, str | None]:
    """What XLA and Python compile outlives a run; data are found from any folder; figures need no screen."""
    cache = Path(session.cache_dir).resolve() / "jax"
    env: dict[str, str | None] = {"JAX_COMPILATION_CACHE_DIR": str(cache), "MPLBACKEND": "agg", **variables}
    env["PYTHONDONTWRITEBYTECODE"] = None  # as containers often set it, each program compiles all that it imports
    if os.environ.get(DATA_VARIABLE):
        env[DATA_VARIABLE] = str(Path(os.environ[DATA_VARIABLE]).resolve())
    return env


def cores() -> dict[str, str]:
    """As many devices of JAX as there are cores, up to four and a power of two: they share each training step."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    devices = str(1 << min(count, 4).bit_length() - 1)
    return {"JAX_NUM_CPU_DEVICES": devices, "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}


@nox.session
def demo(session: nox.Session) -> None:
    """The main job: Lagrangian networks and a neural ODE learn the double pendulum; `-- --full` over five seeds."""
    install(session)
    session.run(
        "python",
        "examples/double_pendulum.py",
        "--demo",
        *session.posargs,
        env=environment(session, **cores()),
    )


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite in double precision; `-- --slow` adds the slow ones."""
    install(session, "tests", "io")
    session.run("pytest", "-n", "auto", *session.posargs, env=environment(session, JAX_ENABLE_X64="1"))


@nox.session
def tests_float32(session: nox.Session) -> None:
    """The tests that hold in single precision too."""
    install(session, "tests", "io")
    env = environment(session, JAX_ENABLE_X64="0")
    session.run("pytest", "-n", "auto", "-m", "not double", *session.posargs, env=env)


@nox.session
def tests_oldest(session: nox.Session) -> None:
    """The tests with the oldest dependencies allowed."""
    session.install("uv")
    session.run("uv", "pip", "install", "--resolution", "lowest-direct", "-e", ".[tests,io]")
    options = ("-n", "auto", "-W", "ignore::DeprecationWarning")  # of old packages against what they themselves need
    session.run("pytest", *options, *session.posargs, env=environment(session, JAX_ENABLE_X64="1"))


@nox.session
def tests_newest(session: nox.Session) -> None:
    """The tests with the newest dependencies, an early warning; `-- --pre` takes releases to come."""
    options = [option for option in session.posargs if option != "--pre"]
    session.install("uv")
    strategy = ("--prerelease", "allow") if "--pre" in session.posargs else ()
    session.run("uv", "pip", "install", "--upgrade", *strategy, "-e", ".[tests,io]")
    session.run("pytest", "-n", "auto", *options, env=environment(session, JAX_ENABLE_X64="1"))


@nox.session(python=["3.12", "3.13", "3.14"])
def tests_python(session: nox.Session) -> None:
    """The tests with newer interpreters, where they are installed."""
    install(session, "tests", "io")
    session.run("pytest", "-n", "auto", *session.posargs, env=environment(session, JAX_ENABLE_X64="1"))


@nox.session
def package(session: nox.Session) -> None:
    """Build sdist and wheel; run the tests against the wheel alone."""
    session.install("build", *CONSTRAINTS)
    dist = Path(session.create_tmp()).resolve()
    session.run("python", "-m", "build", "--outdir", str(dist))
    (wheel,) = dist.glob("*.whl")
    session.install(f"neural_lagrangian[tests,io] @ {wheel.as_uri()}", *CONSTRAINTS)
    elsewhere = dist / "checkout"  # without the package, which would be found first
    shutil.rmtree(elsewhere, ignore_errors=True)
    shutil.copytree("tests", elsewhere / "tests")
    shutil.copytree("docs", elsewhere / "docs", ignore=shutil.ignore_patterns("_build"))
    shutil.copy("pyproject.toml", elsewhere)
    with session.chdir(elsewhere):
        session.run("pytest", "-n", "auto", *session.posargs, env=environment(session, JAX_ENABLE_X64="1"))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, and imports that go downward only."""
    install(session, "lint", "tests")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("pyright")


@nox.session
def bench(session: nox.Session) -> None:
    """Benchmarks as ratios; `-- --quick` for the shortest mode, `-- --gpu` for a machine with an NVIDIA GPU."""
    install(session, "bench")
    if "--gpu" in session.posargs:
        session.install("jax[cuda12]", *CONSTRAINTS)
    options = ("-o", "addopts=", "-s", "--benchmark-columns=median", "--benchmark-json=bench/output/benchmark.json")
    Path("bench/output").mkdir(exist_ok=True)
    session.run("pytest", *options, "bench", *session.posargs, env=environment(session))


@nox.session
def recordings(session: nox.Session) -> None:
    """What `identify` finds in recordings with faults; `-- --quick` for three of them. Writes docs/recordings.md."""
    install(session)
    options = session.posargs if "--quick" in session.posargs else ("--docs", "docs/recordings.md", *session.posargs)
    session.run("python", "-m", "bench.recordings", *options, env=environment(session))


@nox.session
def mutants(session: nox.Session) -> None:
    """Single faults in a copy of the package, each of which the tests must notice; `-- --sample 10` takes ten."""
    install(session, "tests", "io")
    session.run("python", "-m", "tests.mutants.run", *session.posargs, env=environment(session, JAX_ENABLE_X64="1"))


@nox.session
def notebooks(session: nox.Session) -> None:
    """Execute each example in full into the notebook beside it, its claims checked."""
    install(session, "examples", "mujoco")
    inline = "module://matplotlib_inline.backend_inline"  # figures go into the notebook
    env = environment(session, MPLBACKEND=inline, **cores())
    for script in sorted(Path("examples").glob("*.py")):
        session.run("jupytext", "--to", "ipynb", "--execute", str(script), env=env)


@nox.session
def leaderboard(session: nox.Session) -> None:
    """Every published result beside ours: notebooks executed in full, `-- --stored` as they are, or `-- --quick`."""
    install(session, "examples", "mujoco")
    backend = "agg" if "--quick" in session.posargs else "module://matplotlib_inline.backend_inline"
    env = environment(session, MPLBACKEND=backend, **cores())
    session.run("python", "-m", "bench.leaderboard", *session.posargs, env=env)


@nox.session
def examples(session: nox.Session) -> None:
    """Each example at smoke size, as many at a time as there are cores."""
    install(session, "tests", "mujoco")
    options = ("-n", "auto", "-v", "--slow", *session.posargs)
    session.run("pytest", *options, "tests/test_examples.py", env=environment(session))


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site in docs/_build/html; a warning, or a link that leads nowhere, is an error."""
    install(session, "docs")
    options = ("-W", "--keep-going", "-n", "-b", "html", *session.posargs)
    session.run("sphinx-build", *options, "docs", "docs/_build/html", env=environment(session))
