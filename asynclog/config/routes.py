"""From configuration to routes: ``logging: {logger_modules: [path.py | package.module]}``."""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from asynclog.config.files import load
from asynclog.config.locating import check_found, is_file
from asynclog.config.module_sink import ModuleSink
from asynclog.errors import InvalidConfiguration
from asynclog.flow.limit import RateLimit
from asynclog.flow.route import Route
from asynclog.logger.naming import described, shortened

_SECTION: Final = "logging"
_LIST: Final = "logger_modules"
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")


def logger_modules(
    config: "Mapping[str, Any] | str | os.PathLike[str]", *, root_dir: "str | os.PathLike[str] | None" = None
) -> list[Route]:
    """A Route for each module that ``config``, a mapping or a YAML file's path, lists under logging: logger_modules.

    A module is a dotted name or the path of a .py file (relative: beside the YAML file that names it, else in the current
    directory). It exports ``Logger`` or ``Sink``: a class of asynclog.integrations.threedb.BaseLogger, called with (root_dir,
    result_buffer, config); a sink's class or a function, called with those of ``config`` and ``directory`` that its signature
    names; or a sink. It is imported in the process that hosts it, one a logger. Routes are named after their modules, the
    second of a name ``name-2``, and get everything, whatever the logger's own limit. root_dir: where ported loggers write,
    all in one directory as in 3DB; default: each in its own, ``sinks/<name>`` of the run.

    Raises InvalidConfiguration for what can be told without an import (a missing file, module or export; broken syntax), with
    the nearest known name. What fails on import comes home as a SinkError with its traceback.
    """
    settings = dict(config) if isinstance(config, Mapping) else load(config)
    shared = None if root_dir is None else Path(root_dir).resolve()
    routes: list[Route] = []
    names: set[str] = set()
    for module in _listed(settings):
        check_found(module)
        place = str(Path(module).resolve()) if is_file(module) else module
        name = _unique(Path(module).stem if is_file(module) else module.rpartition(".")[2], names)
        routes.append(Route(ModuleSink(place, name, settings, shared), name=name, place="process", limit=RateLimit()))
    return routes


def _listed(settings: Mapping[str, Any]) -> list[str]:
    section = settings.get(_SECTION)
    if not isinstance(section, Mapping) or _LIST not in section:
        inside = section if isinstance(section, Mapping) else settings
        close = get_close_matches(_LIST if isinstance(section, Mapping) else _SECTION, [str(one) for one in inside], 1)
        way = f"; {close[0]!r} may be meant for it" if close and close[0] not in (_SECTION, _LIST) else ""
        raise InvalidConfiguration(f"expected {_SECTION}: {{{_LIST}: […]}}, got {_keys(inside)}{way}")
    listed = section[_LIST]
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) and one for one in listed):
        raise InvalidConfiguration(f"{_LIST}: expected a list of dotted names and paths of .py files, got {described(listed)}")
    return list(listed)


def _keys(found: Mapping[Any, Any]) -> str:
    return f"keys {shortened(', '.join(map(str, found)), 200)}" if found else "no keys"


def _unique(wanted: str, taken: set[str]) -> str:
    base = (_UNFIT.sub("-", wanted).lstrip("._-") or "logger")[:90]
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(name)
    return name
