from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from asynclog.cli.app import app
from asynclog.cli.screen import screen
from asynclog.values import Histogram, Image
from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, make_run

Invoke = Callable[..., Result]


@pytest.fixture
def asynclog() -> Invoke:
    """The command line, called with words."""
    runner = CliRunner(env={"TERM": "dumb", "NO_COLOR": "1"})
    screen.width = 120  # whatever the terminal is that the tests run in

    def invoke(*words: object) -> Result:
        return runner.invoke(app, [str(word) for word in words])

    return invoke


@pytest.fixture
def run(recorded: StreamWriter) -> Path:
    return recorded.run


@pytest.fixture
def recorded(tmp_path: Path) -> StreamWriter:
    """A finished run of numbers, media and text."""
    writer = StreamWriter(make_run(tmp_path / "runs" / "digits"))
    schema = writer.schema(Series("train", "net", "loss"), Series("train", "", "accuracy"))
    writer.rows(schema, [(1.0 / (1 + step), step / 10) for step in range(11)])
    writer.event("recon", Image(np.full((3, 8, 8), 200, np.uint8)), step=10)
    writer.event("weights", Histogram(np.array([1, 5, 2]), -1.0, 1.0, 8, 0.0, 0.5), step=10)
    writer.event("note", "\x1b]0;owned\x07hello", step=10)
    writer.footer()
    return writer
