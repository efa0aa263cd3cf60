"""Settings are recorded with the first write, whoever writes: a killed training had them, and sinks get them when it begins."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import asynclog as al

Write = Callable[[al.MultiLogger], Awaitable[None]]


async def by_an_entry(log: al.MultiLogger) -> None:
    async with log.at(3) as entry:
        entry.log_scalar("loss", 0.5)


async def by_a_child(log: al.MultiLogger) -> None:
    child = log.child("model")
    child.log_scalar("loss", 0.5)
    await child.write(3)


@pytest.mark.parametrize("write", [by_an_entry, by_a_child])
def test_the_first_write_of_a_part_records_the_settings(tmp_path: Path, write: Write) -> None:
    async def main() -> None:
        async with al.MultiLogger(tmp_path / "run", config={"lr": 0.5}) as log:
            await write(log)
            await log.flush()
            assert al.read(tmp_path / "run").config == {"lr": 0.5}
            await write(log)
            await log.write(4)

    asyncio.run(main())
    run = al.read(tmp_path / "run")
    assert len(list(run.events(kind="config"))) == 1
    assert len(list(run.events(kind="scalar"))) == 2


def test_an_entry_that_is_dropped_leaves_the_settings_to_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        async with al.MultiLogger(tmp_path / "run", config={"lr": 0.5}) as log:
            with pytest.raises(ZeroDivisionError):
                async with log.at(0) as entry:
                    entry.log_scalar("loss", 1 / 0)
            await by_an_entry(log)
            await log.flush()
            assert al.read(tmp_path / "run").config == {"lr": 0.5}

    asyncio.run(main())
