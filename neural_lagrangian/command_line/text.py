"""Lines and tables, written to a terminal."""

import os
import sys
from typing import Any

from ..identification import stated


def say(topic: str, text: str) -> None:
    """A line on a topic; further lines of the text stand below it."""
    for line in stated(topic, text).splitlines():
        _write(line, sys.stdout)


def note(text: str) -> None:
    """A line beside what was asked for."""
    _write(f"note: {text}", sys.stderr)


def to_errors(line: str) -> None:
    """A line to standard error."""
    _write(line, sys.stderr)


def write_table(text: str) -> None:
    """A table to standard output, as it is."""
    _write(text.removesuffix("\n"), sys.stdout)


def _write(line: str, stream: Any) -> None:
    """A line, whatever names are in it: characters that the stream cannot encode are escaped. Where nobody reads, as
    after the end of a pipe or on a closed stream, nothing is written: what the command computes is worth more.
    """
    if stream is None or stream.closed:
        return
    encoding = stream.encoding or "utf-8"
    try:
        print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except OSError:
        _silence(stream)


def _silence(stream: Any) -> None:
    """Send what is still in a stream's buffer nowhere, so that the end of the process is no second fault."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except (OSError, ValueError):  # a stream of Python's own
        pass
    finally:
        os.close(nowhere)
