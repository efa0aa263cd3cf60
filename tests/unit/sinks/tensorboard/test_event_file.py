"""What a crash left, and what is delivered again."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.sinks import TensorBoard
from asynclog.testing import batch_of
from tests.unit.sinks.sinkrun import deliver
from tests.unit.sinks.tensorboard.reading import LATER, event_file, raw, values

ROOT = Path(__file__).parents[4]
FIRST = [(al.State(step), {"loss": step / 4, "note": f"{step}"}) for step in range(3)]
SECOND = [(al.State(step), {"loss": step / 4}) for step in range(3, 6)]


def resume(path: Path, batches: list[Any], **options: Any) -> None:
    deliver(TensorBoard(**options), path, batches, resumed=True, epoch=1)


def test_the_file_says_which_version_it_is(tmp_path: Path) -> None:
    """Before version 2 TensorBoard drops what comes at a lower step."""
    deliver(TensorBoard(), tmp_path, [batch_of(FIRST)])
    first = next(raw(event_file(tmp_path)))
    assert (first.file_version, first.source_metadata.writer) == ("brain.Event:2", "asynclog")


@pytest.mark.parametrize("lost", [1, 5, 30])
def test_a_record_cut_short_by_a_crash_is_written_again(tmp_path: Path, lost: int) -> None:
    deliver(TensorBoard(), tmp_path, [batch_of(FIRST)])
    path = event_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    resume(tmp_path, [batch_of(FIRST), batch_of(SECOND, first_time_ns=LATER)])
    found = values(tmp_path)
    assert found["train/loss"] == [(step, step / 4) for step in range(6)]
    assert found["train/note"] == [(step, f"{step}") for step in range(3)]


@pytest.mark.parametrize("garbage", [bytes(100), b"\xff" * 7, b"\x10" + bytes(40)])
def test_what_a_file_system_left_behind_the_end_is_cut_off(tmp_path: Path, garbage: bytes) -> None:
    deliver(TensorBoard(), tmp_path, [batch_of(FIRST)])
    with event_file(tmp_path).open("ab") as file:
        file.write(garbage)
    resume(tmp_path, [batch_of(SECOND, first_time_ns=LATER)])
    assert values(tmp_path)["train/loss"] == [(step, step / 4) for step in range(6)]


def test_a_last_record_that_is_not_what_was_written_is_written_again(tmp_path: Path) -> None:
    """Its length is right and its checksum isn't: a page that never reached the disk."""
    deliver(TensorBoard(), tmp_path, [batch_of(SECOND)])
    path = event_file(tmp_path)
    data = bytearray(path.read_bytes())
    data[-8] ^= 0xFF
    path.write_bytes(data)
    resume(tmp_path, [batch_of(SECOND)])
    assert values(tmp_path)["train/loss"] == [(step, step / 4) for step in range(3, 6)]


def test_what_is_delivered_again_is_written_once_however_it_is_cut(tmp_path: Path) -> None:
    """Other batches than before, some of it new."""
    entries = [(al.State(step), {"loss": step / 4, "note": f"{step}"}) for step in range(40)]
    deliver(TensorBoard(), tmp_path, [batch_of(entries[:30])])
    resume(tmp_path, [batch_of(entries)])
    found = values(tmp_path)
    assert found["train/loss"] == [(step, step / 4) for step in range(40)]
    assert found["train/note"] == [(step, f"{step}") for step in range(40)]


def test_equal_numbers_at_other_times_are_not_taken_for_repetitions(tmp_path: Path) -> None:
    same = [(al.State(1), {"loss": 0.5})]
    deliver(TensorBoard(), tmp_path, [batch_of(same)])
    resume(tmp_path, [batch_of(same, first_time_ns=LATER)])
    assert values(tmp_path)["train/loss"] == [(1, 0.5)] * 2


def test_a_name_keeps_its_tag_when_the_run_goes_on(tmp_path: Path) -> None:
    """A number and a picture of one name: whichever came first has the tag, also for a later process."""
    picture = al.Image(np.zeros((4, 4), np.uint8))
    mesh = al.Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]))
    first: list[Any] = [
        (al.State(0), [("loss", picture), ("x (image)", 1.0), ("x", 1.0), ("x", picture), ("m", mesh), ("m", "text")])
    ]
    later: list[Any] = [(al.State(1), [("loss", 0.5), ("x (image)", 2.0), ("x", picture), ("m", "text"), ("m", mesh)])]
    deliver(TensorBoard(), tmp_path, [batch_of(first)])
    resume(tmp_path, [batch_of(later, first_time_ns=LATER)])
    assert {tag: [step for step, _ in found] for tag, found in values(tmp_path).items()} == {
        "train/loss": [0],
        "train/loss (scalar)": [1],
        "train/x": [0],
        "train/x (image)": [0, 1],
        "train/x (image 2)": [0, 1],
        "train/m_VERTEX": [0, 1],
        "train/m_FACE": [0, 1],
        "train/m": [0, 1],
    }


def test_a_new_run_replaces_its_files_and_no_others(tmp_path: Path) -> None:
    deliver(TensorBoard(run_per_phase=True), tmp_path, [batch_of([(al.State(0, "valid"), {"loss": 1.0, "c": {"lr": 1}})])])
    strange = tmp_path / "tensorboard" / "w" / "events.out.tfevents.1.somebody.else"
    strange.write_bytes(b"")
    deliver(TensorBoard(), tmp_path, [batch_of(SECOND)])
    left = [path.name for path in tmp_path.rglob("*tfevents*")]
    assert sorted(left) == ["events.out.tfevents.1.r.w", "events.out.tfevents.1.somebody.else"]


def test_another_writer_has_a_directory_of_its_own(tmp_path: Path) -> None:
    """TensorBoard takes a directory's files for one run, and would draw the ranks' curves as one."""
    for writer in ("main", "rank1"):
        deliver(TensorBoard(), tmp_path, [batch_of(SECOND)], writer=writer)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*tfevents*"))
    assert found == ["tensorboard/events.out.tfevents.1.r.main", "tensorboard/rank1/events.out.tfevents.1.r.rank1"]


VICTIM = """
import asyncio, sys
from pathlib import Path
from tests.unit.sinks.tensorboard.test_event_file import flood
from tests.unit.sinks.sinkrun import run_info
from asynclog.sinks import TensorBoard

async def main():
    sink = TensorBoard()
    await sink.open(run_info(Path(sys.argv[1])))
    for number in range(1 << 30):
        await sink.write(flood(number))
        print(number, flush=True)

asyncio.run(main())
"""


def flood(number: int) -> Any:
    """The n-th batch: many numbers, and a picture whose writing takes a while."""
    steps = range(200 * number, 200 * number + 200)
    entries: list[Any] = [(al.State(step), {f"k{key}": step / 7 for key in range(10)}) for step in steps]
    noise = np.random.default_rng(number).integers(0, 256, (3, 300, 300), np.uint8)
    entries.append((al.State(steps[-1]), {"noise": al.Image(noise, keep_resolution=True)}))
    return batch_of(entries, seq=1000 * number, first_time_ns=LATER + number * 10**9)


@pytest.mark.crash
@pytest.mark.parametrize("batches", [1, 4])
def test_a_kill_in_the_middle_of_a_write_loses_and_repeats_nothing(tmp_path: Path, batches: int) -> None:
    """The process is killed by -9; the next one is given everything again, and more."""
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    with victim:
        while int(victim.stdout.readline()) < batches:
            pass
        victim.send_signal(signal.SIGKILL)
        rest = victim.stdout.read().split()
    written = max([batches, *map(int, rest)]) + 3
    resume(tmp_path, [flood(number) for number in range(written)])
    found = values(tmp_path)
    for key in range(10):
        assert found[f"train/k{key}"] == [(step, float(np.float32(step / 7))) for step in range(200 * written)]
    assert [step for step, _ in found["train/noise"]] == [200 * number + 199 for number in range(written)]


def test_where_training_goes_back_its_reader_forgets_what_lies_beyond(tmp_path: Path) -> None:
    """Also where nothing new comes, and where a crash has the sink told, and given, the same again."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator").EventAccumulator

    def shown() -> list[tuple[int, float]]:
        return [(one.step, one.value) for one in accumulator(str(event_file(tmp_path).parent)).Reload().Scalars("train/loss")]

    back = {"rewound_to": dict.fromkeys(("train", "valid", "test"), 1)}
    again = batch_of([(al.State(step), {"loss": 10.0 + step}) for step in range(2, 5)], first_time_ns=LATER)
    deliver(TensorBoard(), tmp_path, [batch_of(FIRST), batch_of(SECOND, first_time_ns=LATER // 2)])
    deliver(TensorBoard(), tmp_path, [], resumed=True, epoch=1, **back)
    assert shown() == [(0, 0.0), (1, 0.25)]
    for _ in range(2):
        deliver(TensorBoard(), tmp_path, [again], resumed=True, epoch=1, **back)
        assert shown() == [(0, 0.0), (1, 0.25), (2, 12.0), (3, 13.0), (4, 14.0)]


def test_phases_with_directories_of_their_own_go_back_by_themselves(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator").EventAccumulator
    writes: Any = [(al.State(step, phase), {"loss": 1.0}) for step in range(4) for phase in ("train", "valid", "test")]
    deliver(TensorBoard(run_per_phase=True), tmp_path, [batch_of(writes)])
    back = {"train": 1, "valid": 2}
    deliver(TensorBoard(run_per_phase=True), tmp_path, [], resumed=True, epoch=1, rewound_to=back)
    found = {path.parent.name: accumulator(str(path.parent)).Reload() for path in tmp_path.rglob("*tfevents.1.*")}
    assert {phase: len(one.Scalars("loss")) for phase, one in found.items()} == {"train": 2, "valid": 3, "test": 4}
