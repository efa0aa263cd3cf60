"""TensorBoard's event files take the public exam, and are read by TensorBoard's own reader."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.sink import Sink
from asynclog.sinks import TensorBoard
from asynclog.testing import Delivered, SinkTests

loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
tensor_util = pytest.importorskip("tensorboard.util.tensor_util")

FORM = re.compile(r" \((?:scalar|text|image|audio|histogram|points|mesh|plain mesh)\)$")


def delivered(directory: Path, *, run_per_phase: bool = False) -> Iterator[Delivered]:
    """All that TensorBoard's reader finds below a directory, without the settings' own file."""
    for path in sorted(directory.rglob("*tfevents.1.*")):
        plugins: dict[str, str] = {}
        for event in loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                plugin = plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
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
