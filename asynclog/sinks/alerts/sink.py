"""The shell around the rules: it looks at the clock, keeps what is to be told until it was told, and calls the actions."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Final

from asynclog.errors import InvalidConfiguration, SinkRejected, SinkUnavailable
from asynclog.sink import Batch, Place, RunInfo
from asynclog.sinks.alerts.actions import Action, Call, Callback, Terminal
from asynclog.sinks.alerts.alert import Alert, lines
from asynclog.sinks.alerts.decisions import Decisions, by_action
from asynclog.sinks.alerts.keeping import Keeping
from asynclog.sinks.alerts.rules import Rule

_log: Final = logging.getLogger("asynclog.alerts")
_CONSOLE: Final = "console"
_SAVE_S: Final = 1.0
_AGAIN_S: Final = 5.0
_TURNS_S: Final = (0.02, 1.0)
Outbox = dict[str, list[Alert]]


class Alerts:
    """Tells when a rule is broken: to callbacks, webhooks and the terminal, and always to the logger ``asynclog.alerts``.

    rules: ``NotFinite``, ``Above``, ``Below``, ``Jump``, ``Silent``, ``Ended``. actions: by name, a function of an ``Alert``
    (plain or async), a ``Webhook``, a ``Terminal``, or whatever has ``async send(alerts)``; a rule names those it wants with
    ``to=``, else it gets all. "console" is there without being given. name: of its directory in the run; two Alerts of a run
    need two.

    Lives in a process of its own under the recorder, and so goes on when the training process hangs or dies; with a function
    among its actions in a thread of the training process, where a silence is noticed as long as threads run, and a death isn't.

    What was told is remembered in the run's directory, and isn't told again after a restart. Raises InvalidConfiguration.
    """

    def __init__(
        self, rules: Sequence[Rule], actions: "Mapping[str, Callback | Action] | None" = None, *, name: str = "alerts"
    ) -> None:
        self._rules, self._name = tuple(rules), name
        self._actions = _ordered({_CONSOLE: Terminal()} if actions is None else actions, self._rules)
        _check(self._rules, self._actions)
        self._decisions: Decisions | None = None
        self._keeping: Keeping | None = None
        self._run = RunInfo("", "", None, "", 0)
        self._outbox: Outbox = {}
        self._taken = (-1, -1)
        self._behind = False
        self._changed = False
        self._saved = 0.0
        self._save_failed = False
        self._sending: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def default_place(self) -> Place:
        return "thread" if any(isinstance(one, Call) for one in self._actions.values()) else "process"

    async def open(self, run: RunInfo) -> None:
        self._run = run
        self._decisions = Decisions(self._rules, run.name, run.writer, time.monotonic())
        if run.directory is not None:
            await asyncio.to_thread(self._load, run)
        if self._decisions.listens:
            self._watching = asyncio.create_task(self._watch())

    async def write(self, batch: Batch, /) -> None:
        decisions = self._opened
        if self._taken != (batch.epoch, batch.seq):
            self._queue(decisions.take(batch.columns, batch.epoch, time.monotonic()))
            self._taken = batch.epoch, batch.seq
            self._changed = True
        try:
            await self._tell()
        except SinkUnavailable:
            self._behind = True
            raise
        self._behind = False
        await self._save(force=False)

    async def flush(self) -> None:
        await self._tell()
        await self._save(force=True)

    async def run_ended(self, status: str, error: str | None) -> None:
        self._queue(self._opened.end(status, error, self._run.epoch, time.time()))
        self._changed = True
        await self._tell()
        await self._save(force=True)

    async def aclose(self) -> None:
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
        if self._sending is not None:
            # What it can't tell lies in the outbox.
            await asyncio.wait([self._sending])
        await self._save(force=True)
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.close()

    # -- what is to be told -----------------------------------------------------------------------------------------

    def _queue(self, alerts: Sequence[Alert]) -> None:
        told = by_action(alerts, self._rules, self._actions)
        for name, some in told.items():
            self._outbox.setdefault(name, []).extend(some)
        terminals = {name: one for name, one in self._actions.items() if isinstance(one, Terminal)}
        shown = {one.id for name, terminal in terminals.items() for one in told.get(name, ()) if terminal.shows(one)}
        for level, some in (
            (logging.INFO, [one for one in alerts if one.id in shown]),
            (logging.WARNING, [one for one in alerts if one.id not in shown]),
        ):
            for text in lines(some):
                _log.log(level, "%s", text)

    async def _tell(self) -> None:
        """Tell all that waits. Raises SinkUnavailable; what was told by then isn't told again."""
        while any(self._outbox.values()):
            if self._sending is None or self._sending.done():
                await self._save(force=True)
                self._sending = asyncio.create_task(self._send())
                self._sending.add_done_callback(_seen)
            # To its end, also if whoever waits for it is cancelled: the next one waits for the same.
            await asyncio.shield(self._sending)

    async def _send(self) -> None:
        down: list[str] = []
        failed: list[BaseException] = []
        for name, action in self._actions.items():
            waiting = self._outbox.pop(name, [])
            # A function is told one by one: what it makes of one alert says nothing of the others.
            messages = [[one] for one in waiting] if isinstance(action, Call) else [waiting] if waiting else []
            for at, some in enumerate(messages):
                self._changed = True
                try:
                    await action.send(tuple(some))
                except (SinkUnavailable, OSError, TimeoutError) as error:
                    down.append(f"{name}: {error}")
                    self._outbox[name] = [*chain.from_iterable(messages[at:]), *self._outbox.get(name, [])]
                    break
                except SinkRejected as error:
                    _log.error("%d alerts to %s are given up: %s", len(some), name, error)
                except (asyncio.CancelledError, GeneratorExit):
                    raise
                except BaseException as error:  # noqa: BLE001 - the others are told first
                    failed.append(error)
        await self._save(force=True)
        if failed:
            raise _said_of(failed)
        if down:
            raise SinkUnavailable("; ".join(down))

    async def _watch(self) -> None:
        """While nothing comes, nobody calls the sink: what fails here is said here."""
        decisions, again = self._opened, 0.0
        shortest, longest = _TURNS_S
        turn_s = min(longest, max(shortest, decisions.shortest_s / 4))
        while True:
            await asyncio.sleep(turn_s)
            now = time.monotonic()
            if self._behind:
                decisions.hold(now)
                continue
            self._queue(decisions.pass_time(now, time.time()))
            if not any(self._outbox.values()) or now < again:
                continue
            try:
                await self._tell()
            except SinkUnavailable as error:
                if not again:
                    _log.warning("alerts wait: %s", error)
                again = now + _AGAIN_S
            except Exception:  # noqa: BLE001 - nobody else would hear of it
                _log.exception("an alert could not be told")
            else:
                again = 0.0

    # -- what is kept -----------------------------------------------------------------------------------------------

    def _load(self, run: RunInfo) -> None:
        folder = run.sink_directory(self._name)
        self._keeping = Keeping(Path(folder) / f"{run.writer}.json")
        state = self._keeping.load()
        if state is None or state["run"] != run.id:
            return
        self._opened.restore(state["decisions"])
        self._outbox = {name: [Alert(**one) for one in some] for name, some in state["outbox"].items() if name in self._actions}

    async def _save(self, *, force: bool) -> None:
        now = time.monotonic()
        if self._keeping is None or not self._changed or (not force and now - self._saved < _SAVE_S):
            return
        self._changed, self._saved = False, now
        outbox = {name: [asdict(one) for one in some] for name, some in self._outbox.items() if some}
        state = {"run": self._run.id, "decisions": self._opened.state(), "outbox": outbox}
        try:
            await asyncio.to_thread(self._keeping.save, state)
        except OSError as error:
            # A full disk is a reason for alerts, none to keep them back.
            if not self._save_failed:
                _log.warning("what was told can't be saved, and may be told again after a restart: %s", error)
            self._save_failed = True

    @property
    def _opened(self) -> Decisions:
        assert self._decisions is not None, "open() comes first"
        return self._decisions

    def __repr__(self) -> str:
        return f"Alerts({', '.join(one.name for one in self._rules)}; to {', '.join(self._actions)})"


def _ordered(actions: "Mapping[str, Callback | Action]", rules: Sequence[Rule]) -> dict[str, Action]:
    """The actions that there are, those first that no network is needed for: nobody waits for another's outage."""
    made: dict[str, Action] = {}
    for name, one in actions.items():
        if isinstance(one, Action):
            made[name] = one
        elif callable(one):
            made[name] = Call(one)
        else:
            raise InvalidConfiguration(
                f"action {name!r}: expected a function or what has async send(alerts), not {type(one).__name__}"
            )
    if _CONSOLE not in made and any(_CONSOLE in rule.to for rule in rules if rule.to is not None):
        made[_CONSOLE] = Terminal()
    return dict(sorted(made.items(), key=lambda one: not isinstance(one[1], Terminal | Call)))


def _check(rules: Sequence[Rule], actions: Mapping[str, Action]) -> None:
    names: set[str] = set()
    for rule in rules:
        if not isinstance(rule, Rule):
            raise InvalidConfiguration(f"expected rules such as NotFinite() or Above('loss', 10), got {rule!r}")
        if rule.name in names:
            raise InvalidConfiguration(f"two rules are called {rule.name!r}: give one a name=")
        names.add(rule.name)
        if unknown := [one for one in rule.to or () if one not in actions]:
            raise InvalidConfiguration(f"rule {rule.name!r}: no action {unknown[0]!r} among {', '.join(actions) or 'none'}")


def _said_of(failed: Sequence[BaseException]) -> Exception:
    """What actions raised, as one error."""
    first = failed[0]
    if not isinstance(first, Exception):
        # A task that raises SystemExit ends its loop, and with it whatever else lives there.
        first, cause = RuntimeError(f"an action raised {type(first).__name__}: {first}"), first
        first.__cause__ = cause
    if len(failed) > 1:
        first.add_note(f"{len(failed) - 1} more alerts failed")
    return first


def _seen(sending: "asyncio.Task[None]") -> None:
    """Its failure is told by whoever waits for it; if nobody does, the next call tries again."""
    if not sending.cancelled():
        sending.exception()
