"""Write lines and tables to the terminal."""

import os
import sys
from typing import Any

from ..identification import stated


def say(topic: str, text: str) -> None:
    """Write a text behind its topic to standard output. Further lines are indented below the first."""
    for line in stated(topic, text).splitlines():
        _write(line, sys.stdout)


def note(text: str) -> None:
    """Write a note to standard error."""
    _write(f"note: {text}", sys.stderr)


def to_errors(line: str) -> None:
    """Write a line to standard error."""
    _write(line, sys.stderr)


def print_table(text: str) -> None:
    """Write a table to standard output, without changes."""
    _write(text.removesuffix("\n"), sys.stdout)


def _write(line: str, stream: Any) -> None:
    """Write a line. Characters that the stream cannot encode are escaped.

    If the stream is closed or its pipe has ended, nothing is written and no error is raised: the command must still
    finish its computation.
    """
    if stream is None or stream.closed:
        return
    encoding = stream.encoding or "utf-8"
    try:
        print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except OSError:
        _silence(stream)


def _silence(stream: Any) -> None:
    """Discard what is still in a stream's buffer, so that flushing at exit raises no second error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except (OSError, ValueError):  # a stream without a file descriptor
        pass
    finally:
        os.close(nowhere)
