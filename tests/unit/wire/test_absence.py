"""Which numbers were passed over."""

from hypothesis import given
from hypothesis import strategies as st

from asynclog.wire.absence import Absence

LEAPS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=8)


@given(LEAPS, st.lists(st.integers(-1, 60), max_size=30))
def test_it_answers_as_a_set_of_numbers_would(leaps: list[tuple[int, int]], asked: list[int]) -> None:
    absence, model, at = Absence(), set[int](), 0
    for present, absent in leaps:
        at += present
        absence.add(at, at + absent)
        model.update(range(at, at + absent))
        at += absent
    for number in asked:
        assert absence.take(number) == (number in model)
        model.discard(number)
        assert absence.count == len(model)


def test_a_leap_costs_one_entry_however_far_it_goes() -> None:
    absence = Absence()
    absence.add(0, 2**63)
    assert absence.take(2**62)
    assert repr(absence) == f"<Absence of {2**63 - 1} in 2 intervals>"
