"""What Routines are asked for: which kinds there are, and which keys of each, with errors that name the nearest right word."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from asynclog.errors import InvalidConfiguration
from asynclog.logger.naming import described
from asynclog.routines.packing import near
from asynclog.routines.tracker import Tracker

KINDS: Final = ("metric", "image", "hist", "hparams", "mesh", "video", "xls")


def checked_tracked(given: Any) -> dict[str, list[str]]:
    """The keys by kind. Raises InvalidConfiguration."""
    if not isinstance(given, Mapping):
        raise InvalidConfiguration(f"tracked_variables: expected {{kind: [key, …]}}, got {described(given)}")
    found: dict[str, list[str]] = {}
    for kind, keys in given.items():
        if keys is None:
            continue
        if isinstance(keys, str) or not isinstance(keys, Iterable) or not all(isinstance(one, str) for one in keys):
            raise InvalidConfiguration(f"tracked_variables: {kind}: expected a list of keys, got {described(keys)}")
        found[str(kind)] = list(keys)
    return found


def checked_kinds(loggers: Any, tracked: Mapping[str, Sequence[str]] | None) -> list[str]:
    """The kinds, of ``loggers`` or of what is tracked. Raises InvalidConfiguration."""
    if isinstance(loggers, str) or (loggers is not None and not isinstance(loggers, Iterable)):
        raise InvalidConfiguration(f"loggers: expected a list of {', '.join(KINDS)}, got {described(loggers)}")
    default = KINDS if tracked is None else list(tracked)
    kinds = [str(one) for one in (default if loggers is None else loggers)]
    for kind in kinds:
        if kind not in KINDS:
            place = "tracked_variables" if loggers is None else "loggers"
            raise InvalidConfiguration(f"{place}: there is no {kind!r}{near(kind, KINDS)}; there are {', '.join(KINDS)}")
    for kind in tracked or ():
        if kind not in kinds:
            raise InvalidConfiguration(
                f"tracked_variables: {kind!r} is not among the loggers, {', '.join(kinds)}{near(kind, kinds)}"
            )
    return kinds


def check_wants(trackers: Sequence[Any], metrics: Sequence[str] | None) -> None:
    """That all are trackers, and the metrics that they go by are tracked. Raises InvalidConfiguration."""
    for one in trackers:
        if not isinstance(one, Tracker):
            raise InvalidConfiguration(f"trackers: expected Trackers, got {described(one)}")
        for key in one.wants:
            if metrics is not None and key not in metrics:
                raise InvalidConfiguration(f"{one!r} goes by {key!r}, which is no tracked metric{near(key, metrics)}")
