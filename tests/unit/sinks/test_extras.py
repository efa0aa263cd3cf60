"""A destination whose library isn't installed says which extra brings it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, sys
sys.modules.update(dict.fromkeys({missing!r}))  # as if it were not there
from asynclog import sinks
from asynclog.sink import RunInfo
sink = getattr(sinks, {sink!r})()
try:
    asyncio.run(sink.open(RunInfo("r", "r", None, "w", 0)))
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("sink", "missing", "extra"),
    [
        ("Parquet", ["pyarrow"], "arrow"),
        ("MCAP", ["mcap", "mcap.writer"], "mcap"),
        ("MCAP", ["foxglove_schemas_protobuf"], "mcap"),
        ("Rerun", ["rerun", "rerun.chunk"], "rerun"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, sink: str, missing: list[str], extra: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(sink=sink, missing=missing)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert ended.stdout.strip().endswith(f"pip install 'asynclog-stream[{extra}]'"), ended.stderr
