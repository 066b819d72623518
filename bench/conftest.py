"""Options and settings shared by the benchmarks."""

from pathlib import Path

import jax
import pytest

from .harness import Report, measure


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="shortest mode: fewer sizes and rounds")
    parser.addoption("--gpu", action="store_true", help="run on a GPU, with the suites that only it can run")
    parser.addoption("--output", default=str(Path(__file__).parent / "output"), help="folder of tables and figures")


def pytest_configure(config):
    # Compile times are measured: nothing may come from an earlier run.
    jax.config.update("jax_enable_compilation_cache", False)
    if config.getoption("--gpu") and jax.default_backend() != "gpu":
        raise pytest.UsageError(f"--gpu was given, but JAX runs on {jax.default_backend()}: no GPU, or no CUDA build")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--gpu"):
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a GPU: run with --gpu"))


@pytest.fixture(scope="session")
def quick(request):
    return request.config.getoption("--quick")


@pytest.fixture
def standard(quick):
    """Skips what the quick mode has no time for."""
    if quick:
        pytest.skip("not in the quick mode")


@pytest.fixture(scope="session")
def report(request):
    return Report(Path(request.config.getoption("--output")))


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["jax"] = jax.__version__
    machine_info["device"] = jax.devices()[0].device_kind


@pytest.fixture
def compare(benchmark):
    """`harness.measure`; pytest-benchmark's record of a test holds all its rows, and the time of its first group."""
    records = []

    def run(contenders, **keywords):
        first = not records
        out = benchmark.pedantic(measure, (contenders,), keywords) if first else measure(contenders, **keywords)
        records.extend(out[0])
        return out

    yield run
    benchmark.extra_info["rows"] = records
