import datetime
import gc
import json
import os
import platform
from pathlib import Path

from .xla_flags import settings_of_jax

os.environ.update(settings_of_jax())

import jax
import jaxtyping
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
LAST_SLOW_RUN = Path(__file__).parent / "last_slow_run.json"

gc.set_threshold(200_000, 20, 20)  # tracing makes many objects, and few cycles
jax.config.update("jax_traceback_in_locations_limit", 0)  # where an operation comes from, which no test asks
# Where there is a cache (JAX_COMPILATION_CACHE_DIR) it keeps small functions too: there are thousands.
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """A whole run with the slow tests that nothing failed in leaves its date behind."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not (
        config.option.keyword or config.option.markexpr
    )
    if not (config.getoption("--slow") and whole and exitstatus == pytest.ExitCode.OK):
        return
    counts = {kind: len(terminalreporter.stats.get(kind, [])) for kind in ("passed", "skipped")}
    run = {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        **counts,
    }
    LAST_SLOW_RUN.write_text(json.dumps(run, indent=1) + "\n")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow; run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def as_users_call_it(request):
    """Tests of bad input see the package's own message, not that of the run-time type checker of the tests."""
    jaxtyping.config.update("jaxtyping_disable", "bad_input" in request.keywords)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def strict_promotion(request):
    """Mixed dtypes inside the package are errors; optax is exempt, since its Muon mixes them."""
    if "optax" in request.keywords:
        yield
    else:
        with jax.numpy_dtype_promotion("strict"):
            yield


@pytest.fixture
def optimized():
    """Code as users have it. Two programs that agree to the last bit there need not agree without optimisations."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(autouse=True, scope="module")
def forget_compiled_functions():
    """Compiled functions of a whole run would fill the memory of a small machine."""
    yield
    if resident_memory() > 2 << 30:
        jax.clear_caches()
    from neural_lagrangian.numerics import make_room_for_programs  # here, after jaxtyping checks its functions

    make_room_for_programs()


def resident_memory():
    """Bytes that this process holds; without end where the system does not tell."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if status.exists() else float("inf")
