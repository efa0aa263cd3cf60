"""What was given to a destination before, told from what is new."""

import resource
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from asynclog.sink import Event
from asynclog.sinks.repeats import Repeats
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.examples import every_kind

pytestmark = pytest.mark.blocking


def names(repeats: Repeats, batch: Any) -> list[tuple[int, str]]:
    return [(event.step, event.key) for one in repeats.left_of(batch) for event in one.events]


def batch(*steps: int, **values: Any) -> Any:
    return batch_of([(State(step), values or {"loss": step / 7, "note": f"{step}"}) for step in steps])


def test_a_batch_comes_once_in_a_life_unless_its_write_failed() -> None:
    repeats = Repeats(None)
    written = repeats.left_of(batch(1, 2, 3))
    assert [one.state.step for one in islice(written, 2)] == [1, 2]
    # The second failed: nobody asked for a third.
    assert names(repeats, batch(1, 2, 3)) == [(2, "loss"), (2, "note"), (3, "loss"), (3, "note")]


def test_a_batch_that_is_forgotten_comes_whole(tmp_path: Path) -> None:
    """Whoever took it is gone; what came before stays given, for a later process too."""
    repeats = Repeats(tmp_path)
    first, second = batch(1, 2), batch_of([(State(3), {"loss": 0.5})], seq=7, first_time_ns=2 * 10**18)
    assert len(names(repeats, first)) == 4
    assert names(repeats, second) == [(3, "loss")]
    repeats.forget(second)
    repeats.close()
    successor = Repeats(tmp_path)
    assert names(successor, first) == []
    assert names(successor, second) == [(3, "loss")]


def test_what_an_earlier_process_gave_is_left_out(tmp_path: Path) -> None:
    first = Repeats(tmp_path)
    assert len(names(first, batch(1, 2, 3))) == 6
    first.close()
    second = Repeats(tmp_path)
    assert names(second, batch(1, 2, 3)) == []
    assert names(second, batch(1, 2, 3, 4)) == [(4, "loss"), (4, "note")]


def test_a_full_disk_leaves_no_piece_of_an_entry(tmp_path: Path) -> None:
    """What was given then doesn't come twice in this life, and what is noted later can be read."""
    first = Repeats(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, before[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            names(first, batch(1, 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(first, batch(1, 2)) == []
    later = batch_of([(State(3), {"loss": 0.5})], seq=7, first_time_ns=2 * 10**18)
    assert names(first, later) == [(3, "loss")]
    first.close()
    assert names(Repeats(tmp_path), later) == []


def test_an_end_holds_for_what_was_given_before_it(tmp_path: Path) -> None:
    """Also in a later process; what is given after it wants an end of its own."""
    first = Repeats(tmp_path)
    names(first, batch(1))
    assert not first.ended
    first.end()
    first.close()
    second = Repeats(tmp_path)
    assert second.ended
    names(second, batch(1, 2))
    assert not second.ended


def test_every_kind_is_known_again(tmp_path: Path) -> None:
    everything = batch(1, **every_kind())
    first = Repeats(tmp_path)
    assert len(names(first, everything)) == len(every_kind())
    first.close()
    assert names(Repeats(tmp_path), everything) == []


def test_another_value_of_the_same_write_is_new(tmp_path: Path) -> None:
    """Of several images under one name, the first may have been given and the others not."""
    images = [("recon", every_kind(seed)["image"]) for seed in range(3)]
    first = Repeats(tmp_path)
    assert len(names(first, batch_of([(State(1), images[:1])]))) == 1
    first.close()
    assert len(names(Repeats(tmp_path), batch_of([(State(1), images)]))) == 2


def test_the_same_value_of_another_time_epoch_or_writer_is_new(tmp_path: Path) -> None:
    first = Repeats(tmp_path)
    names(first, batch_of([(State(1), {"loss": 0.5})]))
    first.close()
    again = Repeats(tmp_path)
    for other in ({"first_time_ns": 7}, {"epoch": 1}, {"writer": "rank1"}):
        assert names(again, batch_of([(State(1), {"loss": 0.5})], **other)) == [(1, "loss")], other


def test_an_entry_that_a_crash_cut_short_is_no_entry(tmp_path: Path) -> None:
    first = Repeats(tmp_path)
    names(first, batch(1))
    first.close()
    (file,) = tmp_path.glob("*.given")
    file.write_bytes(file.read_bytes()[:-3])
    left = names(Repeats(tmp_path), batch(1))
    assert left == [(1, "note")]
    assert names(Repeats(tmp_path), batch(1)) == []


def test_an_array_that_is_not_contiguous_has_a_digest_too(tmp_path: Path) -> None:
    value = every_kind()["image"]
    turned = type(value)(value.data.transpose(0, 2, 1))
    one = Event("image", "train", "", "turned", 1, 0, 5, {}, turned)
    repeats = Repeats(tmp_path)
    assert names(repeats, batch_of([(State(1), {"turned": one.value})])) == [(1, "turned")]
