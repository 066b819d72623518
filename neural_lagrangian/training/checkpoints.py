"""Where a training goes on after it was killed: a folder with the newest few of its states."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._archive import ArchiveError, DamageError, read_archive, write_archive

KIND = "checkpoint"
_NAME = re.compile(r"step-(\d{9})\.checkpoint")
_LEFT_OVER = re.compile(r"\.step-\d{9}\.checkpoint\..+")


class CheckpointError(ValueError):
    """Checkpoints that are of another training, or that are all damaged."""


class Checkpoints:
    """The newest checkpoints of a training, in a folder that is made if it is not there.

    Each is written all or nothing and holds arrays, their SHA-256 and the architecture; see `nl.save`.

    **Arguments:**

    - `folder`: of one training alone.
    - `keep`: how many of the newest are kept.
    """

    def __init__(self, folder: str | Path, keep: int = 3):
        self.folder, self.keep = Path(folder), keep
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, step: int, tree: Any, header: dict[str, Any]) -> None:
        """Write one, and remove the oldest, with what an interrupted write has left."""
        write_archive(self.folder / f"step-{step:09d}.checkpoint", KIND, tree, header)
        for path in [*self._paths()[: -self.keep], *self._named(_LEFT_OVER)]:
            path.unlink(missing_ok=True)

    def newest(self, like: Callable[[dict[str, Any]], Any]) -> tuple[dict[str, Any], Any] | None:
        """Header and tree of the newest that is sound, with a warning for each that is damaged; `None` if there are
        none.

        **Raises:** `CheckpointError` if one is of another training, or all are damaged.
        """
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
        return sorted(self._named(_NAME))

    def _named(self, pattern: re.Pattern[str]) -> list[Path]:
        return [path for path in self.folder.iterdir() if pattern.fullmatch(path.name)]
