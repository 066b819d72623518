"""Source, licence and citation of the measured data sets."""

from . import jpl, kaheman
from .files import Provenance

_RECORDS = {record.name: record for record in (*kaheman.PROVENANCE.values(), jpl.PROVENANCE)}

MEASURED = tuple(_RECORDS)
"""Names of the measured data sets."""


def provenance(name: str) -> Provenance:
    """Source, licence and citation of a measured data set. Print it: `print(provenance("kaheman_single"))`.

    **Arguments:**

    - `name`: one of `datasets.MEASURED`.

    **Raises:** `ValueError` for an unknown name. The message lists the known names.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> nl.datasets.provenance("jpl_inner_planets").title
    'Sun, Mercury, Venus and Mars, one state a day from 2018-01-16 to 2023-02-15 (TDB), 1857 rows'
    ```
    """
    if name not in _RECORDS:
        raise ValueError(f"`name` is {name!r}; expected one of {', '.join(MEASURED)}")
    return _RECORDS[name]
