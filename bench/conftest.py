"""Options and settings shared by the benchmarks."""

import jax
import pytest


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="shortest mode: fewer sizes and repeats")


@pytest.fixture(scope="session")
def quick(request):
    return request.config.getoption("--quick")


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["jax"] = jax.__version__
    machine_info["device"] = jax.devices()[0].device_kind
