"""Show the progress of a training: a bar on a terminal or in a notebook, otherwise a line every few seconds."""

import abc
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tqdm import tqdm

from .progress import Progress

SECONDS_BETWEEN_LINES = 5.0
"""Interval between two lines if standard error is a file or a pipe, in seconds."""


class Display(abc.ABC):
    """Something that shows the progress of a training."""

    @abc.abstractmethod
    def compiling(self) -> None:
        """Show that the next step is being compiled."""

    @abc.abstractmethod
    def show(self, progress: Progress) -> None:
        """Show the progress after more steps."""


@contextmanager
def display(wanted: bool, steps: int, taken: int) -> Iterator[Display]:
    """Choose the display for standard error; nothing is shown unless `wanted`.

    `steps`: total number of steps. `taken`: steps that a resumed training has taken before.
    """
    if not wanted or sys.stderr is None:
        yield _Silent()
    elif (notebook := _in_notebook()) or sys.stderr.isatty():
        with (_notebook_bar() if notebook else tqdm)(total=steps, initial=taken, unit="step") as bar:
            yield _Bar(bar)
    else:
        lines = _Lines()
        yield lines
        lines.end()


class _Silent(Display):
    def compiling(self) -> None:
        pass

    def show(self, progress: Progress) -> None:
        pass


class _Bar(Display):
    def __init__(self, bar: tqdm):
        self.bar = bar

    def compiling(self) -> None:
        self.bar.set_description("compiling")

    def show(self, progress: Progress) -> None:
        self.bar.set_description(f"horizon {progress.horizon}")
        self.bar.set_postfix(loss=f"{progress.loss:.2e}", diverged=progress.diverged, refresh=False)
        self.bar.update(progress.step - self.bar.n)


class _Lines(Display):
    def __init__(self):
        self.written, self.last = time.perf_counter(), ""
        self.pending, self.long = False, False

    def compiling(self) -> None:
        pass

    def show(self, progress: Progress) -> None:
        self.pending = True
        self.last = (
            f"step {progress.step} of {progress.steps}, horizon {progress.horizon}, loss {progress.loss:.2e}, "
            f"{progress.diverged} windows diverged, {progress.seconds:.0f} s"
        )
        if time.perf_counter() - self.written >= SECONDS_BETWEEN_LINES:
            self._write()
            self.long = True

    def end(self) -> None:
        """Write the last line, if the training was long enough for a line before."""
        if self.long and self.pending:
            self._write()

    def _write(self) -> None:
        with suppress(OSError, ValueError):  # a closed stream or pipe must not end the training
            sys.stderr.write(f"{self.last}\n")
            sys.stderr.flush()
        self.written, self.pending = time.perf_counter(), False


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def _notebook_bar() -> type[tqdm]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets the bar is text, which tqdm warns of
        from tqdm.auto import tqdm as bar
    return bar
