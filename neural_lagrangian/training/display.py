"""What a training shows while it runs: a bar on a terminal or in a notebook, else a line every few seconds."""

import abc
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tqdm import tqdm

from .progress import Progress

LINE_EVERY = 5.0
"""Seconds from one line to the next where standard error is neither a terminal nor a notebook, but a file or a pipe."""


class Display(abc.ABC):
    """Shows how a training goes."""

    @abc.abstractmethod
    def compiling(self) -> None:
        """The next step is compiled first, which takes a while."""

    @abc.abstractmethod
    def show(self, progress: Progress) -> None:
        """Some more steps were taken."""


@contextmanager
def display(wanted: bool, steps: int, taken: int) -> Iterator[Display]:
    """The display that fits where standard error goes; nothing is shown unless `wanted`. `taken`: steps that a training
    which goes on has taken before.
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
        if time.perf_counter() - self.written >= LINE_EVERY:
            self._write()
            self.long = True

    def end(self) -> None:
        """The last line too, if the training took so long that there was one before."""
        if self.long and self.pending:
            self._write()

    def _write(self) -> None:
        with suppress(OSError, ValueError):  # nobody reads, or it is closed: the training is worth more
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
