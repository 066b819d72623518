"""Files written all or nothing."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

NAME_KEPT = 60
"""Characters of a file's name in that of its temporary file: in any encoding short enough for one more ending."""


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` once it is whole; a fault before leaves the old one as it was.

    A link stays one, and the file that it points to is replaced. An existing file keeps its permissions and, where the
    system allows it, its owner; a new one gets those of any other new file.

    **Raises:** `OSError` if `path` is a folder, a device, or a file that is protected against writing.
    """
    path = Path(os.path.realpath(path))
    before = _replaceable(path)
    temporary = path.with_name(f".{path.name[:NAME_KEPT]}.{secrets.token_hex(4)}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(temporary, flags, 0o666 if before is None else 0o600)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if before is not None:
            _own_as(temporary, before)
        temporary.replace(path)
    except BaseException:  # an interrupt too leaves nothing behind
        temporary.unlink(missing_ok=True)
        raise


def _replaceable(path: Path) -> os.stat_result | None:
    """The status of the file that will be replaced; `None` where there is none.

    **Raises:** `OSError` if it may not be replaced.
    """
    try:
        before = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(before.st_mode):
        raise IsADirectoryError(errno.EISDIR, "a folder stands where the file is to be written", str(path))
    if not stat.S_ISREG(before.st_mode):
        raise OSError(errno.EINVAL, "no regular file, so it cannot be replaced", str(path))
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is protected against writing", str(path))
    return before


def _own_as(path: Path, before: os.stat_result) -> None:
    if hasattr(os, "chown") and (os.getuid(), os.getgid()) != (before.st_uid, before.st_gid):
        with suppress(PermissionError):  # only root may give files away
            os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))
