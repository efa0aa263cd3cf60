"""unifi3d's Logger, without Hydra: what it is told by the data, and how it ends."""

from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.integrations.unifi3d import Logger
from asynclog.routines import Tracker


def made(directory: Path, **config: Any) -> Logger:
    return Logger({"logint": "jsonlines", "root_dir": str(directory), "print_every_n_seconds": 0, **config})


@pytest.mark.parametrize("config", [{}, {"tracked_variables": {}}, {"tracked_variables": None}], ids=str)
def test_where_no_variables_are_given_the_data_say_what_is_tracked(tmp_path: Path, config: dict[str, Any]) -> None:
    logger = made(tmp_path, **config)
    logger.log_iter({"phase": "train", "epoch": 1, "total_iters": 0, "output_parser": {"metric": ["loss"]}, "loss": 0.5})
    logger.end_log()
    assert al.read(tmp_path / "log" / "jsonlines").series("Metric-EpochWise/loss/train").value.tolist() == [0.5]


class Failing(Tracker):
    kind = "failing"

    def settle(self, epoch: Any) -> None:
        raise OSError("no room")


def test_an_end_that_fails_closes_the_run_all_the_same(tmp_path: Path) -> None:
    logger = made(tmp_path)
    logger.routines.add(Failing())
    logger.log_iter({"phase": "train", "epoch": 1, "output_parser": {"metric": ["loss"]}, "loss": 0.5})
    with pytest.raises(OSError, match="no room"):
        logger.end_log()
    run = al.read(tmp_path / "log" / "jsonlines")
    assert run.status == "finished"
    assert len(run.series("Metric-EpochWise/loss/train")) == 1
