"""TensorBoard's event files take the public exam, and are read by TensorBoard's own reader."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from asynclog.sink import Sink
from asynclog.sinks import TensorBoard
from asynclog.testing import Delivered, SinkTests, batch_of, strategies
from asynclog.testing.batches import FIRST_TIME_NS
from asynclog.values import EVERY_KIND

loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
tensor_util = pytest.importorskip("tensorboard.util.tensor_util")

FORM = re.compile(r" \((?:scalar|text|image|audio|histogram|points|mesh|plain mesh)\)$")


def delivered(directory: Path, *, run_per_phase: bool = False) -> Iterator[Delivered]:
    """All that TensorBoard's reader finds below a directory, but for the session of its hyperparameters."""
    for path in sorted(directory.rglob("*tfevents.1.*")):
        plugins: dict[str, str] = {}
        for event in loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                plugin = plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
                if plugin == "hparams":
                    continue
                data = tensor_util.make_ndarray(value.tensor)
                name = FORM.sub("", value.tag)
                if plugin == "mesh":
                    if not value.tag.endswith("_VERTEX"):
                        continue
                    name = FORM.sub("", value.tag.removesuffix("_VERTEX"))
                phase = path.parent.name if run_per_phase else name.partition("/")[0]
                name = name if run_per_phase else name.partition("/")[2]
                kind = "scalar" if plugin == "scalars" else ""
                shown = data.item().decode() if plugin == "text" else data.item() if plugin == "scalars" else None
                for _ in range(len(data) - 2 if plugin == "images" else 1):
                    yield Delivered(kind, phase, "", name, event.step, shown)


class TestTensorBoard(SinkTests):
    kinds = tuple(kind for kind in EVERY_KIND if kind != "artifact")

    def make_sink(self, tmp_path: Path) -> Sink:
        return TensorBoard()

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        return delivered(tmp_path / "run" / "tensorboard")

    def matches(self, logged: Any, shown: Any) -> bool:
        """Numbers as float32 has them."""
        if isinstance(logged, str):
            return super().matches(logged, shown)
        with np.errstate(over="ignore"):
            return repr(np.float32(logged)) == repr(np.float32(shown))


class TestARunPerPhase(TestTensorBoard):
    def make_sink(self, tmp_path: Path) -> Sink:
        return TensorBoard(run_per_phase=True)

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        return delivered(tmp_path / "run" / "tensorboard", run_per_phase=True)


@given(entries=strategies.entries())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_is_logged_is_shown_or_rejected(tmp_path: Path, entries: list[Any]) -> None:
    """Any state, name, number and value, also such as aren't what they say: each is there or counted, and the file is whole."""
    batches = [batch_of(entries[:3]), batch_of(entries[3:], first_time_ns=FIRST_TIME_NS + 10**12)]
    case = TestTensorBoard()
    asyncio.run(case._delivery(case.make_sink(tmp_path), tmp_path, batches))
    shown = len(list(delivered(tmp_path / "run" / "tensorboard")))
    assert shown + sum(sum(batch.rejected.values()) for batch in batches) == sum(map(len, batches))
