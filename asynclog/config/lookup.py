"""A sink from words: its name, an entry point, ``package.module:Class``, or a module's file; its arguments as ``key=value``.

A known name is one of ours, whatever its case and hyphens: "tensorboard", "jsonlines". Other packages offer theirs as entry
points of the group ``asynclog.sinks``. Of a file, or of a dotted name without a class, the module's ``Logger`` or ``Sink`` is
taken, where it runs and not here, as ``logger_modules`` has it.
"""

import importlib
import json
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from asynclog import sinks
from asynclog.config.alerting import alerts
from asynclog.config.fitting import unfit
from asynclog.config.locating import check_found, is_file
from asynclog.config.module_sink import ModuleSink
from asynclog.errors import InvalidConfiguration

ENTRY_POINTS: Final = "asynclog.sinks"


def sink_named(name: str, settings: Mapping[str, Any]) -> Any:
    """A sink that nobody has opened, made with ``settings`` as its arguments. Raises InvalidConfiguration for a name that
    nobody knows and for arguments that it doesn't take, with the nearest right one; ImportError of what its module lacks."""
    make = maker_named(name)
    for argument, why in unfit(make, settings):
        raise InvalidConfiguration(f"sink {name!r} {argument}: {why}")
    return make(**settings)


def maker_named(name: str) -> Callable[..., Any]:
    """What makes the sink of this name: its class, or a function. Raises InvalidConfiguration for a name that nobody knows,
    with the nearest that is; ImportError of what its module lacks."""
    ours = {_plain(one): one for one in sinks.__all__}
    if _plain(name) == "alerts":
        return alerts
    if _plain(name) in ours:
        return _callable(name, getattr(sinks, ours[_plain(name)]))
    for point in entry_points(group=ENTRY_POINTS):
        if _plain(point.name) == _plain(name):
            return _callable(name, point.load())
    module, colon, attribute = name.rpartition(":")
    if colon and module and attribute.isidentifier():
        return _callable(name, _attribute(module, attribute))
    if is_file(name) or "." in name:
        check_found(name)
        place = str(Path(name).resolve()) if is_file(name) else name
        route = Path(name).stem if is_file(name) else name.rpartition(".")[2]

        def make(**settings: Any) -> ModuleSink:
            return ModuleSink(place, route, settings, as_arguments=True)

        return make
    known = [*ours, *(one.name for one in entry_points(group=ENTRY_POINTS))]
    close = get_close_matches(_plain(name), known, 1)
    way = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}."
    raise InvalidConfiguration(f"there is no sink {name!r}; {way} Or write package.module:Class, or the path of a .py file")


def settings_of(words: Iterable[str]) -> dict[str, Any]:
    """``key=value`` words as arguments. A value that is JSON (a number, true, null, "…", […]) is what it says, any other is the
    text as it stands. Raises InvalidConfiguration."""
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.isidentifier():
            raise InvalidConfiguration(f"expected key=value, got {word!r}")
        if key in found:
            raise InvalidConfiguration(f"{key} is set twice")
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _attribute(module: str, attribute: str) -> Any:
    if is_file(module):
        raise InvalidConfiguration(f"{module}:{attribute}: of a file its Logger or Sink is taken; write {module}")
    found = importlib.import_module(module)
    if not hasattr(found, attribute):
        close = get_close_matches(attribute, dir(found), 1)
        raise InvalidConfiguration(f"{module} has no {attribute!r}{f'; did you mean {close[0]!r}?' if close else ''}")
    return getattr(found, attribute)


def _callable(name: str, make: Any) -> Callable[..., Any]:
    if not callable(make):
        raise InvalidConfiguration(f"sink {name!r}: expected a class or a function that makes a sink, got {make!r}")
    return make  # type: ignore[no-any-return]
