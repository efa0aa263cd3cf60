"""A sink that is loaded from a module is as good as the one that the module exports; and what serves 3DB's loggers takes
whatever else a run holds."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from asynclog.config.module_sink import ModuleSink
from asynclog.integrations.threedb import BaseLogger
from asynclog.integrations.threedb.hosting import HostedLogger
from asynclog.sink import Sink
from asynclog.testing import Delivered, SinkTests
from tests.conformance.test_sinks import lines_of

pytestmark = pytest.mark.blocking


class TestModuleSink(SinkTests):
    may_block = True  # it opens its files on its own loop

    def make_sink(self, tmp_path: Path) -> Sink:
        module = tmp_path / "module.py"
        module.write_text("from asynclog.sinks import JSONLines\ndef Sink(): return JSONLines('metrics.jsonl')\n")
        return ModuleSink(str(module), "mine", {})

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        return lines_of(tmp_path / "run" / "metrics.jsonl")


class Never(BaseLogger):
    """There are no results in the exam."""

    def log(self, item: dict[str, Any]) -> None:
        raise AssertionError(f"nobody logged {item}")


class TestHostedLogger(SinkTests):
    may_block = True

    def make_sink(self, tmp_path: Path) -> Sink:
        return HostedLogger(Never, {}, tmp_path / "own")
