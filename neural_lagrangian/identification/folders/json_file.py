"""JSON files of a model's folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..._atomic import atomic_write
from ..faults import NoAnswerError

Content = TypeVar("Content")


def write_json(path: Path, content: dict[str, Any] | None) -> None:
    """Write the content, all or nothing. `None` deletes the file."""
    if content is None:
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())


def read_json(path: Path, build: Callable[[dict[str, Any]], Content], *, missing: str) -> Content:
    """What `build` makes of the content.

    **Raises:** `NoAnswerError` with the text `missing` if there is no such file, or if the file is damaged.
    """
    if not path.is_file():
        raise NoAnswerError(missing)
    try:
        return build(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:  # it may hold anything
        raise NoAnswerError(f"{path} is damaged, or belongs to another model: {error}") from error
