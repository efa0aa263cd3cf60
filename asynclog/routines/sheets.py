"""Spreadsheets: a row a sample, a table a key; and the columns' means over an epoch, ``Sheet-Mean/<key>/<column>/<phase>``."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from asynclog.errors import InvalidValue
from asynclog.logger.naming import described
from asynclog.logger.parts import ChildLogger
from asynclog.routines.iteration import Iteration
from asynclog.routines.tracker import Aside, Epoch, Tracker

MEAN: Final = "Sheet-Mean"
SAMPLE: Final = "viz_id"


class Sheets(Tracker):
    """The value of a key is a mapping of columns to what each sample of the batch has in it: lists, arrays or tensors of one
    length. The sample's name is the column ``viz_id``; phase, epoch and step are the event's. What lies on a device is waited
    for."""

    kind: ClassVar[str] = "xls"

    def __init__(self, keys: Sequence[str] = ()) -> None:
        super().__init__(keys)
        self._sums: dict[tuple[str, str, str], tuple[float, int]] = {}

    def log_value(self, log: ChildLogger, key: str, value: Any, at: Iteration, aside: Aside) -> None:
        columns = _columns(key, value)
        count = max((len(one) for one in columns.values()), default=0)
        names = [at.sample(row) for row in range(count)]
        cells = [[*row, name] for *row, name in zip(*columns.values(), names, strict=True)]
        log.log_table(f"{key}/{at.phase}", cells, columns=[*columns, SAMPLE])
        for name, column in columns.items():
            self._add(at.phase, key, name, column)

    def _add(self, phase: str, key: str, name: str, column: Sequence[Any]) -> None:
        numbers = [float(one) for one in column if isinstance(one, int | float)]
        if numbers:
            total, count = self._sums.get((phase, key, name), (0.0, 0))
            self._sums[phase, key, name] = (total + sum(numbers), count + len(numbers))

    def log_epoch(self, log: ChildLogger, epoch: Epoch) -> None:
        for where in [one for one in self._sums if one[0] == epoch.phase]:
            total, count = self._sums.pop(where)
            log.log_scalar(f"{where[1]}/{where[2]}/{epoch.phase}", total / count, namespace=MEAN)


def _columns(key: str, value: Any) -> dict[str, list[Any]]:
    if not isinstance(value, Mapping):
        raise InvalidValue(key=key, kind="xls", expected="a mapping of columns to lists", got=described(value))
    columns = {str(name): one.tolist() if hasattr(one, "tolist") else list(one) for name, one in value.items()}
    lengths = {name: len(one) for name, one in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidValue(key=key, kind="xls", expected="columns of one length", got=str(lengths))
    return columns
