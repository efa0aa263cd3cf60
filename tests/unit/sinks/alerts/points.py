"""Points of one series, a second apart."""

from collections.abc import Sequence

import numpy as np

from asynclog.sink import Column

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND


def column(values: Sequence[float], first: int = 0) -> Column:
    at = np.arange(first, first + len(values), dtype=np.int64)
    return Column(at, START_NS + at * SECOND, np.array(values, np.float64))
