"""Checkpoints of a training, in a folder, from which it can be resumed."""

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._archive import ArchiveError, DamageError, read_archive, write_archive
from .._errors import NeuralLagrangianError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

KIND = "checkpoint"
"""Kind of file, written in its header."""
_NAME = re.compile(r"step-(\d{9,})\.checkpoint")
_LEFT_OVER = re.compile(r"\.step-\d{9,}\.checkpoint\..+")


class CheckpointError(NeuralLagrangianError, ValueError):
    """Checkpoints belong to another training, are all damaged, or are being written by another process."""


class Checkpoints:
    """A folder with the newest checkpoints of one training. It is made if it does not exist.

    Each checkpoint is written all or nothing. It holds arrays, their SHA-256 and the architecture, as files of
    `nl.save` do.

    **Arguments:**

    - `folder`: the folder. No other training may use it.
    - `keep`: number of newest checkpoints to keep.

    **Raises:** `CheckpointError` if `folder` is a file.
    """

    def __init__(self, folder: str | Path, keep: int = 3):
        self.folder, self.keep, self.alone = Path(folder), keep, False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise CheckpointError(
                f"`resume` is {str(folder)!r}, where there is a file; expected a folder, or the name of a new one"
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder against other processes.

        On systems without locks it stays unlocked, and left-over files of other processes are not removed.

        **Raises:** `CheckpointError` if another training has locked the folder.
        """
        if fcntl is None:
            yield
            return
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.alone = True
            except BlockingIOError as error:
                raise CheckpointError(
                    f"`resume` is {str(self.folder)!r}, but another training writes its checkpoints to this folder; "
                    f"wait until it ends, or give another folder"
                ) from error
            except OSError:  # a file system without locks
                pass
            yield
        finally:
            self.alone = False
            os.close(handle)

    def write(self, step: int, tree: Any, header: dict[str, Any]) -> None:
        """Write a checkpoint. Remove the oldest ones, and files that an interrupted write has left."""
        write_archive(self.folder / f"step-{step:09d}.checkpoint", KIND, tree, header)
        left_over = self._named(_LEFT_OVER) if self.alone else []
        for path in [*self._paths()[: -self.keep], *left_over]:
            path.unlink(missing_ok=True)

    def newest(self, like: Callable[[dict[str, Any]], Any]) -> tuple[dict[str, Any], Any] | None:
        """Read header and tree of the newest sound checkpoint; `None` if there are no checkpoints.

        A damaged checkpoint gives a warning, and the one before it is tried.

        **Raises:** `CheckpointError` if the checkpoint belongs to another training, if a folder has the name of a
        checkpoint, or if all are damaged.
        """
        for path in self.folder.iterdir():
            if _NAME.fullmatch(path.name) and not path.is_file():
                raise CheckpointError(f"{path} is not a file, but has the name of a checkpoint; move it away")
        paths = self._paths()[::-1]
        for path in paths:
            try:
                return read_archive(path, KIND, like)
            except DamageError as error:
                warnings.warn(f"{error}; the checkpoint before it is taken", stacklevel=3)
            except ArchiveError as error:
                raise CheckpointError(str(error)) from error
        if paths:
            count = len(paths)
            raise CheckpointError(f"{self.folder} has {count} checkpoints, all damaged; name a new folder")
        return None

    def _paths(self) -> list[Path]:
        """Paths of the checkpoints, from the oldest to the newest."""
        return sorted(self._named(_NAME), key=lambda path: int(path.name[5:].partition(".")[0]))

    def _named(self, pattern: re.Pattern[str]) -> list[Path]:
        """Paths of files with such a name. Folders are left out: this class makes none."""
        return [path for path in self.folder.iterdir() if pattern.fullmatch(path.name) and path.is_file()]
