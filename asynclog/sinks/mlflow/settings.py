"""A run's settings as MLflow's parameters: flat, text, and never changed once they are there."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from asynclog.sinks.mlflow.names import metric_name

_PARAMETER_LONGEST: Final = 6000
_TAG_LONGEST: Final = 8000
_CUT: Final = " …"


def flattened(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("optimizer.lr", 0.001) for each setting; an empty mapping is one itself."""
    for name, value in config.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{path}.")
        else:
            yield path, value


class Parameters:
    """What the run has. A setting whose value changes keeps the first as its parameter; the latest is the tag
    ``changed.<name>``."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = dict(known)

    def added(self, config: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
        """(parameters, tags) that are to be logged; ``keep`` the parameters once they are."""
        parameters: dict[str, str] = {}
        tags: dict[str, str] = {}
        for path, value in flattened(config):
            name, text = metric_name(path), cut(str(value), _PARAMETER_LONGEST)
            held = self._known.get(name, parameters.get(name))
            if held is None:
                parameters[name] = text
            elif held != text:
                tags[metric_name(f"changed.{path}")] = tag_text(str(value))
        return parameters, tags

    def keep(self, parameters: Mapping[str, str]) -> None:
        self._known.update(parameters)


def tag_text(text: str) -> str:
    """As long as a tag may be."""
    return cut(text, _TAG_LONGEST)


def cut(text: str, longest: int) -> str:
    """The text, or its beginning and a sign that there was more."""
    return text if len(text) <= longest else text[: longest - len(_CUT)] + _CUT
