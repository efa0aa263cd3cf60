from pathlib import Path

import pytest

from tests.runfiles import StreamWriter, make_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


@pytest.fixture
def writer(run: Path) -> StreamWriter:
    return StreamWriter(run)
