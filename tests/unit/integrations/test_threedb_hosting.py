"""A ported class is served as 3DB served it, and better where that hung or lost."""

import gc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.errors import InvalidConfiguration, SinkError, SinkUnavailable
from asynclog.integrations.threedb import BaseLogger
from asynclog.integrations.threedb.item import CHANNELS
from asynclog.state import State
from asynclog.testing import lend
from tests.unit.integrations.resultbatch import batch, cut, opened, pairs, run_info, simple

pytestmark = pytest.mark.blocking


class Keeps(BaseLogger):
    """Remembers what it was given, in a list that outlives it."""

    seen: list[Any]
    fail: dict[int, BaseException]

    def log(self, item: dict[str, Any]) -> None:
        ix = item["result_ix"]
        if ix in self.fail:
            raise self.fail[ix]
        self.seen.append((ix, item["id"], {name: one.tolist() for name, one in self.buffer[ix].items()}))


def keeping() -> type[Keeps]:
    return type("Keeps", (Keeps,), {"seen": [], "fail": {}})


def expected(*numbers: int) -> list[Any]:
    return [(ix, item["id"], {"rgb": channels["rgb"].tolist()}) for ix, item, channels in simple(*numbers)]


async def test_several_results_of_a_batch_each_with_its_own_shape(tmp_path: Path) -> None:
    logger = keeping()
    sink = await opened(logger, tmp_path)
    await sink.write(batch(simple(0, 1, 2)))
    await sink.write(batch(simple(3), seq=9))
    await sink.aclose()
    assert logger.seen == expected(0, 1, 2, 3)


async def test_a_channel_that_is_left_out_is_absent(tmp_path: Path) -> None:
    """In 3DB's buffer it showed the slot's previous result."""
    logger = keeping()
    sink = await opened(logger, tmp_path)
    both = {"rgb": np.ones(2), "depth": np.zeros(3)}
    await sink.write(batch([(0, {"id": "a"}, both), (1, {"id": "b"}, {"rgb": np.ones(2)}), (2, {"id": "c"}, {})]))
    assert [sorted(channels) for _, _, channels in logger.seen] == [["depth", "rgb"], ["rgb"], []]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
async def test_a_result_that_is_cut_by_the_end_of_a_batch_is_whole(tmp_path: Path, at: int) -> None:
    logger = keeping()
    sink = await opened(logger, tmp_path)
    channels = {"rgb": np.ones(2), "depth": np.zeros(3)}
    first, rest = cut(0, {"id": "a", "outputs": np.arange(2), "more": np.ones(1)}, channels, at)
    await sink.write(first)
    assert logger.seen == []
    await sink.write(rest)
    assert logger.seen == [(0, "a", {"rgb": [1, 1], "depth": [0, 0, 0]})]


async def test_a_result_whose_rest_never_comes_is_logged_in_the_end(tmp_path: Path) -> None:
    """A route may leave channels out."""
    logger = keeping()
    sink = await opened(logger, tmp_path)
    first, _ = cut(0, {"id": "a"}, {"rgb": np.ones(2), "depth": np.zeros(3)}, 2)
    await sink.write(first)
    await sink.write(batch(simple(1), seq=5))
    assert [ix for ix, _, _ in logger.seen] == [0, 1]
    first, _ = cut(2, {"id": "a"}, {"rgb": np.ones(2), "depth": np.zeros(3)}, 2)
    await sink.write(first)
    await sink.aclose()
    assert logger.seen[-1] == (2, "a", {"rgb": [1, 1]})


async def test_one_bad_result_costs_itself_alone(tmp_path: Path) -> None:
    logger = keeping()
    logger.fail[1] = ValueError("not that one")
    sink = await opened(logger, tmp_path)
    bad = batch(simple(0, 1, 2))
    for _ in range(3):
        with pytest.raises(SinkError, match=r"1 of \d .* failed, first 1 \(id 'r1'\): ValueError: not that one") as failed:
            await sink.write(bad)
        assert failed.value.__cause__ is logger.fail[1]
    await sink.write(batch(simple(3), seq=9))
    assert logger.seen == expected(0, 2, 3)


class Fails(BaseLogger):
    def log(self, item: dict[str, Any]) -> None:
        raise ValueError("not that one")


async def test_one_that_exits_in_a_result_costs_it_alone(tmp_path: Path) -> None:
    logger = keeping()
    logger.fail[1] = SystemExit(3)
    sink = await opened(logger, tmp_path)
    with pytest.raises(SinkError, match=r"1 of 3 results of this batch failed, first 1 .* SystemExit: 3"):
        await sink.write(batch(simple(0, 1, 2)))
    assert logger.seen == expected(0, 2)


async def test_an_async_log_is_refused(tmp_path: Path) -> None:
    """Nobody would await it: every result would count as logged."""

    class Awaited(BaseLogger):
        async def log(self, item: dict[str, Any]) -> None:  # type: ignore[override]
            """Never gets here."""

    with pytest.raises(InvalidConfiguration, match=r"Awaited\.log is async"):
        await opened(Awaited, tmp_path)


async def test_a_failure_keeps_no_memory_of_its_batch(tmp_path: Path) -> None:
    """A writer may be waiting for it, and garbage is collected when it pleases Python."""
    sink = await opened(Fails, tmp_path)
    lent = lend([(State(ix, "test"), pairs(ix, item, channels)) for ix, item, channels in simple(0, 1, 2)])
    gc.disable()
    try:
        with suppress(SinkError):
            await sink.write(lent.batch)
        lent.batch = None
        lent.memory.append(0)  # a BufferError if anything looked into it
    finally:
        gc.enable()


async def test_a_result_that_can_be_logged_the_next_time_is(tmp_path: Path) -> None:
    logger = keeping()
    logger.fail[1] = ValueError("not yet")
    sink = await opened(logger, tmp_path)
    with pytest.raises(SinkError, match="not yet"):
        await sink.write(batch(simple(0, 1, 2)))
    logger.fail.clear()
    await sink.write(batch(simple(0, 1, 2)))
    assert logger.seen == expected(0, 2, 1)


@pytest.mark.parametrize("error", [SinkUnavailable("down"), OSError("full"), TimeoutError("late")])
async def test_what_passes_is_waited_for_in_order(tmp_path: Path, error: Exception) -> None:
    logger = keeping()
    logger.fail[1] = error
    sink = await opened(logger, tmp_path)
    with pytest.raises(type(error)):
        await sink.write(batch(simple(0, 1, 2)))
    logger.fail.clear()
    await sink.write(batch(simple(0, 1, 2)))
    assert logger.seen == expected(0, 1, 2)


async def test_a_cut_result_survives_a_batch_that_is_tried_again(tmp_path: Path) -> None:
    logger = keeping()
    logger.fail[0] = ValueError("not yet")
    sink = await opened(logger, tmp_path)
    first, rest = cut(0, {"id": "a"}, {"rgb": np.ones(2), "depth": np.zeros(3)}, 2)
    await sink.write(first)
    for _ in range(2):
        with pytest.raises(SinkError, match="not yet"):
            await sink.write(rest)
    logger.fail.clear()
    await sink.write(rest)
    assert logger.seen == [(0, "a", {"rgb": [1, 1], "depth": [0, 0, 0]})]


async def test_a_logger_that_is_started_again_goes_on_behind_what_was_logged(tmp_path: Path) -> None:
    """Its process was killed: there was no aclose, and the batch in flight comes again."""
    logger = keeping()
    killed = await opened(logger, tmp_path)
    await killed.write(batch(simple(0, 1)))
    again = await opened(logger, tmp_path, run_info(tmp_path, resumed=True))
    await again.write(batch(simple(0, 1, 2)))
    await again.write(batch(simple(0, 1, 2), epoch=1))
    assert logger.seen == expected(0, 1, 2, 0, 1, 2)


async def test_another_run_in_the_same_directory_begins_anew(tmp_path: Path) -> None:
    logger = keeping()
    await (await opened(logger, tmp_path)).write(batch(simple(0, 1)))
    await (await opened(logger, tmp_path, run_info(tmp_path, id="other"))).write(batch(simple(0)))
    assert logger.seen == expected(0, 1, 0)


class WritesLines(BaseLogger):
    """A line a result, through a file's buffer, as 3DB's loggers do."""

    ended = 0

    def __init__(self, root_dir: str, result_buffer: Any, config: Any) -> None:
        super().__init__(root_dir, result_buffer, config)
        self.handle = Path(root_dir, "lines.txt").open("a")  # noqa: SIM115

    def log(self, item: dict[str, Any]) -> None:
        self.handle.write(f"{item['id']}\n")

    def end(self) -> None:
        self.handle.write(f"end of {self.config}\n")


async def test_what_was_logged_is_in_the_file_and_not_in_its_buffer(tmp_path: Path) -> None:
    """A kill takes what is in memory."""
    sink = await opened(WritesLines, tmp_path)
    lines = tmp_path / "sinks" / "mine" / "lines.txt"
    await sink.write(batch(simple(0, 1)))
    assert lines.read_text() == "r0\nr1\n"
    await sink.aclose()
    assert lines.read_text() == "r0\nr1\nend of {'lr': 0.1}\n"
    assert sink._logger is None


async def test_the_part_that_a_killed_process_had_in_hand_is_read_in_the_journal(tmp_path: Path) -> None:
    """It had accepted the batch that ended in the midst of a result."""
    import asynclog as al
    from asynclog.integrations import threedb

    async with al.MultiLogger(tmp_path, recorder="thread") as log:
        results = threedb.Results(log)
        await results.log({"id": "r0"}, {"rgb": np.ones(2), "depth": np.zeros(3)})
        await results.log({"id": "r1"}, {"rgb": np.ones(1)})
    events = [one for one in al.read(tmp_path).events() if one.step == 0]
    (tail,) = [one for one in events if (one.namespace, one.key) == (CHANNELS, "depth")]
    from asynclog.testing import batch_of

    rest = batch_of([(tail.state, {(CHANNELS, "depth"): tail.value})], first_time_ns=tail.time_ns)
    logger = keeping()
    sink = await opened(logger, tmp_path, run_info(tmp_path, resumed=True))
    await sink.write(rest)
    assert logger.seen == [(0, "r0", {"rgb": [1, 1], "depth": [0, 0, 0]})]


# -- classes with a loop of their own ------------------------------------------------------------------------------------


class OwnLoop(BaseLogger):
    """Takes items until None."""

    seen: list[Any]
    fail: list[Exception]

    def run(self) -> None:
        while (item := self.queue.get()) is not None:
            if self.fail:
                raise self.fail.pop()
            self.seen.append((item["id"], self.buffer[item["result_ix"]]["rgb"].tolist()))
        self.seen.append("end")


class Prepares(BaseLogger):
    """Opens what it needs in its process, as 3DB's did, and goes on with the loop that it inherits."""

    seen: list[Any]

    def run(self) -> None:
        self.seen.append("begin")
        super().run()

    def log(self, item: dict[str, Any]) -> None:
        self.seen.append(item["id"])

    def end(self) -> None:
        self.seen.append("end")


async def test_a_loop_of_its_own_is_fed_until_none(tmp_path: Path) -> None:
    logger = type("Own", (OwnLoop,), {"seen": [], "fail": []})
    sink = await opened(logger, tmp_path)
    await sink.write(batch(simple(0, 1)))
    assert logger.seen == [("r0", [[0], [0]]), ("r1", [[1, 1], [1, 1]])]  # accepted means logged
    await sink.aclose()
    assert logger.seen[-1] == "end"


async def test_a_loop_that_is_inherited_ends_once(tmp_path: Path) -> None:
    logger = type("Prepares", (Prepares,), {"seen": []})
    sink = await opened(logger, tmp_path)
    await sink.write(batch(simple(0, 1)))
    await sink.aclose()
    assert logger.seen == ["begin", "r0", "r1", "end"]


async def test_a_loop_that_gets_nothing_is_ended_all_the_same(tmp_path: Path) -> None:
    logger = type("Prepares", (Prepares,), {"seen": []})
    await (await opened(logger, tmp_path)).aclose()
    assert logger.seen == ["begin", "end"]


async def test_a_loop_that_raises_is_told_and_begun_again(tmp_path: Path) -> None:
    logger = type("Own", (OwnLoop,), {"seen": [], "fail": [ValueError("broken")]})
    sink = await opened(logger, tmp_path)
    with pytest.raises(SinkError, match="broken"):
        await sink.write(batch(simple(0)))
    await sink.write(batch(simple(0)))
    await sink.aclose()
    assert logger.seen == [("r0", [[0], [0]]), "end"]


class GivesUp(BaseLogger):
    """Ends its loop without being told to."""

    def run(self) -> None:
        self.queue.get()


async def test_a_loop_that_ends_early_is_an_error_and_no_hang(tmp_path: Path) -> None:
    sink = await opened(GivesUp, tmp_path)
    with pytest.raises(SinkError, match=r"GivesUp\.run ended before it was given None"):
        await sink.write(batch(simple(0)))


class AsIn3DB(BaseLogger):
    """Written for torch tensors, as 3DB's own image logger is."""

    tensors = True
    saved: list[Any]

    def log(self, item: dict[str, Any]) -> None:
        image = self.buffer[item["result_ix"]]["rgb"]
        self.saved.append((item["id"], image.permute(1, 0).numpy().tolist(), image.clone()))


async def test_a_class_that_computes_with_torch_stays_as_it_is(tmp_path: Path) -> None:
    logger = type("AsIn3DB", (AsIn3DB,), {"saved": []})
    sink = await opened(logger, tmp_path)
    await sink.write(batch(simple(1)))
    ((name, pixels, copy),) = logger.saved
    assert (name, pixels, tuple(copy.shape)) == ("r1", [[1, 1], [1, 1]], (2, 2))
