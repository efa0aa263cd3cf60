import asyncio
from typing import Any

import pytest

from asynclog.sink import BaseSink, Sink
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.examples import every_kind


class Diary(BaseSink):
    """Hooks of both sorts."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []

    def log_scalar(self, key: str, value: float, state: State, namespace: str) -> None:
        self.entries.append(("scalar", namespace, key, value, state))

    async def log_image(self, key: str, value: Any, state: State, namespace: str) -> None:
        await asyncio.sleep(0)
        self.entries.append(("image", namespace, key, getattr(value.data, "shape", None), state))

    def log_config(self, config: dict[str, Any]) -> None:
        self.entries.append(("config", config))

    async def after_write(self, state: State) -> None:
        await asyncio.sleep(0)
        self.entries.append(("write", state))


def written(sink: BaseSink, entries: list[Any]) -> None:
    asyncio.run(sink.write(batch_of(entries)))


def test_hooks_may_be_plain_or_async() -> None:
    """Each gets key, value, state and namespace; a config hook the mapping alone; ``after_write`` ends each write."""
    sink = Diary()
    first, second = State(1, "valid", 2), State(2)
    image = every_kind()["image"]
    written(sink, [(first, {("ns", "loss"): 0.5, "recon": image, "settings": {"lr": 1}}), (second, {"loss": 1.0})])
    assert sink.entries == [
        ("scalar", "ns", "loss", 0.5, first),
        ("image", "", "recon", (3, 4, 5), first),
        ("config", {"lr": 1}),
        ("write", first),
        ("scalar", "", "loss", 1.0, second),
        ("write", second),
    ]


def test_after_write_is_called_once_a_write_though_its_step_repeats() -> None:
    sink = Diary()
    written(sink, [(State(1), {"a": 1.0, "b": 2.0}), (State(1), {"a": 3.0})])
    assert [entry[0] for entry in sink.entries] == ["scalar", "scalar", "write", "scalar", "write"]


def test_what_is_not_overridden_is_ignored() -> None:
    sink = Diary()
    written(sink, [(State(0), every_kind())])
    assert {entry[0] for entry in sink.entries} == {"scalar", "image", "config", "write"}


def test_a_plain_after_write_is_as_good() -> None:
    class Counter(BaseSink):
        count = 0

        def after_write(self, state: State) -> None:
            self.count += 1

    sink = Counter()
    written(sink, [(State(step), {"loss": 1.0}) for step in range(3)])
    assert sink.count == 3


def test_an_error_of_a_hook_is_the_writes_error() -> None:
    class Picky(BaseSink):
        async def log_scalar(self, key: str, value: float, state: State, namespace: str) -> None:
            raise LookupError(key)

    with pytest.raises(LookupError, match="loss"):
        written(Picky(), [(State(0), {"loss": 1.0})])


def test_a_base_sink_is_a_sink() -> None:
    assert isinstance(BaseSink(), Sink)
    assert BaseSink.default_place == "thread"
