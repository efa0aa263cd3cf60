"""Rerun, read by the SDK's own reader."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from asynclog.sink import Sink
from asynclog.sinks import Rerun
from asynclog.testing import Delivered, SinkTests
from asynclog.values import EVERY_KIND
from tests.rrdfile import logged

for library in ("rerun.chunk", "PIL", "av", "soundfile"):
    pytest.importorskip(library)


@pytest.mark.blocking
class TestRerun(SinkTests):
    kinds = tuple(kind for kind in EVERY_KIND if kind != "artifact")
    may_block = True

    def make_sink(self, tmp_path: Path) -> Sink:
        return Rerun()

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        # Within a batch the numbers come first.
        for one in sorted(logged(tmp_path / "run"), key=lambda one: one.time_ns):
            value = None
            if one.kind == "scalar":
                (value,) = one.components["Scalars:scalars"]
            elif one.kind == "string":
                (value,) = one.components["TextDocument:text"]
            yield Delivered(one.kind, one.phase, one.namespace, one.key, one.step, value)
