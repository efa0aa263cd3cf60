"""What a rule has seen of one series, and what it says of the next points: a pure step from state to state.

Time is the points' own, in nanoseconds since 1970. So the same points give the same alerts, however they are cut into
batches, whenever they come.
"""

from typing import NamedTuple

import numpy as np

from asynclog.sink import Column
from asynclog.sinks.alerts.rules import Memory, ValueRule


class Watch(NamedTuple):
    """breaches: in a row up to now, the first of them at since_ns. told_ns: of the last alert; 0 for none. withheld: how often
    it would have been told of, had it not been so soon after that. memory: what the rule itself keeps."""

    breaches: int = 0
    since_ns: int = 0
    alarmed: bool = False
    told_ns: int = 0
    withheld: int = 0
    holding: bool = False
    """Whether the present row of breaches was counted as withheld."""
    memory: Memory = ()


class Found(NamedTuple):
    """A point at which there is to be an alert. withheld: since the last one."""

    step: int
    time_ns: int
    value: float
    withheld: int = 0


def look(rule: ValueRule, watch: Watch, points: Column) -> tuple[Watch, list[Found]]:
    """The state after these points, in their order, and the alerts that they make."""
    bad, good, memory = rule.judge(watch.memory, points.value)
    watch = watch._replace(memory=memory)
    # Nearly always nothing is wrong, or all is as wrong as it was: then no point needs to be looked at by itself.
    if watch.alarmed and not good.any():
        return watch, []
    if not watch.alarmed and not bad.any():
        return (watch._replace(breaches=0, holding=False) if watch.breaches and len(bad) else watch), []
    found: list[Found] = []
    breaches, since_ns, alarmed, told_ns, withheld, holding, _ = watch
    wait_ns, cooldown_ns = round(rule.seconds * 1e9), rule.cooldown * 1e9
    # From the first that can change anything; what is between was neither.
    first = int(np.argmax(good if alarmed else bad))
    if first and not alarmed:
        breaches, holding = 0, False
    columns = (bad[first:], good[first:], points.step[first:], points.time_ns[first:], points.value[first:])
    for is_bad, is_good, step, time_ns, value in zip(*(one.tolist() for one in columns), strict=True):
        if alarmed:
            if is_good:
                alarmed, breaches = False, 0
            continue
        if not is_bad:
            breaches, holding = 0, False
            continue
        if not breaches:
            since_ns = time_ns
        breaches += 1
        if breaches < rule.points or time_ns - since_ns < wait_ns:
            continue
        if told_ns and time_ns - told_ns < cooldown_ns:
            withheld += not holding
            holding = True
            continue
        found.append(Found(step, time_ns, value, withheld - holding))
        alarmed, told_ns, withheld, holding = True, time_ns, 0, False
    return Watch(breaches, since_ns, alarmed, told_ns, withheld, holding, memory), found
