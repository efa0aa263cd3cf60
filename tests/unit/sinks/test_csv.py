import csv
from pathlib import Path

import pytest

from asynclog.errors import InvalidConfiguration
from asynclog.sinks import CSV
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.examples import every_kind
from tests.unit.sinks.sinkrun import deliver

AN_HOUR_LATER = 1_700_003_600_000_000_000


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_a_write_is_a_row_and_a_key_a_column(tmp_path: Path) -> None:
    entries = [(State(0), {"loss": 0.5, ("optim", "lr"): 1e-3}), (State(1, "valid", 2), {"loss": 0.25})]
    deliver(CSV("m.csv"), tmp_path, [batch_of(entries)])
    assert (tmp_path / "m.csv").read_text() == (
        "step,phase,epoch,time,loss,optim/lr\n0,train,0,1700000000.000000137,0.5,0.001\n1,valid,2,1700000000.001000140,0.25,\n"
    )


def test_new_keys_widen_the_table_and_no_row_is_lost(tmp_path: Path) -> None:
    """Rows with line ends, quotes and commas in their cells are widened like the others."""
    text = 'a "quoted", long\nremark\n'
    groups = [
        [(State(0), {"note": text, "loss": 1.0})],
        [(State(1), {"loss": 2.0}), (State(2), {"accuracy": 0.5}), (State(3), {"loss": 3.0, "a,b": 4.0})],
        [(State(4), {"accuracy": 0.75, "note": text})],
    ]
    deliver(CSV("m.csv"), tmp_path, [batch_of(one, seq=10 * at) for at, one in enumerate(groups)])
    rows = table(tmp_path / "m.csv")
    assert [row["step"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert [row["note"] for row in rows] == [text, "", "", "", text]
    assert [row["loss"] for row in rows] == ["1.0", "2.0", "", "3.0", ""]
    assert [row["accuracy"] for row in rows] == ["", "", "0.5", "", "0.75"]
    assert [row["a,b"] for row in rows] == ["", "", "", "4.0", ""]
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_a_key_named_like_a_column_of_the_state_has_its_own(tmp_path: Path) -> None:
    deliver(CSV("m.csv"), tmp_path, [batch_of([(State(7), {"step": 1.5, "time": 2.5})])])
    (row,) = table(tmp_path / "m.csv")
    assert (row["step"], row["/step"], row["/time"]) == ("7", "1.5", "2.5")


def test_axes_are_columns(tmp_path: Path) -> None:
    state = State(1, "train", 0, 2.5, "epoch", {"samples": 64.0})
    deliver(CSV("m.csv"), tmp_path, [batch_of([(state, {"loss": 1.0})])])
    (row,) = table(tmp_path / "m.csv")
    assert (row["samples"], row["elapsed_s"], row["level"], row["loss"]) == ("64.0", "2.5", "epoch", "1.0")


def test_a_long_table_has_a_row_a_value(tmp_path: Path) -> None:
    state = State(1, "test", 2, 0.5, "fit", {"samples": 64.0})
    deliver(CSV("m.csv", layout="long"), tmp_path, [batch_of([(state, {"loss": 1.0, ("a,b", "c"): "text"})])])
    number, text = table(tmp_path / "m.csv")
    assert number == {
        "step": "1",
        "phase": "test",
        "epoch": "2",
        "time": "1700000000.000000137",
        "namespace": "",
        "key": "loss",
        "kind": "scalar",
        "value": "1.0",
        "level": "fit",
        "elapsed_s": "0.5",
        "axes": '{"samples": 64.0}',
    }
    assert (text["namespace"], text["key"], text["kind"], text["value"]) == ("a,b", "c", "string", "text")


def test_more_keys_than_a_spreadsheet_has_columns_share_the_last(tmp_path: Path) -> None:
    values = {f"key{at}": float(at) for at in range(16_400)}
    deliver(CSV("m.csv"), tmp_path, [batch_of([(State(0), values)]), batch_of([(State(1), {"key16399": 0.5})], seq=1)])
    first, second = table(tmp_path / "m.csv")
    assert len(first) == 16_384
    assert first["key16378"] == "16378.0"
    assert '"key16399": "16399.0"' in first["(more)"]
    assert second["(more)"] == '{"key16399": "0.5"}'


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_a_resumed_run_appends_without_repeats(tmp_path: Path, layout: str) -> None:
    """The last row is cut by a crash, within a quoted cell; its batch comes again, with new keys behind it."""
    first = [(State(step), {"loss": step / 4, "note": "two\nlines"}) for step in range(3)]
    later = [(State(step), {"loss": step / 4, "new": 1.0}) for step in range(3, 5)]
    path = tmp_path / "m.csv"
    deliver(CSV("m.csv", layout=layout), tmp_path, [batch_of(first)])
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"\nlines")] + b"\n")
    batches = [batch_of(first), batch_of(later, first_time_ns=AN_HOUR_LATER)]
    deliver(CSV("m.csv", layout=layout), tmp_path, batches, resumed=True)
    rows = table(path)
    steps = [0, 1, 2, 3, 4] if layout == "wide" else [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [int(row["step"]) for row in rows] == steps


def test_a_new_run_begins_anew(tmp_path: Path) -> None:
    deliver(CSV("m.csv"), tmp_path, [batch_of([(State(0), {"old": 1.0})])])
    deliver(CSV("m.csv"), tmp_path, [batch_of([(State(0), {"new": 1.0})])])
    (row,) = table(tmp_path / "m.csv")
    assert "old" not in row


def test_another_table_is_not_appended_to(tmp_path: Path) -> None:
    deliver(CSV("m.csv", layout="long"), tmp_path, [batch_of([(State(0), {"loss": 1.0})])])
    before = (tmp_path / "m.csv").read_bytes()
    (tmp_path / "other.csv").write_text("name,age\nada,36\n")
    for name in ("m.csv", "other.csv"):
        with pytest.raises(InvalidConfiguration, match="name another file"):
            deliver(CSV(name), tmp_path, [], resumed=True)
    assert (tmp_path / "m.csv").read_bytes() == before


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="'wide' or 'long'"):
        CSV("m.csv", layout="tall")  # type: ignore[arg-type]


def test_media_are_put_in_words(tmp_path: Path) -> None:
    deliver(CSV("m.csv"), tmp_path, [batch_of([(State(0), every_kind())])])
    (row,) = table(tmp_path / "m.csv")
    assert row["image"] == "image 3×4×5 uint8"
    assert row["audio"] == "audio 0.00625 s at 8000 Hz"
    assert row["video"] == "video of 3 frames 3×4×5 at 24 fps"
    assert row["point cloud"] == "7 points"
    assert row["config"].startswith('{"optimizer": {"name": "adam", "lr": 0.001, "clip": "Infinity"}')
