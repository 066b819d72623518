"""Atomic writing of files: a file is replaced completely or not at all."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

MAX_NAME_CHARACTERS = 60
"""Characters of the file's name that its temporary file keeps. With the suffix, the name stays below the usual limit
of 255 bytes in any encoding."""


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary binary file that replaces `path` when the block ends. After an error the old file is unchanged.

    A symbolic link stays a link: the file that it points to is replaced. An existing file keeps its permissions and,
    if the system allows it, its owner. A new file gets the usual permissions.

    **Raises:** `OSError` if `path` is a folder, a device, or a file that is protected against writing.
    """
    path = Path(os.path.realpath(path))
    before = _replaceable(path)
    temporary = path.with_name(f".{path.name[:MAX_NAME_CHARACTERS]}.{secrets.token_hex(4)}")
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
    except BaseException:  # also on an interrupt: leave no temporary file behind
        temporary.unlink(missing_ok=True)
        raise


def _replaceable(path: Path) -> os.stat_result | None:
    """The status of the file that will be replaced, or `None` if there is no file yet.

    **Raises:** `OSError` if the file must not be replaced.
    """
    try:
        before = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(before.st_mode):
        raise IsADirectoryError(errno.EISDIR, "this path is a folder; expected the path of a file", str(path))
    if not stat.S_ISREG(before.st_mode):
        raise OSError(errno.EINVAL, "not a regular file, so it cannot be replaced; expected another path", str(path))
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is write-protected; change its permissions", str(path))
    return before


def _own_as(path: Path, before: os.stat_result) -> None:
    if hasattr(os, "chown") and (os.getuid(), os.getgid()) != (before.st_uid, before.st_gid):
        with suppress(PermissionError):  # only root may give files away
            os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))
