"""W&B's sink takes the public exam, read back from the file that W&B's own process writes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.sink import Sink
from asynclog.testing import Delivered, SinkTests
from asynclog.values import EVERY_KIND
from tests.integration.destinations.coded_names import decoded
from tests.integration.destinations.wandb_files import runs_below

pytest.importorskip("wandb")
pytestmark = pytest.mark.blocking

_OWN = {"step", "epoch", "samples", "_step", "_timestamp", "_runtime", "_files", "_wandb"}
_TYPES = {
    "audio-file": "audio",
    "histogram": "histogram",
    "image-file": "",
    "images/separated": "",
    "object3D-file": "",
    "table-file": "",
    "video-file": "video",
}


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))


class TestWandB(SinkTests):
    may_block = True
    kinds = tuple(kind for kind in EVERY_KIND if kind not in ("config", "tensor"))

    def make_sink(self, tmp_path: Path) -> Sink:
        return al.sinks.WandB("exam", mode="offline")

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        for run in runs_below(tmp_path / "run" / "sinks" / "wandb"):
            for row in run.rows:
                for name, value in row.items():
                    if name in _OWN:
                        continue
                    phase, _, rest = decoded(name).partition("/")
                    if rest.startswith("tensor"):
                        continue  # a histogram of what is finite in it; the exam's others are rejected
                    yield Delivered(self._kind(value), phase, "", rest, row["step"], value)

    @staticmethod
    def _kind(value: Any) -> str:
        return _TYPES[value["_type"]] if isinstance(value, dict) else ""
