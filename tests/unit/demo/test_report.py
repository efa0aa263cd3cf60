from pathlib import Path

import numpy as np

from asynclog.demo.report import first_commands, read_back, size_of
from asynclog.values import Image
from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, make_run


def test_a_run_is_read_back_with_its_curves_in_the_order_of_steps_and_its_kinds_counted(tmp_path: Path) -> None:
    """Late validations are on disk in the order in which they were written."""
    run = make_run(tmp_path / "run")
    writer = StreamWriter(run)
    writer.rows(writer.schema(Series("train", "", "return"), Series("train", "", "loss")), [[20, 1], [30, 2]])
    valid = writer.schema(Series("valid", "", "return"), number=2)
    writer.rows(valid, [[200]], first_step=5)
    writer.rows(valid, [[100]], first_step=2)
    writer.event("cartpole", Image(np.zeros((3, 4, 4), np.uint8)))
    writer.event("verdict", "held")
    writer.footer()
    recorded = read_back(run, "return")
    assert dict(recorded.counts) == {"scalar": 6, "image": 1, "string": 1}
    assert recorded.curves["train"].value.tolist() == [20, 30]
    assert recorded.curves["valid"].step.tolist() == [2, 5]
    assert recorded.curves["valid"].value.tolist() == [100, 200]
    assert (recorded.status, recorded.missing) == ("finished", 0)
    assert recorded.size_bytes == sum(path.stat().st_size for path in run.rglob("*.alog")) + size_of_file(run)


def size_of_file(run: Path) -> int:
    return (run / "run.json").stat().st_size


def test_size_counts_files_in_all_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "one").write_bytes(b"12345")
    (tmp_path / "a" / "b" / "two").write_bytes(b"123")
    assert size_of(tmp_path) == 8


def test_the_first_commands_name_the_run_and_the_folder_it_lies_in() -> None:
    commands = [command for command, _ in first_commands(Path("runs/pole"))]
    assert commands[0] == "asynclog ls runs"
    assert all(command.endswith("runs/pole") for command in commands[1:])
