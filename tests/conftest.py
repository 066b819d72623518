import gc
import os

os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import jaxtyping
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
gc.set_threshold(200_000, 20, 20)  # tracing makes many objects, and few cycles
jax.config.update("jax_traceback_in_locations_limit", 0)  # where an operation comes from, which no test asks
# Where there is a cache (JAX_COMPILATION_CACHE_DIR) it keeps small functions too: there are thousands.
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


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


@pytest.fixture(autouse=True, scope="module")
def forget_compiled_functions():
    """Compiled functions of a whole run would fill the memory of a small machine."""
    yield
    jax.clear_caches()
