from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.sinks import TensorBoard
from asynclog.testing import batch_of
from asynclog.testing.batches import FIRST_TIME_NS
from tests.unit.sinks.sinkrun import deliver, run_info
from tests.unit.sinks.tensorboard.reading import LATER, raw

metadata = pytest.importorskip("tensorboard.plugins.hparams.metadata")
SUCCESS, FAILURE = 1, 2


def session(directory: Path, number: int = 0) -> tuple[dict[str, Any], int | None]:
    """(settings, status) of one of the two files, as the plugin parses them; of several the last."""
    (path,) = directory.rglob(f"*tfevents.{number}.*")
    settings: dict[str, Any] = {}
    status = None
    for event in raw(path):
        for value in event.summary.value:
            content = value.metadata.plugin_data.content
            if value.metadata.plugin_data.plugin_name != "hparams":
                continue
            if value.tag == metadata.SESSION_START_INFO_TAG:
                start = metadata.parse_session_start_info_plugin_data(content)
                assert start.start_time_secs == pytest.approx(FIRST_TIME_NS / 1e9)
                settings = {name: getattr(one, one.WhichOneof("kind")) for name, one in start.hparams.items()}
            else:
                end = metadata.parse_session_end_info_plugin_data(content)
                assert end.end_time_secs >= FIRST_TIME_NS / 1e9 - 1e-6
                status = end.status
    return settings, status


def config(settings: dict[str, Any], time_ns: int = FIRST_TIME_NS) -> Any:
    return batch_of([(al.State(0), {"config": settings})], first_time_ns=time_ns)


async def delivered(directory: Path, batches: list[Any], status: str | None, **fields: Any) -> None:
    sink = TensorBoard()
    await sink.open(run_info(directory, **fields))
    for batch in batches:
        await sink.write(batch)
    if status is not None:
        await sink.run_ended(status, None)
    await sink.aclose()


def test_settings_within_settings_have_names_with_dots(tmp_path: Path) -> None:
    """Numbers, true and false, and text; what JSON has no number for is text."""
    nested = {
        "optimizer": {"name": "adam", "lr": 1e-3, "clip": float("inf")},
        "amp": True,
        "layers": [64, 64],
        "seed": None,
        "n": 3,
    }
    deliver(TensorBoard(), tmp_path, [config(nested | {"big": 2**60, "empty": {}})])
    assert session(tmp_path)[0] == {
        "optimizer.name": "adam",
        "optimizer.lr": 1e-3,
        "optimizer.clip": "inf",
        "amp": True,
        "layers": "[64, 64]",
        "seed": "None",
        "n": 3.0,
        "big": str(2**60),
        "empty": "{}",
    }


async def test_later_settings_join_the_earlier_ones(tmp_path: Path) -> None:
    """Within a process and in the next; TensorBoard would keep the first event alone."""
    await delivered(tmp_path, [config({"lr": 0.1, "seed": 1}), config({"lr": 0.2}, LATER)], None)
    assert session(tmp_path) == ({"lr": 0.2, "seed": 1.0}, None)
    await delivered(tmp_path, [config({"depth": 3}, LATER + 1)], None, resumed=True, epoch=1)
    assert session(tmp_path) == ({"lr": 0.2, "seed": 1.0, "depth": 3.0}, None)


@pytest.mark.parametrize(
    ("status", "shown"), [("finished", SUCCESS), ("failed", FAILURE), ("killed", FAILURE), ("exited", FAILURE)]
)
async def test_the_end_of_the_run_is_the_sessions(tmp_path: Path, status: str, shown: int) -> None:
    await delivered(tmp_path, [config({"lr": 0.1})], status)
    assert session(tmp_path) == ({"lr": 0.1}, shown)


async def test_a_run_that_goes_on_ends_as_it_ends_last(tmp_path: Path) -> None:
    await delivered(tmp_path, [config({"lr": 0.1})], "killed")
    await delivered(tmp_path, [config({"lr": 0.2}, LATER)], "finished", resumed=True, epoch=1)
    assert session(tmp_path) == ({"lr": 0.2}, SUCCESS)


async def test_an_end_that_is_told_of_later_is_when_the_last_value_came(tmp_path: Path) -> None:
    """By a process that has nothing else to deliver."""
    await delivered(tmp_path, [config({"lr": 0.1})], "killed")
    await delivered(tmp_path, [], "killed", resumed=True, epoch=1)
    assert session(tmp_path) == ({"lr": 0.1}, FAILURE)


async def test_a_run_without_settings_has_no_session(tmp_path: Path) -> None:
    await delivered(tmp_path, [batch_of([(al.State(0), {"loss": 1.0})])], "finished")
    assert not list(tmp_path.rglob("*tfevents.0.*"))


async def test_who_looks_on_live_is_told_in_the_file_that_grows(tmp_path: Path) -> None:
    """A server that is past the settings' file doesn't come back to it."""
    await delivered(tmp_path, [config({"lr": 0.1})], "finished")
    assert session(tmp_path, 1) == ({"lr": 0.1}, SUCCESS)
    await delivered(tmp_path, [], "finished", resumed=True, epoch=1)
    (path,) = tmp_path.rglob("*tfevents.1.*")
    assert sum(value.tag == metadata.SESSION_END_INFO_TAG for event in raw(path) for value in event.summary.value) == 1
