"""The schema of a configuration: of its models, and of every sink's arguments."""

from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError

from asynclog import sinks
from asynclog.config.files import BASE
from asynclog.config.fitting import annotations, parameters
from asynclog.config.lookup import maker_named
from asynclog.config.models import LoggerSettings

_NONE_TO_TELL = (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError)


def json_schema() -> dict[str, Any]:
    """As JSON schema has it, draft 2020-12."""
    found = LoggerSettings.model_json_schema()
    (entry,) = [one for one in found["$defs"]["SinkEntry"]["anyOf"] if one.get("type") == "object"]
    entry["allOf"] = [_of_sink(name.lower(), maker_named(name)) for name in sinks.__all__]
    # Of files alone: it is gone when the models look.
    found["properties"][BASE] = {"type": "string", "description": "the path of a file, beside this one, that lies under it"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "asynclog"}


def _of_sink(name: str, make: Callable[..., Any]) -> dict[str, Any]:
    """What holds if it is this sink that stands under ``use``."""
    wanted, hints = parameters(make), annotations(make)
    needed = [at for at, one in wanted.items() if one.default is Parameter.empty]
    then: dict[str, Any] = {"properties": {at: _of_argument(hints.get(at), one) for at, one in wanted.items()}}
    return {"if": {"properties": {"use": {"const": name}}, "required": ["use"]}, "then": {**then, "required": needed}}


def _of_argument(hint: Any, argument: Parameter) -> Mapping[str, Any]:
    """Any value, of a type that isn't one of JSON."""
    try:
        found = TypeAdapter(hint, config=ConfigDict(strict=True)).json_schema() if hint is not None else {}
    except _NONE_TO_TELL:
        found = {}
    plain = isinstance(argument.default, str | int | float | bool | None)
    return {**found, "default": argument.default} if plain else found
