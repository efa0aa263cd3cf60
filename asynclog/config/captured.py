"""What a configuration may say of what is captured: the arguments of a `Capture`."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from asynclog.logger.capturing.settings import Capture

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _or_flag(schema: JsonDict) -> None:
    """In the file it may be true or false alone."""
    whole = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "boolean"}, whole]


class CaptureSettings(BaseModel):
    """What is recorded beside what is logged. `true` is all of it, as it stands here."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_or_flag)

    stdout: bool = Field(default=True, description="what is printed, by C code and child processes too")
    stderr: bool = Field(default=True, description="the same of standard error")
    ansi: Literal["strip", "keep"] = Field(default="strip", description="what becomes of colours in the lines")
    logging: bool | int | str = Field(default=True, description="records of `logging`; a level is the least that counts")
    warnings: bool = Field(default=True, description="warnings that are shown")
    exceptions: bool = Field(default=True, description="exceptions that nobody catches")
    environment: bool = Field(default=True, description="git state, command line, packages, machine")
    diff: bool = Field(default=True, description="with what is not committed")
    system: _Positive | None = Field(default=10.0, description="seconds between looks at the machine; null: none")
    loop: bool = Field(default=True, description="the loop's own lag")
    hang_after: _Positive | None = Field(default=30.0, description="seconds until a loop that stands still is told of")

    def made(self) -> Capture:
        """The Capture that it says."""
        return Capture(**self.model_dump())


def _plain(given: Any) -> Any:
    if isinstance(given, Capture):
        return {one.name: getattr(given, one.name) for one in fields(given)}
    if given is True or given is False:
        return {} if given else None
    return dict(given) if isinstance(given, Mapping) else given


Captured = Annotated[CaptureSettings | None, BeforeValidator(_plain)]
"""True, False, or the arguments of a Capture."""
