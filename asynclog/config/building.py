"""From a configuration to a MultiLogger: all of it is looked at, so that one error says all that is wrong."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from asynclog.config.complaints import Complaint, Key, complaints_of, refused
from asynclog.config.files import SECTION
from asynclog.config.fitting import unfit
from asynclog.config.lookup import maker_named
from asynclog.config.models import Limit, LoggerSettings, SinkEntry, by_name
from asynclog.config.module_sink import ModuleSink
from asynclog.config.placeholders import filled
from asynclog.config.routes import logger_modules
from asynclog.config.source import Source
from asynclog.errors import InvalidConfiguration
from asynclog.flow.route import Route
from asynclog.logger.multi import MultiLogger

_Made = TypeVar("_Made")
_SERVED_BY: Final = ("name", "overflow", "place", "worker", "kinds", "namespaces", "phases", "level", "deadline")
_AS_IT_IS: Final = ("slabs", "recorder", "resume", "rewind_to", "strict", "writer", "switch_interval", "config")


class Build:
    """One configuration on its way. settings: as checked, placeholders filled; None if it isn't in order. complaints: what is
    wrong, as far as it was looked at. routes: a Route a sink, of those that could be made."""

    def __init__(self, source: Source, environ: Mapping[str, str] = os.environ) -> None:
        self.source = source
        self.routes: list[Route] = []
        self._given, unfilled = filled(source.settings, environ)
        self.complaints: list[Complaint] = [*source.repeated(), *unfilled]
        self._unfilled = {one.key[:2] for one in unfilled}
        self.settings: LoggerSettings | None = None
        try:
            self.settings = LoggerSettings.model_validate(self._given)
        except ValidationError as error:
            self.complaints += [self._with_way(one) for one in complaints_of(error, LoggerSettings)]

    def make_routes(self) -> None:
        """Make every sink that is in order; nothing is opened."""
        for at, entry in enumerate(self._entries()):
            # A sink with a placeholder left in it would only be refused for that once more.
            if entry is None or self.source.written(("sinks", at)) in self._unfilled:
                continue
            route = self._route(entry, ("sinks", at))
            if route is not None:
                self.routes.append(route)
        routines = None if self.settings is None else self.settings.routines
        for shown in [] if routines is None else routines.consoles():
            route = self._route(SinkEntry.model_validate(shown), ("routines",))
            self.routes.extend([] if route is None else [route])
        section = None if self.settings is None else self.settings.logging
        if section is not None and section.logger_modules:
            config = {**self.source.whole, "logging": {"logger_modules": section.logger_modules}}
            made = self._attempt(("logging", "logger_modules"), lambda: logger_modules(config, root_dir=section.root_dir))
            self.routes.extend(made or ())

    def logger(self) -> MultiLogger | None:
        """The logger, if nothing is wrong."""
        settings = self.settings
        if settings is None or self.complaints:
            return None
        limit, journal, capture, artifacts = self._limit, settings.journal, settings.capture, settings.artifacts
        return self._attempt(
            (),
            lambda: MultiLogger(
                settings.run,
                sinks=self.routes,
                limit=None if limit is None else limit.made(),
                journal=None if journal is None else journal.made(),
                artifacts=None if artifacts is None else artifacts.made(),
                capture=False if capture is None else capture.made(),
                **{name: getattr(settings, name) for name in _AS_IT_IS},
            ),
        )

    def refusal(self) -> InvalidConfiguration:
        """All complaints as one error."""
        written = [one._replace(key=self.source.written(one.key)) for one in self.complaints]
        return refused(written, self.source.where)

    @property
    def _limit(self) -> Limit | None:
        return None if self.settings is None else self.settings.limited(self.settings.limit, None)

    # -- steps ------------------------------------------------------------------------------------------------------

    def _with_way(self, one: Complaint) -> Complaint:
        """Of a key that nobody knows and that is like none: it may be somebody else's."""
        strange = len(one.key) == 1 and not self.source.prefix and one.key[0] not in LoggerSettings.model_fields
        if not strange or "did you mean" in one.what:
            return one
        return one._replace(what=f"{one.what}. In a file that has others' keys, too, the logger's stand below {SECTION}:")

    def _entries(self) -> list[SinkEntry | None]:
        """The sinks; of a configuration that isn't in order those that are, each at its place."""
        if self.settings is not None:
            return list(self.settings.sinks)
        given = by_name(self._given.get("sinks"))
        return [_entry(one) for one in given] if isinstance(given, list) else []

    def _route(self, entry: SinkEntry, key: Key) -> Route | None:
        ready = entry.ready
        if isinstance(ready, Route):
            return ready
        sink = ready if ready is not None else self._sink(entry, key)
        if sink is None:
            return None
        policy = entry.route
        served = {name: getattr(policy, name) for name in _SERVED_BY}
        if isinstance(sink, ModuleSink):
            # Its route and its directory in the run have one name.
            sink.name = served["name"] = policy.name or sink.name
        if entry.given and (policy.given or policy.limit is not None):
            self.complaints.append(Complaint(key, "its limit is given here and below route; give one of them"))
        limit = entry.limited(policy.limited(policy.limit, self._limit), self._limit)
        return self._attempt((*key, "route"), lambda: Route(sink, limit=None if limit is None else limit.made(), **served))

    def _sink(self, entry: SinkEntry, key: Key) -> Any:
        make = self._attempt((*key, "use"), lambda: maker_named(entry.use))
        if make is None:
            return None
        wrong = [Complaint((*key, argument), why) for argument, why in unfit(make, entry.arguments)]
        self.complaints += wrong
        return None if wrong else self._attempt(key, lambda: make(**entry.arguments))

    def _attempt(self, key: Key, make: Callable[[], _Made]) -> _Made | None:
        """What it makes, or a complaint: a sink's class may be anybody's, and raise anything."""
        try:
            return make()
        except InvalidConfiguration as error:
            self.complaints.append(Complaint(key, str(error)))
        except Exception as error:  # noqa: BLE001 - as above; it is said where it was asked for
            self.complaints.append(Complaint(key, f"{type(error).__name__}: {error}"))
        return None


def _entry(given: Any) -> SinkEntry | None:
    try:
        return SinkEntry.model_validate(given)
    except ValidationError:
        return None  # it is complained of with the whole


def built(config: Any, overrides: Mapping[str, Any]) -> MultiLogger:
    """See asynclog.from_config."""
    build = Build(Source(config, overrides))
    build.make_routes()
    logger = build.logger()
    if logger is None:
        raise build.refusal()
    return logger


def checked(config: Any, overrides: Mapping[str, Any]) -> LoggerSettings:
    """See asynclog.config.parse."""
    build = Build(Source(config, overrides))
    if build.settings is None or build.complaints:
        raise build.refusal()
    return build.settings
