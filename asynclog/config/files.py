"""YAML files that inherit: ``base_config`` names a file, relative to its own, whose mapping is merged under it."""

import math
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from asynclog.errors import InvalidConfiguration
from asynclog.logger.naming import described, shortened

BASE: Final = "base_config"
SECTION: Final = "asynclog"
"""Where the logger's configuration stands in a file that has others' in it."""
_MOST_VALUES: Final = 1_000_000
"""Of a file, with what an alias stands for counted each time: ten lines of aliases make ten billion."""
_EXPONENT: Final = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$")
_WAY: Final = "reading a YAML file needs the extra: pip install 'asynclog-stream[config]'"


def load(path: "str | os.PathLike[str]") -> dict[str, Any]:
    """The mapping of a YAML file, with those that it inherits from merged under it; ``base_config`` itself isn't in it.

    Mappings merge key by key, at every depth; anything else replaces what stands under it. A relative path of a .py file, of
    a logger or sink, is one beside the file that names it, and comes back absolute. 1e-3 is a number, as in YAML 1.2. Raises
    InvalidConfiguration for a file that is missing, no YAML, no mapping, or its own ancestor; ImportError without PyYAML.
    """
    return _inherited(Path(path), ())


def _inherited(path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    """below: the files that led here, the last one first."""
    try:
        where = path.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidConfiguration(f"{shortened(str(path), 200)!r}{_asked_by(below)}: {error}") from error
    if where in below:
        chain = " → ".join(one.name for one in (*reversed(below), where))
        raise InvalidConfiguration(f"{BASE}: {chain} inherits from itself")
    own = _anchored(_parsed(path, below), where.parent)
    base = own.pop(BASE, None)
    if base is None:
        return own
    if not isinstance(base, str):
        raise InvalidConfiguration(f"{path} {BASE}: expected the path of a YAML file, as a str, got {described(base)}")
    return merged(_inherited(where.parent / base, (where, *below)), own)


def _parsed(path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise ImportError(_WAY) from error
    asked = _asked_by(below)
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())  # noqa: S506 - it is a safe one
    except OSError as error:
        raise InvalidConfiguration(f"{path}{asked}: {error.strerror or error}") from error
    except Exception as error:
        # A date of a 13th month raises what date() does, a number of many digits what int() does.
        raise InvalidConfiguration(f"{path}{asked} is no YAML: {str(error) or type(error).__name__}") from error
    if not isinstance(found, dict):
        raise InvalidConfiguration(f"{path}{asked}: expected a mapping, got {type(found).__name__}")
    if _values(found, {}) > _MOST_VALUES:
        raise InvalidConfiguration(f"{path}{asked}: more than {_MOST_VALUES:,} values, with aliases counted each time")
    return found


@cache
def _loader() -> Any:
    """PyYAML's safe one, to which 1e-3 is a number, as YAML 1.2 and OmegaConf have it: 1.1 wants 1.0e-3, and makes it text."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
    return Loader


def _asked_by(below: tuple[Path, ...]) -> str:
    return f", which {below[0]} inherits from" if below else ""


def _values(node: Any, known: dict[int, float]) -> float:
    """How many values whoever walks through it meets. known: by the identity of what was counted."""
    if not isinstance(node, dict | list):
        return 1
    if id(node) not in known:
        # Until it is counted: what holds itself has no end.
        known[id(node)] = math.inf
        known[id(node)] = 1 + sum(_values(one, known) for one in (node.values() if isinstance(node, dict) else node))
    return known[id(node)]


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid over ``under``: mappings key by key, anything else in its place."""
    whole = dict(under)
    for key, value in over.items():
        below = whole.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        whole[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return whole


def _anchored(config: dict[str, Any], directory: Path) -> dict[str, Any]:
    """With the files of loggers and sinks where the file that names them lies."""
    inner = config.get(SECTION)
    if isinstance(inner, dict):
        config = {**config, SECTION: _anchored(inner, directory)}
    section, sinks = config.get("logging"), config.get("sinks")
    if isinstance(section, dict) and isinstance(section.get("logger_modules"), list):
        modules = [_beside(directory, one) for one in section["logger_modules"]]
        config = {**config, "logging": {**section, "logger_modules": modules}}
    if isinstance(sinks, list):
        config = {**config, "sinks": [_anchored_sink(one, directory) for one in sinks]}
    elif isinstance(sinks, dict):
        config = {**config, "sinks": {name: _anchored_sink(one, directory) for name, one in sinks.items()}}
    return config


def _anchored_sink(sink: Any, directory: Path) -> Any:
    if isinstance(sink, dict) and "use" in sink:
        return {**sink, "use": _beside(directory, sink["use"])}
    return _beside(directory, sink)


def _beside(directory: Path, name: Any) -> Any:
    return str(directory / name) if isinstance(name, str) and name.endswith(".py") else name
