"""Loggers from configuration: a mapping, OmegaConf, or a YAML file that may inherit from others.

from_config(config)       a MultiLogger
parse(config)             what it says, checked, and nothing made
schema()                  what it may say, as a JSON schema
logger_modules(config)    a Route a module, each in a process of its own
load(path)                a YAML file as a mapping
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from asynclog.config.files import load
from asynclog.config.routes import logger_modules

if TYPE_CHECKING:
    from asynclog.config.models import LoggerSettings
    from asynclog.logger.multi import MultiLogger

__all__ = ["from_config", "load", "logger_modules", "parse", "schema"]
_WAY: Final = "a configuration is checked by pydantic, of the extra: pip install 'asynclog-stream[config]'"


def from_config(config: "str | os.PathLike[str] | Mapping[str, Any] | None" = None, /, **overrides: Any) -> "MultiLogger":
    """The MultiLogger that a configuration describes: the path of a YAML file, a mapping, or an object of OmegaConf.

    overrides: keys of the configuration, laid over what it says: mappings key by key, anything else in its place; sinks,
    Routes, a RateLimit and a Journal may be objects. Where there is a key ``asynclog``, the configuration is what stands below
    it, and the rest is somebody else's. Modules that it names are imported, and its sinks made; nothing is opened.

    Raises InvalidConfiguration that says all that is wrong, a line each: file, line and key, what was expected, what came, and
    the nearest known name. ImportError without pydantic, or without PyYAML for a file.
    """
    return _building().built(config, overrides)  # type: ignore[no-any-return]


def parse(config: "str | os.PathLike[str] | Mapping[str, Any] | None" = None, /, **overrides: Any) -> "LoggerSettings":
    """What a configuration says, checked and with its placeholders filled, as a frozen model of pydantic; no sink is looked for
    and nothing is made. Raises as from_config does."""
    return _building().checked(config, overrides)  # type: ignore[no-any-return]


def schema() -> dict[str, Any]:
    """The JSON schema of a configuration (draft 2020-12), for editors and other programs. Raises ImportError without
    pydantic."""
    _building()
    from asynclog.config.schema import json_schema

    return json_schema()


def _building() -> Any:
    try:
        import pydantic  # noqa: F401
    except ImportError as error:
        raise ImportError(_WAY) from error
    from asynclog.config import building

    return building
