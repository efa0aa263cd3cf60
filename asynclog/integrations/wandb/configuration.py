"""W&B's ``config``: settings by attribute and by item. Each change is recorded, and a changed value has to be meant."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asynclog.integrations.wandb.said import Error, UsageError


class ConfigError(Error):
    """A setting would change, and nobody said that it may."""


class Config:
    """``config.lr``, ``config["lr"]``; ``update`` takes a mapping, a Namespace, an object with attributes, or a YAML file's
    path."""

    def __init__(self, changed: Callable[[dict[str, Any]], None] = lambda values: None) -> None:
        object.__setattr__(self, "_items", {})
        object.__setattr__(self, "_changed", changed)

    def update(self, d: Any, allow_val_change: bool | None = None) -> None:
        """Raises ConfigError for another value of a key, unless ``allow_val_change``."""
        self._take(settings_of(d), allow_val_change)

    def setdefaults(self, d: Any) -> None:
        """Those of the keys that aren't there."""
        self._take({key: one for key, one in settings_of(d).items() if key not in self._items}, None)

    def _take(self, values: Mapping[str, Any], allow_val_change: bool | None) -> None:
        taken = {str(key).strip("-"): one for key, one in values.items()}
        for key, value in taken.items():
            if not allow_val_change and key in self._items and self._items[key] != value:
                raise ConfigError(
                    f'Attempted to change value of key "{key}" from {self._items[key]} to {value}\n'
                    "If you really want to do this, pass allow_val_change=True to config.update()"
                )
        self._items.update(taken)
        if taken:
            self._changed(taken)

    def keys(self) -> list[str]:
        return [key for key in self._items if not key.startswith("_")]

    def items(self) -> list[tuple[str, Any]]:
        return [(key, self._items[key]) for key in self.keys()]

    def get(self, *args: Any) -> Any:
        return self._items.get(*args)

    def as_dict(self) -> dict[str, Any]:
        """A copy."""
        return dict(self._items)

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._take({key: value}, None)

    def __getattr__(self, key: str) -> Any:
        try:
            return self._items[key]
        except KeyError:
            raise AttributeError(f"the config has no {key!r}, but {', '.join(self.keys()) or 'nothing'}") from None

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)


def settings_of(given: Any, exclude: list[str] | None = None, include: list[str] | None = None) -> dict[str, Any]:
    """Settings as a mapping. Raises UsageError."""
    if exclude and include:
        raise UsageError("config_exclude_keys and config_include_keys: at most one of them")
    if given is None:
        return {}
    if isinstance(given, str):
        from asynclog.config.files import load

        found: Mapping[Any, Any] = load(Path(given))
    elif isinstance(given, Config):
        found = given.as_dict()
    elif isinstance(given, Mapping):
        found = given
    elif hasattr(given, "flag_values_dict"):
        found = given.flag_values_dict()
    elif hasattr(given, "__dict__"):
        found = vars(given)
    else:
        raise UsageError(f"config: a mapping, a Namespace or the path of a YAML file, not {given!r}")
    return {
        str(key): one for key, one in found.items() if (not include or key in include) and (not exclude or key not in exclude)
    }
