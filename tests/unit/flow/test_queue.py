"""A bounded queue: four policies, what is in flight spared, a writer held and let go."""

from typing import Any

import pytest

from asynclog.flow.queue import BoundedQueue, Dropped, Overflow

SIZE = 10


def filled(policy: Overflow, items: str = "abcde", limit: int = 50) -> BoundedQueue[str]:
    """Each item is 10 bytes and 2 events."""
    queue: BoundedQueue[str] = BoundedQueue(policy, limit)
    for one in items:
        queue.offer(one, SIZE, 2)
    return queue


def waiting(queue: BoundedQueue[str]) -> str:
    return "".join(queue.peek(100))


# policy, in flight, size of what comes, what waits then, (records, events) dropped, held
OFFERS: list[tuple[Overflow, int, int, str, Dropped, bool]] = [
    ("drop_oldest", 0, SIZE, "bcdeN", Dropped(1, 2), False),
    ("drop_oldest", 2, SIZE, "abdeN", Dropped(1, 2), False),
    ("drop_oldest", 0, 25, "deN", Dropped(3, 6), False),
    ("drop_oldest", 2, 25, "abN", Dropped(3, 6), False),
    ("drop_oldest", 5, SIZE, "abcdeN", Dropped(), False),
    ("drop_oldest", 0, 500, "N", Dropped(5, 10), False),
    ("drop_newest", 0, SIZE, "abcde", Dropped(1, 3), False),
    ("drop_newest", 0, 0, "abcdeN", Dropped(), False),
    ("block", 0, SIZE, "abcdeN", Dropped(), True),
    ("journal", 0, SIZE, "abcdeN", Dropped(), False),
]


@pytest.mark.parametrize(("policy", "in_flight", "nbytes", "left", "dropped", "held"), OFFERS)
def test_what_comes_to_a_full_queue(
    policy: Overflow, in_flight: int, nbytes: int, left: str, dropped: Dropped, held: bool
) -> None:
    queue = filled(policy)
    queue.peek(in_flight)
    assert queue.offer("N", nbytes, 3) == dropped
    assert queue.held is held
    assert queue.waiting_events == 2 * len(left.rstrip("N")) + 3 * left.count("N")
    assert queue.waiting_bytes == SIZE * len(left.rstrip("N")) + nbytes * left.count("N")
    assert waiting(queue) == left


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "block"])
def test_an_item_larger_than_the_limit_is_taken_when_alone(policy: Overflow) -> None:
    queue: BoundedQueue[str] = BoundedQueue(policy, 50)
    assert queue.offer("N", 500, 1) == Dropped()
    assert not queue.held
    assert waiting(queue) == "N"


def test_what_is_in_flight_stays_until_it_is_committed() -> None:
    queue = filled("drop_oldest")
    assert queue.peek(2) == ["a", "b"]
    assert queue.peek(3) == ["a", "b", "c"]
    queue.commit()
    assert (waiting(queue), queue.waiting_bytes, queue.waiting_events, len(queue)) == ("de", 20, 4, 2)
    assert BoundedQueue[str]("block", 5).peek(3) == []


def test_a_commit_of_nothing_forgets_nothing() -> None:
    queue = filled("drop_oldest")
    assert not queue.commit()
    assert waiting(queue) == "abcde"


def test_a_held_writer_goes_on_when_the_queue_is_half_empty_and_is_told_once() -> None:
    queue = filled("block", "abcdef")
    told = []
    while len(queue):
        queue.peek(1)
        told.append(queue.commit())
    assert told == [False, False, False, True, False, False]
    assert not queue.held


@pytest.mark.parametrize(
    ("target", "in_flight", "left", "dropped"),
    [(50, 0, "abcde", 0), (25, 0, "de", 3), (0, 0, "", 5), (0, 2, "ab", 3), (-1, 0, "", 5)],
)
def test_memory_can_be_taken_back(target: int, in_flight: int, left: str, dropped: int) -> None:
    queue = filled("drop_oldest")
    queue.peek(in_flight)
    assert queue.shed(target) == Dropped(dropped, 2 * dropped)
    assert waiting(queue) == left


def test_a_closed_queue_drops_everything_and_holds_nobody() -> None:
    queue = filled("block", "abcdef")
    queue.peek(2)
    assert queue.held
    assert queue.close() == Dropped(6, 12)
    assert (queue.held, queue.closed, len(queue), queue.waiting_bytes) == (False, True, 0, 0)
    assert queue.offer("N", 1, 3) == Dropped(1, 3)
    assert not queue.commit()


def test_items_without_bytes_are_dropped_too() -> None:
    queue: BoundedQueue[Any] = BoundedQueue("drop_oldest", 5)
    queue.offer("a", 0, 1)
    assert queue.close() == Dropped(1, 1)


def test_a_queue_describes_itself() -> None:
    queue = filled("drop_oldest")
    queue.peek(2)
    assert repr(queue) == "<BoundedQueue drop_oldest: 5 waiting (50 bytes), 2 in flight>"
