"""Metrics: each iteration's value, and of each epoch the mean over all of its iterations, and how they were distributed.

Metric-BatchWise/<key>/<phase>        each iteration's, every rank's own
Metric-EpochWise/<key>/<phase>        the epoch's mean, weighted; of several ranks, over all of them, by rank 0
Metric-EpochWise-Rank/<key>/<phase>   of several ranks, each one's own
Metric-Hist/<key>/<phase>             a histogram of the iterations' values, every rank's own
Device-Memory/<what>                  bytes, at the end of an epoch, where there is a CUDA device
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from math import nan
from typing import Any, ClassVar, Final, NamedTuple

from asynclog.errors import InvalidValue
from asynclog.logger.naming import described
from asynclog.logger.parts import ChildLogger
from asynclog.routines.far import exact, is_far, numbers_here
from asynclog.routines.gather import Gathered
from asynclog.routines.iteration import Iteration
from asynclog.routines.meters import Meters
from asynclog.routines.tracker import Aside, Epoch, Tracker

BATCH: Final = "Metric-BatchWise"
EPOCH: Final = "Metric-EpochWise"
OWN: Final = "Metric-EpochWise-Rank"
SPREAD: Final = "Metric-Hist"
MEMORY: Final = "Device-Memory"


class Ratio(NamedTuple):
    """A metric whose epoch's mean is all numerators over all denominators: right answers over answers, or a loss over the
    tokens that it is of."""

    numerator: Any
    denominator: Any

    @property
    def quotient(self) -> Any:
        """NaN for nothing over nothing."""
        return self.numerator / self.denominator if is_far(self.denominator) or self.denominator else nan


class Metrics(Tracker):
    """The value of a key is a number, a tensor (of several numbers their mean), a Ratio, or a mapping of names to these.

    meters: where the epochs' means are kept. device_memory: whether that of a CUDA device is recorded.
    """

    kind: ClassVar[str] = "metric"

    def __init__(self, keys: Sequence[str] = (), *, meters: Meters, device_memory: bool = True) -> None:
        super().__init__(keys)
        self._meters, self._device_memory = meters, device_memory
        self._spreads: dict[str, dict[str, Gathered]] = {}
        self._batches: ChildLogger | None = None

    def log_value(self, log: ChildLogger, key: str, value: Any, at: Iteration, aside: Aside) -> None:
        # A logger of the namespace's own: numbers without one are the quickest.
        batches = self._batches = self._batches or log.child(BATCH)
        for name, one in ((key, value),) if type(value) is float else _named(key, value):
            if isinstance(one, Ratio):
                self._meters.ratio(meter(at.phase, name), *one)
                number = _single(name, one.quotient)
            else:
                number = _single(name, one)
                self._meters.mean(meter(at.phase, name), number, at.weight)
            batches.log_scalar(f"{name}/{at.phase}", number)
            spreads = self._spreads.setdefault(at.phase, {})
            if name not in spreads:
                spreads[name] = Gathered()
            spreads[name].add(number)

    def log_epoch(self, log: ChildLogger, epoch: Epoch) -> None:
        for name, gathered in self._spreads.pop(epoch.phase, {}).items():
            log.log_histogram(f"{name}/{epoch.phase}", gathered.value(), namespace=SPREAD)
        if self._device_memory:
            for what, size in _device_memory():
                log.log_scalar(what, size, namespace=MEMORY)


def meter(phase: str, name: str) -> str:
    """Under which name a metric's mean is kept."""
    return f"{phase}\0{name}"


def by_phase(means: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Meters' means by phase and metric."""
    found: dict[str, dict[str, Any]] = {}
    for one, mean in means.items():
        phase, _, name = one.partition("\0")
        found.setdefault(phase, {})[name] = mean
    return found


def _named(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A mapping's own keys are names of their own."""
    if not isinstance(value, Mapping):
        yield key, value
        return
    for inner, one in value.items():
        yield from _named(str(inner), one)


def _single(name: str, value: Any) -> Any:
    """A float, or a number on a device. Raises InvalidValue."""
    if type(value) is float or type(value) is int:
        return float(value)
    if is_far(value):
        return value.detach() if value.dim() == 0 else exact(value).mean()
    try:
        found = numbers_here(value)
    except (TypeError, ValueError) as error:
        raise InvalidValue(key=name, kind="metric", expected="a number, or an array of them", got=described(value)) from error
    if not len(found):
        raise InvalidValue(key=name, kind="metric", expected="at least one number", got=described(value))
    return float(found.mean())


def _device_memory() -> Iterator[tuple[str, int]]:
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        yield "allocated", torch.cuda.memory_allocated()
        yield "reserved", torch.cuda.memory_reserved()
        yield "total", torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
