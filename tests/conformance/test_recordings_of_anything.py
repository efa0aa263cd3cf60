"""Whatever is logged is delivered: Files, Parquet, MCAP and Rerun under any state, name, number and value."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from asynclog.testing import SinkTests, batch_of, strategies
from tests.conformance.test_files import TestFiles as FilesExam
from tests.conformance.test_mcap import TestMCAP as MCAPExam
from tests.conformance.test_parquet import TestParquet as ParquetExam
from tests.conformance.test_rerun import TestRerun as RerunExam

for each in (FilesExam, MCAPExam, ParquetExam, RerunExam):
    each.__test__ = False  # they are taken where they are


@pytest.mark.blocking
@pytest.mark.parametrize("exam", [FilesExam, ParquetExam, MCAPExam, RerunExam])
@given(entries=strategies.entries())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_is_logged_is_delivered(tmp_path: Path, exam: type[SinkTests], entries: list[Any]) -> None:
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    case = exam()
    sink = case.make_sink(tmp_path)
    first = batch_of(entries[:3])
    second = batch_of(entries[3:], seq=1000, first_time_ns=1_700_003_600_000_000_000)
    asyncio.run(case._delivery(sink, tmp_path, [first, second]))
    if not first.rejected and not second.rejected:
        case._check(sink, tmp_path, entries)
