"""``asynclog show`` of a table: all rows that were ever added, whichever write recorded them."""

import json
from pathlib import Path

import pytest

from asynclog.values import Table
from tests.runfiles import StreamWriter, make_run
from tests.unit.cli.conftest import Invoke


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """30 writes of two rows."""
    writer = StreamWriter(make_run(tmp_path / "samples"))
    for step in range(30):
        rows = [(step, f"prompt {step}", 0.5), (step, "\x1b]0;owned\x07", None)]
        writer.event("samples", Table.of_rows(["at", "prompt", "reward"], rows), step=step)
    writer.footer()
    return writer.run


def test_the_last_rows_are_shown_and_how_many_there_are(asynclog: Invoke, samples: Path) -> None:
    shown = asynclog("show", samples, "samples")
    assert shown.exit_code == 0, shown.output
    assert "60 rows in 30 writes · steps 0 to 29" in shown.stdout
    assert "the last 20:" in shown.stdout
    assert "prompt 29" in shown.stdout
    assert "prompt 20" in shown.stdout
    assert "prompt 19" not in shown.stdout
    assert "\x1b" not in shown.stdout


def test_the_rows_of_one_step(asynclog: Invoke, samples: Path) -> None:
    shown = asynclog("show", samples, "samples", "--step", 7).stdout
    assert "2 rows in 1 write · step 7" in shown
    assert "prompt 7" in shown
    assert "prompt 8" not in shown
    assert asynclog("show", samples, "samples", "--step", 99).exit_code == 2


def test_a_file_has_all_rows_and_is_not_replaced(asynclog: Invoke, samples: Path, tmp_path: Path) -> None:
    target = tmp_path / "samples.json"
    shown = asynclog("show", samples, "samples", "--save", target)
    assert shown.exit_code == 0, shown.output
    assert "60 rows" in shown.output
    rows = json.loads(target.read_text())
    assert len(rows) == 60
    assert rows[-2] == {"at": 29, "prompt": "prompt 29", "reward": 0.5}
    assert asynclog("show", samples, "samples", "--save", target).exit_code == 2
    assert asynclog("show", samples, "samples", "--save", target, "--force").exit_code == 0


def test_a_suffix_that_cannot_be_leaves_no_file_and_names_those_that_can(
    asynclog: Invoke, samples: Path, tmp_path: Path
) -> None:
    shown = asynclog("show", samples, "samples", "--save", tmp_path / "samples.png")
    assert shown.exit_code == 2
    assert ".parquet" in shown.output
    assert not (tmp_path / "samples.png").exists()


def test_a_key_of_several_tables_names_them(asynclog: Invoke, tmp_path: Path) -> None:
    writer = StreamWriter(make_run(tmp_path / "run"))
    for namespace in ("net", "data"):
        writer.event("samples", Table.of_rows(["a"], [(1,)]), step=0, namespace=namespace)
    writer.footer()
    shown = asynclog("show", writer.run, "samples")
    assert shown.exit_code == 2
    assert "net/samples" in shown.output
    assert asynclog("show", writer.run, "net/samples").exit_code == 0
