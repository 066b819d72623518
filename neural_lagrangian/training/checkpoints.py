"""Where a training goes on after it was killed: a folder with the newest few of its states."""

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
_NAME = re.compile(r"step-(\d{9,})\.checkpoint")
_LEFT_OVER = re.compile(r"\.step-\d{9,}\.checkpoint\..+")


class CheckpointError(NeuralLagrangianError, ValueError):
    """Checkpoints that are of another training, that are all damaged, or to which another process writes."""


class Checkpoints:
    """The newest checkpoints of a training, in a folder that is made if it is not there.

    Each is written all or nothing and holds arrays, their SHA-256 and the architecture; see `nl.save`.

    **Arguments:**

    - `folder`: of one training alone.
    - `keep`: how many of the newest are kept.

    **Raises:** `CheckpointError` if there is a file in place of the folder.
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
        """Keep every other process from writing here; where the system cannot tell, nothing but own files is removed.

        **Raises:** `CheckpointError` if another training writes here.
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
                    f"`resume` is {str(self.folder)!r}, where another training writes its checkpoints now; expected a "
                    f"folder of its own for each: wait for the other, or name another folder"
                ) from error
            except OSError:  # a file system without locks
                pass
            yield
        finally:
            self.alone = False
            os.close(handle)

    def write(self, step: int, tree: Any, header: dict[str, Any]) -> None:
        """Write one, and remove the oldest, with what an interrupted write has left."""
        write_archive(self.folder / f"step-{step:09d}.checkpoint", KIND, tree, header)
        left_over = self._named(_LEFT_OVER) if self.alone else []
        for path in [*self._paths()[: -self.keep], *left_over]:
            path.unlink(missing_ok=True)

    def newest(self, like: Callable[[dict[str, Any]], Any]) -> tuple[dict[str, Any], Any] | None:
        """Header and tree of the newest that is sound, with a warning for each that is damaged; `None` if there are
        none.

        **Raises:** `CheckpointError` if one is of another training or a folder, or all are damaged.
        """
        for path in self.folder.iterdir():
            if _NAME.fullmatch(path.name) and not path.is_file():
                raise CheckpointError(f"{path} is not a file; expected a checkpoint there: move it away")
        paths = self._paths()[::-1]
        for path in paths:
            try:
                return read_archive(path, KIND, like)
            except DamageError as error:
                warnings.warn(f"{error}; the checkpoint before it is taken", stacklevel=3)
            except ArchiveError as error:
                raise CheckpointError(str(error)) from error
        if paths:
            raise CheckpointError(f"{self.folder} has {len(paths)} checkpoints, all damaged")
        return None

    def _paths(self) -> list[Path]:
        """From the oldest to the newest."""
        return sorted(self._named(_NAME), key=lambda path: int(path.name[5:].partition(".")[0]))

    def _named(self, pattern: re.Pattern[str]) -> list[Path]:
        """Files alone: a folder of such a name is not ours."""
        return [path for path in self.folder.iterdir() if pattern.fullmatch(path.name) and path.is_file()]
