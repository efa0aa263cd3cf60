"""Hooks: what happens in a training reaches the sinks that want it, in its place among the values, and nobody else."""

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration, InvalidValue
from asynclog.flow.route import Route
from asynclog.values import HOOKS


class Trainer(al.BaseSink):
    """Acts on some hooks, plain and async, and on the end."""

    default_place = "caller"

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def log_scalar(self, key: str, value: float, state: al.State, namespace: str) -> None:
        self.said.append((key, value))

    def fit_start(self, state: al.State) -> None:
        self.said.append(("fit_start", state))

    async def epoch_end(self, state: al.State) -> None:
        await asyncio.sleep(0)
        self.said.append(("epoch_end", state))

    async def run_ended(self, status: str, error: str | None) -> None:
        self.said.append(("run_ended", status))

    def close(self, state: al.State) -> None:
        self.said.append(("close", state))

    async def post_close(self) -> None:
        self.said.append(("post_close",))


class Everything(al.BaseSink):
    default_place = "caller"

    def __init__(self) -> None:
        self.names: list[str] = []

    def hook(self, name: str, state: al.State) -> None:
        self.names.append(name)


class Plain:
    """A sink of two methods, which takes hooks as the events they are."""

    default_place = "caller"

    def __init__(self, hooks: bool | Collection[str] | None = None) -> None:
        self.events: list[al.Event] = []
        if hooks is not None:
            self.hooks = hooks

    async def write(self, batch: al.Batch, /) -> None:
        self.events.extend(batch)

    async def aclose(self) -> None: ...


START, END = al.State(0, level="fit"), al.State(2, epoch=1, level="epoch")


async def train(log: al.MultiLogger) -> None:
    await log.hook("init", START)
    await log.hook("fit_start", START)
    for step in range(2):
        await log.hook("batch_start", step)
        log.log_scalar("loss", 0.5 * step)
        await log.write(step)
        await log.hook("batch_end", step)
    log.log_scalar("mean", 0.25)
    log.log_hook("epoch_end")
    await log.write(END)
    await log.hook("of my own", END)


def adds_up(counted: dict[str, Any]) -> bool:
    parts = ("delivered", "rejected", "dropped", "not_due", "filtered", "folded", "pending")
    return bool(counted["offered"] == sum(counted[one] for one in parts))


ALL = ["init", "fit_start", "batch_start", "batch_end", "batch_start", "batch_end", "epoch_end", "of my own"]


@pytest.mark.parametrize("run", [None, "run"])
async def test_hooks_reach_the_sinks_that_want_them_in_their_place_and_others_filter_them(
    tmp_path: Path, run: str | None
) -> None:
    """From memory as through a journal; nobody is told of what a sink doesn't want."""
    trainer, everything, plain, deaf = Trainer(), Everything(), Plain(hooks={"batch_end"}), Plain()
    sinks = [trainer, everything, plain, Route(deaf, name="deaf")]
    async with al.MultiLogger(None if run is None else tmp_path / run, sinks=sinks) as log:
        await train(log)
        await log.flush()
        routes = log.statistics()["routes"]
    assert trainer.said == [
        ("fit_start", START),
        ("loss", 0.0),
        ("loss", 0.5),
        ("mean", 0.25),
        ("epoch_end", END),
        ("run_ended", "finished"),
        ("close", END),
        ("post_close",),
    ]
    assert everything.names == ALL
    assert [(one.kind, one.step, one.value) for one in plain.events if one.kind == "hook"] == [
        ("hook", step, al.Hook("batch_end")) for step in range(2)
    ]
    assert [one.kind for one in deaf.events] == ["scalar"] * 3
    assert all(adds_up(one) for one in routes.values())
    assert {name: one["filtered"] for name, one in routes.items()} == {
        "trainer": 6, "everything": 0, "plain": 6, "deaf": 8,
    }  # fmt: skip
    assert not any(one["rejected"] for one in routes.values())


async def test_the_hooks_of_batches_are_recorded_only_where_somebody_wants_them(tmp_path: Path) -> None:
    """Those of a run and of an epoch always: a sink may come later."""
    kept: dict[str, list[str]] = {}
    for name, journal, sinks in (
        ("alone", None, []),
        ("deaf", None, [Plain()]),
        ("asked", al.Journal(kinds={"hook"}), []),
        ("refused", al.Journal(kinds={"scalar"}), []),
    ):
        async with al.MultiLogger(tmp_path / name, journal=journal, sinks=sinks) as log:
            await train(log)
        kept[name] = [event.value.name for event in al.read(tmp_path / name).events(kind="hook")]
    seldom = ["init", "fit_start", "epoch_end"]
    assert kept == {"alone": seldom, "deaf": seldom, "asked": ALL, "refused": []}


async def test_a_sink_that_comes_later_gets_the_same_from_the_journal(tmp_path: Path) -> None:
    live, later = Trainer(), Trainer()
    async with al.MultiLogger(tmp_path / "run", sinks=[live, Everything()]) as log:
        await train(log)
    await al.sync(tmp_path / "run", Route(later, name="later", place="thread"))
    assert later.said == live.said


async def test_what_nobody_wants_does_not_even_write(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", sinks=[Plain()]) as log:
        before = log.statistics()["accepted"]
        for step in range(100):
            await log.hook("batch_start", step)
            log.hook_nowait("batch_end", step)
            log.log_hook("batch_end")
        assert log.statistics()["accepted"] == before
        assert repr(log).startswith("<MultiLogger 'root': 0 pending")


async def test_a_hook_asks_no_limit_and_uses_none_up(tmp_path: Path) -> None:
    """Each reaches the sink though only one write a minute is due; the first value after it is that one."""
    sink = Plain(hooks=True)
    async with al.MultiLogger(tmp_path / "run", sinks=[sink], limit=al.RateLimit(60.0)) as log:
        for step in range(3):
            await log.hook("batch_start", step)
            log.log_string("said", f"at {step}")
            await log.write(step)
    assert [(one.kind, one.step) for one in sink.events] == [("hook", 0), ("string", 0), ("hook", 1), ("hook", 2)]
    late = Plain(hooks=True)
    await al.sync(tmp_path / "run", Route(late, name="late", place="thread", limit=al.RateLimit(60.0)))
    assert [(one.kind, one.step) for one in late.events] == [(one.kind, one.step) for one in sink.events]


async def test_filters_of_a_route_hold_for_hooks(tmp_path: Path) -> None:
    by_kind, without, by_phase, inside = Plain(), Plain(hooks=True), Plain(hooks=True), Plain(hooks=True)
    sinks = [
        Route(by_kind, name="kind", kinds={"hook"}),
        Route(without, name="without", kinds={"scalar"}),
        Route(by_phase, name="phase", phases={"valid"}),
        Route(inside, name="inside", namespaces={"trainer"}),
    ]
    async with al.MultiLogger(tmp_path / "run", sinks=sinks) as log:
        await log.hook("eval_start", al.State(1, "valid"))
        await log.child("trainer").hook("fit_start", 0)
        log.log({"anything": al.Hook("batch_end")})
        await log.write(2)
    seen = [[(one.namespace, one.value.name) for one in sink.events] for sink in (by_kind, without, by_phase, inside)]
    assert seen == [
        [("", "eval_start"), ("trainer", "fit_start"), ("", "batch_end")],
        [],
        [("", "eval_start")],
        [("trainer", "fit_start")],
    ]


def test_hooks_are_told_without_a_loop_too(tmp_path: Path) -> None:
    sink = Everything()
    with al.MultiLogger(tmp_path / "run", sinks=[Route(sink, place="thread")]) as log:
        log.hook_nowait("fit_start", 0)
        log.log_hook("batch_end")
        log.write_nowait(0)
    assert sink.names == ["fit_start", "batch_end"]


@pytest.mark.parametrize("name", [7, None, ""])
async def test_a_name_that_is_none_is_refused(name: Any) -> None:
    async with al.MultiLogger(None, sinks=[Plain(hooks=True)], strict=True) as log:
        with pytest.raises(InvalidValue):
            await log.hook(name, 0)
        log.log_hook(name)
        with pytest.raises(InvalidValue):
            await log.write(0)


def test_what_a_sink_asks_for_must_be_names() -> None:
    for wrong in (7, {3}, [None]):
        with pytest.raises(InvalidConfiguration, match=r"Plain\.hooks: expected True, False, or names of hooks"):
            Route(Plain(hooks=wrong))  # type: ignore[arg-type]


def test_a_base_sink_asks_for_the_hooks_that_it_has_methods_for() -> None:
    assert Route(Trainer()).hooks.names == {"fit_start", "epoch_end"}
    assert Route(Everything()).hooks.names is None
    assert not Route(al.BaseSink()).hooks
    assert not any(name in Route(al.sinks.Memory()).hooks for name in HOOKS)
