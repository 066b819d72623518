"""Room for compiled programs in this process."""

from pathlib import Path

import jax

MAPS, LIMIT = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
"""Files in which Linux tells the memory maps of this process, one in each line, and their largest number."""
MAX_SHARE = 0.5
"""Share of these maps that may be in use before compiled programs are forgotten."""


def make_room_for_programs() -> None:
    """Forget compiled programs if they take too many memory maps; they are compiled again when they are needed.

    Each program takes some tens of maps. Once Linux allows no more, the next compilation ends the process. On other
    systems, and where the limit is not known, nothing is forgotten.
    """
    try:
        limit = int(LIMIT.read_text())
        used = MAPS.read_bytes().count(b"\n")
    except (OSError, ValueError):  # no such file, or no number in it: the limit is not known
        return
    if used > MAX_SHARE * limit:
        jax.clear_caches()
