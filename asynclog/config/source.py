"""Where a configuration comes from: a YAML file, a mapping, OmegaConf; as one plain mapping."""

import os
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from asynclog.config.complaints import Complaint, Key
from asynclog.config.files import SECTION, load, merged
from asynclog.config.origins import Origins
from asynclog.errors import InvalidConfiguration
from asynclog.logger.naming import described


class Source:
    """whole: all that it says. settings: the logger's part, which is the section ``asynclog`` if there is one. Raises
    InvalidConfiguration."""

    def __init__(self, config: Any, overrides: Mapping[str, Any]) -> None:
        self.path = Path(config) if isinstance(config, str | os.PathLike) else None
        self.whole = _mapping(config) if self.path is None else load(self.path)
        section = self.whole.get(SECTION)
        if SECTION in self.whole and not isinstance(section, Mapping):
            raise InvalidConfiguration(f"{SECTION}: expected a mapping, the logger's configuration, got {described(section)}")
        self.prefix: Key = (SECTION,) if isinstance(section, Mapping) else ()
        settings = dict(section) if isinstance(section, Mapping) else self.whole
        self._overridden = frozenset(overrides)
        self.settings = merged(settings, {name: plain(one) for name, one in overrides.items()})

    @cached_property
    def origins(self) -> Origins | None:
        """Where the keys of a file stand."""
        return None if self.path is None else Origins(self.path)

    def where(self, key: Key) -> str:
        """File and line of a key; nothing for one that came in no file."""
        if self.origins is None or (key and key[0] in self._overridden):
            return ""
        return self.origins((*self.prefix, *key))

    def repeated(self) -> list[Complaint]:
        """Keys of the logger's that stand twice in one mapping of the file, of which YAML takes the last."""
        found = [] if self.origins is None else self.origins.repeated
        return [one for one in found if one.key[: len(self.prefix)] == self.prefix]

    def written(self, key: Key) -> Key:
        """A key as it is written: of sinks that are a mapping, by their names."""
        sinks = self.settings.get("sinks")
        if len(key) > 1 and key[0] == "sinks" and isinstance(key[1], int) and isinstance(sinks, Mapping):
            return ("sinks", list(sinks)[key[1]], *key[2:])
        return key


def plain(node: Any) -> Any:
    """The same, without OmegaConf at any depth, and with its interpolations resolved. Raises InvalidConfiguration."""
    omegaconf = sys.modules.get("omegaconf")
    if omegaconf is not None and omegaconf.OmegaConf.is_config(node):
        try:
            return omegaconf.OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
        except omegaconf.errors.OmegaConfBaseException as error:
            raise InvalidConfiguration(str(error).splitlines()[0]) from error
    if isinstance(node, dict):
        return {name: plain(inner) for name, inner in node.items()}
    if isinstance(node, list):
        return [plain(inner) for inner in node]
    return node


def _mapping(config: Any) -> dict[str, Any]:
    found = {} if config is None else plain(config)
    if not isinstance(found, Mapping):
        raise InvalidConfiguration(f"expected the path of a YAML file, a mapping or OmegaConf, got {described(config)}")
    return dict(found)
