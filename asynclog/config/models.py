"""What a configuration may say: the names, their types and ranges. pydantic checks them, and its schema is the reference.

This module needs pydantic; whoever reads no configuration never imports it.
"""

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from pydantic.json_schema import SkipJsonSchema, WithJsonSchema

from asynclog.artifacts.settings import Artifacts
from asynclog.config.captured import Captured
from asynclog.config.part import Part, Seconds
from asynclog.config.tracked import RoutinesSection
from asynclog.engine.settings import Journal
from asynclog.flow.limit import RateLimit, is_number
from asynclog.flow.queue import Overflow
from asynclog.flow.route import Route
from asynclog.sink import Place
from asynclog.state import PHASES, Level, Phase
from asynclog.values import EVERY_KIND

Kind = Literal[EVERY_KIND]  # type: ignore[valid-type]
_INTERVALS: Final = ("write_every_n_seconds", "write_train_every_n_seconds", "write_val_every_n_seconds")


def _or_number(schema: JsonDict) -> None:
    """In the file a limit may be a number, too."""
    whole = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "number", "minimum": 0}, whole]


def _or_name(schema: JsonDict) -> None:
    """A sink may be its name alone."""
    whole = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string"}, whole]


def _or_mapping(schema: JsonDict) -> None:
    """Sinks may be a mapping, whose keys are their routes' names."""
    listed = {name: schema.pop(name) for name in ("type", "items")}
    named = {"type": "object", "additionalProperties": listed["items"]}
    schema["anyOf"] = [dict(listed), named]


class Limit(Part):
    """At most one delivery per interval, counted per phase. A number alone is `every`."""

    model_config = ConfigDict(json_schema_extra=_or_number)

    every: Seconds | None = Field(default=None, description="seconds between deliveries")
    train: Seconds | None = Field(default=None, description="the same in this phase, in place of `every`")
    valid: Seconds | None = Field(default=None, description="the same in this phase")
    test: Seconds | None = Field(default=None, description="the same in this phase")
    steps: int | None = Field(default=None, ge=1, description="at least so many steps between deliveries")
    budget: float | None = Field(
        default=None, gt=0, le=1, description="the share of the loop's wall time that logging may take"
    )
    spare: list[Kind] = Field(default=[], description="kinds that the limit doesn't touch")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, given: Any) -> Any:
        if is_number(given):
            return {"every": given}
        if isinstance(given, RateLimit):
            intervals = {phase: given.interval(phase) for phase in PHASES}
            return {**intervals, "steps": given.steps, "budget": given.budget, "spare": sorted(given.spare)}
        return given

    def made(self) -> RateLimit:
        """The RateLimit that it says."""
        return RateLimit(**self.model_dump())


class Intervals(Part):
    """ml-starter's names of a limit: the first write of a phase is due, then when so many seconds have passed."""

    write_every_n_seconds: Seconds | None = Field(default=None, description="ml-starter's `limit: {every: …}`")
    write_train_every_n_seconds: Seconds | None = Field(default=None, description="the same in train")
    write_val_every_n_seconds: Seconds | None = Field(default=None, description="the same in valid and test")

    def interval(self, phase: str) -> float | None:
        """Seconds between writes of this phase: its own, else the general one."""
        own = self.write_train_every_n_seconds if phase == "train" else self.write_val_every_n_seconds
        return self.write_every_n_seconds if own is None else own

    @property
    def given(self) -> bool:
        """Whether any of them is."""
        return any(getattr(self, name) is not None for name in _INTERVALS)

    def limited(self, limit: Limit | None, otherwise: Limit | None) -> Limit | None:
        """One limit of both ways to say it, and of what holds where nothing is said."""
        if not self.given:
            return limit
        phases: dict[str, Any] = {phase: self.interval(phase) for phase in PHASES}
        if otherwise is not None:
            whole = otherwise.made()
            phases = {phase: whole.interval(phase) if own is None else own for phase, own in phases.items()}
        return Limit(**phases)

    @model_validator(mode="after")
    def _once(self) -> Self:
        if self.given and getattr(self, "limit", None) is not None:
            raise ValueError("limit and write_every_n_seconds say the same; give one of them")
        return self


class JournalSettings(Part):
    """How the run is kept on disk."""

    limit: Limit | None = Field(default=None, description="when costly values are recorded though no sink asks for them")
    kinds: list[Kind] | None = Field(default=None, description="what is kept; all")
    fsync: Literal["interval", "always", "close"] = Field(default="interval", description="when the disk is waited for")
    linger: float = Field(default=0.2, gt=0, allow_inf_nan=False, description="seconds that rows may wait in memory")
    segment_bytes: int = Field(default=128 << 20, ge=4096, description="beyond this a new file is begun")
    compress: Literal["zstd"] | None = Field(default=None, description="null or zstd")
    keep: Literal["forever"] = Field(default="forever", description="for how long")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, given: Any) -> Any:
        if not isinstance(given, Journal):
            return given
        kinds = None if given.kinds is None else sorted(given.kinds)
        return {one.name: getattr(given, one.name) for one in fields(given)} | {"kinds": kinds}

    def made(self) -> Journal:
        """The Journal that it says."""
        kinds = None if self.kinds is None else frozenset(self.kinds)
        limit = None if self.limit is None else self.limit.made()
        given = self.model_dump(exclude={"limit", "kinds"})
        return Journal(limit=limit, kinds=kinds, **given)


class ArtifactSettings(Part):
    """How much room the files have that `log_artifact` keeps: the arguments of an `Artifacts`."""

    quota: int | None = Field(default=None, ge=0, description="bytes that they may take; as the disk has room")
    full: Literal["wait", "refuse"] = Field(default="wait", description="what becomes of one that would be too much")
    keep: int | None = Field(default=None, ge=1, description="of how many versions of a name the bytes are kept; of all")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, given: Any) -> Any:
        return {one.name: getattr(given, one.name) for one in fields(given)} if isinstance(given, Artifacts) else given

    def made(self) -> Artifacts:
        """The Artifacts that it says."""
        return Artifacts(**self.model_dump())


class Policy(Intervals):
    """How a sink is served: the arguments of a `Route`."""

    name: str | None = Field(default=None, description="unique; the sink's class in lower case")
    limit: Limit | None = Field(default=None, description="in place of the logger's")
    overflow: Overflow | None = Field(default=None, description="what is done when the sink can't keep up")
    place: Place | None = Field(default=None, description="where the sink runs; its class has a default")
    worker: str | None = Field(default=None, description="routes that name the same one share a process")
    kinds: list[Kind] | None = Field(default=None, description="only these")
    namespaces: list[str] | None = Field(default=None, description="only these, and those below them")
    phases: list[Phase] | None = Field(default=None, description="only these")
    level: Level | None = Field(default=None, description="only this one")
    deadline: Seconds = Field(default=30.0, description="seconds that the sink's end may take")


class SinkEntry(Intervals):
    """A sink. Whatever else stands here are the sink's arguments. A name alone is `{use: NAME}`."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_or_name)

    use: str = Field(
        description="a sink's name, one of an entry point `asynclog.sinks`, `package.module:Class`, or the path of a .py file"
    )
    route: Policy = Field(default=Policy(), description="how it is served")
    ready: SkipJsonSchema[Any] = Field(default=None, exclude=True, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"use": given}
        if isinstance(given, Route) or callable(getattr(given, "aclose", None)):
            return {"use": type(given).__name__, "ready": given}
        if isinstance(given, Mapping) and "_target_" in given and "use" not in given:
            module, _, name = str(given["_target_"]).rpartition(".")
            return {"use": f"{module}:{name}", **{at: one for at, one in given.items() if at != "_target_"}}
        return given

    @property
    def arguments(self) -> dict[str, Any]:
        """What the sink is made with."""
        return dict(self.model_extra or {})


class LoggingSection(Part):
    """3DB's section: loggers by their modules, each in a process of its own."""

    logger_modules: list[str] = Field(default=[], description="dotted names, and paths of .py files")
    root_dir: str | None = Field(default=None, description="where loggers ported from 3DB write, all in one directory")


def by_name(given: Any) -> Any:
    """Sinks as a list; the keys of a mapping are their routes' names."""
    if not isinstance(given, Mapping):
        return given
    named = []
    for name, one in given.items():
        entry = one
        if isinstance(one, str):
            entry = {"use": one, "route": {"name": name}}
        elif isinstance(one, Mapping):
            route = one.get("route", {})
            entry = {**one, "route": {"name": name, **route} if isinstance(route, Mapping) else route}
            if "_target_" not in one:
                entry = {"use": name, **entry}
        elif not isinstance(one, Route) and callable(getattr(one, "aclose", None)):
            entry = {"use": type(one).__name__, "ready": one, "route": {"name": name}}
        named.append(entry)
    return named


def _as_text(path: Any) -> Any:
    return os.fspath(path) if isinstance(path, os.PathLike) else path


class LoggerSettings(Intervals):
    """All that a configuration may say of a `MultiLogger`."""

    run: Annotated[str, BeforeValidator(_as_text)] | None = Field(
        default=None, description="the run's directory; null: nothing is kept, values go to the sinks alone"
    )
    run_name: str | None = Field(default=None, description="what `{run_name}` stands for; the last part of `run`")
    limit: Limit | None = Field(default=None, description="every route's default; a number, or the arguments of a `RateLimit`")
    journal: JournalSettings | None = Field(default=None, description="how the run is kept on disk")
    slabs: int | None = Field(default=None, ge=16 << 20, description="bytes of shared memory at most")
    recorder: Literal["process", "thread"] = Field(default="process", description="`process` survives the training process")
    resume: Literal["allow", "must", "never"] = Field(default="allow", description="whether a run that is there goes on")
    rewind_to: Annotated[int | dict[Phase, int] | None, Field(union_mode="left_to_right")] = Field(
        default=None, description="go on from this step: what was recorded later is superseded; or a step by phase"
    )
    strict: bool = Field(default=False, description="bad values raise `InvalidValue`, in place of being counted")
    writer: str | None = Field(default=None, description="this process's name within the run; `main`, or `rank<n>`")
    switch_interval: Annotated[float, Field(gt=0, lt=1e6)] | None = Field(
        default=0.0005, description="seconds between threads' turns while sinks live in threads of this process"
    )
    capture: Captured = Field(default=None, description="prints, log records, the environment, the machine; `true` for all")
    artifacts: ArtifactSettings | None = Field(default=None, description="how much room files have that are kept")
    config: Annotated[Any, WithJsonSchema({"type": "object"})] = Field(
        default=None, description="the run's settings, recorded with the first write"
    )
    sinks: Annotated[list[SinkEntry], BeforeValidator(by_name)] = Field(
        default=[],
        description="where values go; a list, or a mapping whose keys are the routes' names",
        json_schema_extra=_or_mapping,
    )
    routines: RoutinesSection | None = Field(default=None, description="what the routines track")
    logging: LoggingSection = Field(default=LoggingSection(), description="3DB's section")
