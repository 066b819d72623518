"""JSON files of a model's folder."""

import json
from pathlib import Path
from typing import Any

from ..._atomic import atomic_write


def write_json(path: Path, content: dict[str, Any] | None) -> None:
    """Write the content, all or nothing. `None` deletes the file."""
    if content is None:
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())
