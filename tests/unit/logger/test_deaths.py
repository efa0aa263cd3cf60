"""Whose fault the deaths of recorders were, as tables of deaths and verdicts."""

from collections.abc import Iterable

import pytest

from asynclog.logger.deaths import WINDOW_S, Death, Deaths

ROUTES = ["a", "b", "c"]


def death(inside: Iterable[str] = (), *, at: float = 0.0, acked: int = 0, crashed: bool = True, served: bool = True) -> Death:
    return Death(at, acked, crashed, served, frozenset(inside), "exit status 3")


def noted(*deaths: Death) -> tuple[Deaths, bool]:
    """All of them, and whether the record at the last one's head is to be left out."""
    made, leave_out = Deaths(), False
    for one in deaths:
        leave_out = made.note(one)
    return made, leave_out


# deaths, stopped, suspects, whether they are too many for another process
CASES: dict[str, tuple[list[Death], set[str], set[str], bool]] = {
    "one crash inside a sink makes it a suspect": ([death("a")], set(), {"a"}, False),
    "a second one stops it": ([death("a"), death("a")], {"a"}, set(), False),
    "of two at the first, the second tells which": ([death("ab"), death("a")], {"a"}, {"b"}, False),
    "two at both are both stopped": ([death("ab"), death("ab")], {"a", "b"}, set(), False),
    "what a stopped sink explains is not held against recorders": (
        [death("ab"), death("a"), death("b")],
        {"a", "b"},
        set(),
        False,
    ),
    "a minute apart they are strangers": ([death("a"), death("a", at=WINDOW_S)], set(), {"a"}, False),
    "kills from outside condemn nobody": ([death("a", crashed=False)] * 2, set(), set(), False),
    "three of them are too many": ([death("a", crashed=False)] * 3, set(), set(), True),
    "three in three sinks are too many": ([death("a"), death("b"), death("c")], set(), {"a", "b", "c"}, True),
    "three at the start are too many": ([death(served=False)] * 3, set(), set(), True),
}


@pytest.mark.parametrize(("deaths", "stopped", "suspects", "too_many"), CASES.values(), ids=CASES)
def test_a_sink_is_stopped_for_what_happened_while_it_was_called(
    deaths: list[Death], stopped: set[str], suspects: set[str], too_many: bool
) -> None:
    made, _ = noted(*deaths)
    assert (set(made.stopped), made.suspects, made.too_many) == (stopped, suspects, too_many)


@pytest.mark.parametrize(
    ("deaths", "leave_out"),
    [
        pytest.param([death(acked=5), death(acked=5)], True, id="two crashes at one record"),
        pytest.param([death(acked=5), death(acked=6)], False, id="at two records"),
        pytest.param([death(acked=5, crashed=False), death(acked=5)], False, id="one was a kill"),
        pytest.param([death(acked=5, served=False)] * 2, False, id="it never came up"),
        pytest.param([death("a", acked=5)] * 2, False, id="a sink was being called"),
    ],
)
def test_a_record_is_left_out_for_two_crashes_that_nothing_else_explains(deaths: list[Death], leave_out: bool) -> None:
    assert noted(*deaths)[1] is leave_out


@pytest.mark.parametrize(
    ("deaths", "kept_out"),
    [
        pytest.param([death(served=False)] * 3, set(), id="no process lives here: sinks are innocent"),
        pytest.param([death("a", crashed=False)] * 3, set(), id="kills"),
        pytest.param([death("a"), *[death("b", crashed=False)] * 2], {"a"}, id="one crash inside a sink is enough"),
        pytest.param([death()] * 3, {"a", "b", "c"}, id="crashes that nobody explains: none is trusted"),
    ],
)
def test_what_may_end_the_training_process_is_kept_out_of_it(deaths: list[Death], kept_out: set[str]) -> None:
    made, _ = noted(*deaths)
    made.keep_out_of_thread(ROUTES)
    assert set(made.stopped) == kept_out
