"""MCAP, read by its own reader with the protobuf decoder, by the schemas that the file has."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from asynclog.sink import Sink
from asynclog.sinks import MCAP
from asynclog.testing import Delivered, SinkTests
from asynclog.values import EVERY_KIND
from tests.mcapfile import logged

for library in ("mcap", "mcap_protobuf", "foxglove_schemas_protobuf", "PIL", "av"):
    pytest.importorskip(library)


@pytest.mark.blocking
class TestMCAP(SinkTests):
    kinds = tuple(kind for kind in EVERY_KIND if kind != "artifact")
    may_block = True

    def make_sink(self, tmp_path: Path) -> Sink:
        return MCAP()

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        # Within a batch the numbers come first.
        for one in sorted(logged(tmp_path / "run"), key=lambda one: one.time_ns):
            value = one.messages[0].message if one.kind == "string" else one.value
            yield Delivered(one.kind, one.phase, one.namespace, one.key, one.step, value)
