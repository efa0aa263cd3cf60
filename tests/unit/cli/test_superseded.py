"""What is superseded is left out on the screen and in files, unless it is asked for."""

import json
from pathlib import Path

import pytest

from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, make_run
from tests.unit.cli.conftest import Invoke


@pytest.fixture
def rewound(tmp_path: Path) -> Path:
    """Eight steps, then back to step 3."""
    run = make_run(tmp_path / "rewound")
    for epoch, first, stop, back in ((0, 0, 8, None), (1, 4, 6, 3)):
        writer = StreamWriter(run, epoch=epoch, rewound_to=back)
        writer.rows(writer.schema(Series("train", "", "loss")), [(float(epoch),)] * (stop - first), first_step=first)
        writer.event("note", f"epoch {epoch}", step=stop - 1)
        writer.footer()
    return run


def test_cat_and_show(asynclog: Invoke, rewound: Path) -> None:
    assert json.loads(asynclog("cat", rewound, "loss", "--json").stdout)["step"] == [0, 1, 2, 3, 4, 5]
    assert len(json.loads(asynclog("cat", rewound, "loss", "--json", "--superseded").stdout)["step"]) == 10
    assert "5 superseded by going back to a checkpoint" in asynclog("cat", rewound).stdout
    assert json.loads(asynclog("cat", rewound, "--json").stdout)["superseded"] == 5
    assert asynclog("show", rewound, "note", "--step", 7).exit_code != 0
    assert "epoch 0" in asynclog("show", rewound, "note", "--step", 7, "--superseded").stdout


def test_tail_and_stats(asynclog: Invoke, rewound: Path) -> None:
    assert len(asynclog("tail", rewound, "-n", 100).stdout.splitlines()) == 7
    assert len(asynclog("tail", rewound, "-n", 100, "--superseded").stdout.splitlines()) == 12
    shown = asynclog("stats", rewound).stdout
    assert "superseded" in shown
    assert [one["superseded"] for one in json.loads(asynclog("stats", rewound, "--json").stdout)["journal"]] == [5, 0]


def test_what_is_exported(asynclog: Invoke, rewound: Path, tmp_path: Path) -> None:
    assert len(asynclog("export", "jsonl", rewound).stdout.splitlines()) == 7
    assert len(asynclog("export", "csv", rewound, "--superseded").stdout.splitlines()) == 13
    pq = pytest.importorskip("pyarrow.parquet")
    for name, words, rows in (("a.parquet", (), 7), ("b.parquet", ("--superseded",), 12)):
        assert asynclog("export", "parquet", rewound, tmp_path / name, *words).exit_code == 0
        assert pq.read_metadata(tmp_path / name).num_rows == rows
