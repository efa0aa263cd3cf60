"""Everything that the rules of one ``Alerts`` say of one writer's stream: points go in, alerts come out.

It knows no clock and no I/O. ``now`` is seconds of a clock that never goes back; points bring their own times. What an earlier
life has looked at is known by its time: (epoch, time_ns) names a write for good, and what comes a second time says nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from asynclog.sink import Column
from asynclog.sinks.alerts.alert import Alert, one_line
from asynclog.sinks.alerts.rules import Ended, Rule, Silent, ValueRule
from asynclog.sinks.alerts.watch import Found, Watch, look
from asynclog.sinks.naming import flat_name

Series = tuple[str, str, str]
Columns = Mapping[Series, Column]
_QUIET: Final = Watch()
_MOST_SERIES: Final = 100_000


@dataclass
class _Silence:
    """Of one Silent rule: since when (``now``), whether anything had come before, whether it was told of."""

    since: float
    heard: bool = False
    told: bool = False


class Decisions:
    """Of one writer of one run. Feed it in the order of the stream."""

    def __init__(self, rules: Sequence[Rule], run: str, writer: str, now: float) -> None:
        self._run, self._writer = run, writer
        self._value_rules = {one.name: one for one in rules if isinstance(one, ValueRule)}
        self._endings = [one for one in rules if isinstance(one, Ended)]
        self._silences = [(one, _Silence(now)) for one in rules if isinstance(one, Silent)]
        self._concerned: dict[Series, list[ValueRule]] = {}
        self._watches: dict[tuple[str, Series], Watch] = {}
        # Of the last point of this life, and of the life before. Only the latter leaves points out: records of two schemas
        # may overlap in time, so within a life an earlier time needn't mean that it was seen.
        self._mark = self._seen = (-1, 0)
        self._told_end: list[str] = []
        self._over = False

    # -- what comes in ----------------------------------------------------------------------------------------------

    def take(self, columns: Columns, epoch: int, now: float) -> list[Alert]:
        """Numbers of one batch, of one epoch; maybe none, where it holds other kinds."""
        self._break_silences(columns, now)
        alerts: list[Alert] = []
        newest = self._mark
        for series, column in columns.items():
            column = self._unseen(column, epoch)
            if not len(column.time_ns):
                continue
            newest = max(newest, (epoch, int(column.time_ns[-1])))
            for rule in self._rules_of(series):
                before = self._watches.get((rule.name, series), _QUIET)
                after, found = look(rule, before, column)
                if after != before:
                    self._keep((rule.name, series), after)
                alerts.extend(self._of_value(rule, series, epoch, one) for one in found)
        self._mark = newest
        return sorted(alerts, key=lambda one: one.time)

    def pass_time(self, now: float, time: float) -> list[Alert]:
        """Nothing may have come for too long. time: the same moment in seconds since 1970, for the alerts."""
        alerts: list[Alert] = []
        for rule, silence in self._silences:
            if silence.told or self._over or now - silence.since < rule.patience(heard=silence.heard):
                continue
            silence.told = True
            last = "" if silence.heard else " since the start"
            alerts.append(self._alert(rule, f"{rule.reason()}{last} for {now - silence.since:.3g} s", time, f"{time:.0f}"))
        return alerts

    def hold(self, now: float) -> None:
        """What comes can't be looked at for now: that it is silent meanwhile says nothing."""
        for _, silence in self._silences:
            silence.since = max(silence.since, now)

    def end(self, status: str, error: str | None, epoch: int, time: float) -> list[Alert]:
        """The run has ended. May come again, and then says nothing."""
        self._over = True
        which = f"{max(epoch, self._mark[0])} {status}"
        if which in self._told_end:
            return []
        self._told_end.append(which)
        why = f": {error}" if error else ""
        return [
            self._alert(one, f"the run has ended: {status}{why}", time, which)
            for one in self._endings
            if status in one.statuses
        ]

    @property
    def listens(self) -> bool:
        """Whether time alone may make an alert."""
        return bool(self._silences) and not self._over

    @property
    def shortest_s(self) -> float:
        """The shortest silence that any rule allows; infinite where none does."""
        return min((min(one.seconds, one.patience(heard=False)) for one, _ in self._silences), default=float("inf"))

    # -- what is kept over a restart --------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that is known, as JSON has it. Silences begin anew with each life: they are of its own clock."""
        return {
            "mark": list(self._mark),
            "ends": self._told_end,
            "watches": [[name, *series, list(watch)] for (name, series), watch in self._watches.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``state()``. What rules say that there are no more is forgotten."""
        epoch, time_ns = state["mark"]
        self._mark = self._seen = epoch, time_ns
        self._told_end = list(state["ends"])
        for name, phase, namespace, key, fields in state["watches"]:
            if name in self._value_rules:
                *counted, memory = fields
                self._watches[name, (phase, namespace, key)] = Watch._make([*counted, tuple(memory)])

    # -- inside -----------------------------------------------------------------------------------------------------

    def _unseen(self, column: Column, epoch: int) -> Column:
        seen_epoch, seen_ns = self._seen
        if epoch > seen_epoch:
            return column
        # Nothing of an earlier epoch comes after a later one, but what comes again.
        first = len(column.time_ns) if epoch < seen_epoch else int(np.searchsorted(column.time_ns, seen_ns, "right"))
        return column if not first else Column(*(one[first:] for one in column))

    def _rules_of(self, series: Series) -> Iterable[ValueRule]:
        found = self._concerned.get(series)
        if found is None:
            if len(self._concerned) >= _MOST_SERIES:
                self._concerned.clear()
            phase, name = series[0], flat_name(*series[1:])
            found = self._concerned[series] = [one for one in self._value_rules.values() if one.concerns(phase, name)]
        return found

    def _keep(self, which: tuple[str, Series], watch: Watch) -> None:
        if watch == _QUIET:
            self._watches.pop(which, None)
        else:
            self._watches[which] = watch

    def _break_silences(self, columns: Columns, now: float) -> None:
        for rule, silence in self._silences:
            if rule.series is None or any(rule.concerns(flat_name(*one[1:])) for one in columns):
                silence.since, silence.heard, silence.told = now, True, False

    def _of_value(self, rule: ValueRule, series: Series, epoch: int, found: Found) -> Alert:
        phase, name = series[0], flat_name(*series[1:])
        again = f" ({found.withheld} more since the last alert)" if found.withheld else ""
        text = f"{name} {rule.reason()}{rule.persistence}: {found.value:.6g} at {phase} step {found.step}{again}"
        which = f"{epoch}/{found.time_ns}/{phase}/{name}"
        return self._alert(
            rule, text, found.time_ns / 1e9, which, phase=phase, key=name, step=found.step, epoch=epoch, value=found.value
        )

    def _alert(self, rule: Rule, text: str, time: float, which: str, **more: Any) -> Alert:
        return Alert(one_line(text), rule.name, self._run, self._writer, time, f"{self._writer}/{which}/{rule.name}", **more)


def by_action(alerts: Iterable[Alert], rules: Sequence[Rule], actions: Iterable[str]) -> dict[str, list[Alert]]:
    """Which of the actions has which alerts to tell."""
    wanted = {one.name: one.to for one in rules}
    names = list(actions)
    told: defaultdict[str, list[Alert]] = defaultdict(list)
    for one in alerts:
        to = wanted[one.rule]
        for name in names if to is None else to:
            told[name].append(one)
    return dict(told)
