"""The program `neural_lagrangian`: its arguments and its exit status.

The exit status is 0 if there is an answer, 1 if the data, a file or the training give none (one line says why), 2 for
wrong usage, 130 after an interrupt and 143 after a termination. Modules that compute are imported after the arguments
are read, so that `--help` is fast.
"""

import argparse
import importlib
import math
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from .._errors import NeuralLagrangianError
from ..identification import Language, Predictor, Structure
from .interruption import Terminated
from .options import add_columns, add_parameters, add_signal, in_options, parse_count, parse_finite, parse_positive
from .text import note, to_errors

NAME = "neural_lagrangian"
MAX_DEVICES = 4
"""Largest number of CPU devices that share a training: each should have some windows of a batch."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and return the exit status.

    **Arguments:**

    - `arguments`: words of the command line (default: those of the process).

    **Raises:** `SystemExit` for wrong usage (status 2), and after `--help` and `--version`, as `argparse` does.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    asked = _parser().parse_args(list(map(_shielded, given)), argparse.Namespace(given=given))
    from ..identification import UsageError

    command = importlib.import_module(f".{asked.command}", __package__)
    if asked.command == "fit":
        _use_cores()
    with _configured(asked.float32), _terminable(), warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)  # warnings of the package on the data or the training
        warnings.showwarning = lambda message, *_: note(str(message))
        try:
            command.run(asked)
        except (KeyboardInterrupt, Terminated) as error:
            terminated = isinstance(error, Terminated)
            left = in_options("; ".join(getattr(error, "__notes__", ["nothing was written"])))
            to_errors(f"{NAME}: {'terminated' if terminated else 'interrupted'}; {left}")
            return 143 if terminated else 130
        except (NeuralLagrangianError, OSError) as error:  # OSError: a file that cannot be opened or written
            to_errors(f"{NAME}: {' '.join(in_options(error).split())}")
            return 2 if isinstance(error, UsageError) else 1
    return 0


def _shielded(text: str) -> str:
    """Put a space before a negative number. Otherwise `argparse` reads -1e-3 as an option."""
    try:
        negative = text.startswith("-") and not math.isnan(float(text))
    except ValueError:  # not a number
        return text
    return f" {text}" if negative else text


@contextmanager
def _terminable() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM while the command runs, so that training can write a checkpoint."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _use_cores() -> None:
    """Make several devices of the cores of this machine, which then share the windows of each gradient step.

    Each device computes its products with one thread, since threads of several devices would wait for each other.
    Nothing changes if the user has chosen a number of devices, or if this process computes already.
    """
    import jax

    flags = os.environ.get("XLA_FLAGS", "")
    if jax.config.values["jax_num_cpu_devices"] != -1 or "host_platform_device_count" in flags:
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        jax.config.update("jax_num_cpu_devices", 1 << min(cores, MAX_DEVICES).bit_length() - 1)
    except RuntimeError:  # JAX has begun to compute
        return
    os.environ["XLA_FLAGS"] = (
        f"--xla_cpu_multi_thread_eigen=false {flags}"  # the user's own flag comes later and counts
    )


@contextmanager
def _configured(single: bool) -> Iterator[None]:
    """Set JAX's options while the command runs: the precision, and a folder for compiled programs."""
    import jax

    options = {"jax_enable_x64": not single, **_kept_programs(jax.config.values["jax_compilation_cache_dir"])}
    before = {name: jax.config.values[name] for name in options}
    try:
        for name, value in options.items():
            jax.config.update(name, value)
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def _kept_programs(chosen: str | None) -> dict[str, Any]:
    """Options that keep compiled programs in the user's cache folder: none if the user has chosen a folder (environment
    variable `JAX_COMPILATION_CACHE_DIR`), or if the folder cannot be written.
    """
    if chosen:
        return {}
    import pooch

    folder = Path(pooch.os_cache(NAME)) / "programs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    if not os.access(folder, os.W_OK):
        return {}
    return {"jax_compilation_cache_dir": str(folder), "jax_persistent_cache_min_compile_time_secs": 0.0}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        NAME, description="Learn the Lagrangian of a mechanical system from a recording of its motion."
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {version(NAME)}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help: str, example: str) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=help,
            description=f"{help[0].upper()}{help[1:]}.",
            epilog=f"example:\n  {NAME} {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.add_argument("--float32", action="store_true", help="compute everything in single precision, as for a GPU")
        return made

    _add_fit(command("fit", "learn a model from a recording", "fit pendulum.csv --dof 1 --angles theta"))
    _add_rollout(
        command(
            "rollout",
            "predict a motion with a model",
            "rollout pendulum-fit --start 1.2 0 --until 10 --step 0.01 --output predicted.csv",
        )
    )
    _add_export(
        command("export", "write a model as a C file for a microcontroller", "export pendulum-fit --output pendulum.c")
    )
    _add_compare(
        command(
            "compare",
            "compare a model with a recording, or two models with each other at the states of a recording",
            "compare pendulum-fit another.csv",
        )
    )
    _add_info(command("info", "summarise a model, or a recording and what looks wrong in it", "info pendulum.csv"))
    return parser


def _add_fit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recording", metavar="RECORDING", help="a file (.csv, .npz, .parquet, .h5, ...) with one sample a row"
    )
    add_columns(parser)
    group = parser.add_argument_group("the model")
    group.add_argument(
        "--structure",
        choices=get_args(Structure),
        default="mechanical",
        help="mechanical: kinetic minus potential energy, each a network (default); free: one network of the state",
    )
    group.add_argument("--friction", action="store_true", help="learn linear damping in addition to the Lagrangian")
    group = parser.add_argument_group("the training")
    group.add_argument(
        "--steps",
        type=parse_count,
        help="total number of gradient steps of each network (default: 2400, or none if a known system explains all)",
    )
    group.add_argument(
        "--minutes",
        type=parse_positive,
        help="time limit for everything, in minutes (default: none); the best result so far is reported",
    )
    group.add_argument(
        "--seed", type=_parse_seed, default=0, help="random seed for initial weights and batches (default: 0)"
    )
    group.add_argument(
        "--output", metavar="FOLDER", help="folder to write to (default: RECORDING-fit in the current folder)"
    )
    group.add_argument("--resume", action="store_true", help="continue an interrupted fit; give the same options")


def _add_rollout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a folder that `fit` has written")
    parser.add_argument(
        "--start",
        type=parse_finite,
        nargs="+",
        required=True,
        metavar="VALUE",
        help="coordinates, then velocities, in the units of the recording",
    )
    parser.add_argument(
        "--until", type=parse_positive, required=True, metavar="T", help="duration, in the recording's unit of time"
    )
    parser.add_argument("--step", type=parse_positive, required=True, metavar="DT", help="time between two rows")
    parser.add_argument(
        "--output", metavar="FILE", help="file to write: .csv, .npz, .parquet or .h5 (default: print a table)"
    )
    add_parameters(parser)
    add_signal(parser)
    _add_predictor(parser)
    _add_anyway(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a folder that `fit` has written")
    parser.add_argument("--to", choices=get_args(Language), default="c", help="language (default: %(default)s)")
    parser.add_argument(
        "--output", metavar="FILE", required=True, help="file to write, such as pendulum.c; pendulum.h is written too"
    )
    add_parameters(parser)
    _add_predictor(parser)
    _add_anyway(parser)


def _add_anyway(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="use the model even if `fit` reported that it predicts no better than the baselines",
    )


def _add_predictor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--predictor",
        choices=[name for name in get_args(Predictor) if name != "family"],  # a function of Python
        help="network: the trained network; formula: the formula with its friction (default: what `fit` found best)",
    )


def _parse_seed(text: str) -> int:
    """Parse an integer of at most 63 bits and a sign."""
    try:
        value = int(text)
    except ValueError:  # not a number: refused below, in our words
        value = None
    if value is None or not -(2**63) <= value < 2**63:
        raise argparse.ArgumentTypeError(f"is {text.strip()!r}; expected an integer of at most 63 bits and a sign")
    return value


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a folder that `fit` has written")
    parser.add_argument(
        "others",
        nargs="+",
        metavar="MODEL|RECORDING",
        help="a recording with the column names of the model's recording, another model, or both",
    )
    add_parameters(parser)
    _add_predictor(parser)


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="MODEL|RECORDING", help="a folder that `fit` has written, or a recording")
    add_columns(parser)
