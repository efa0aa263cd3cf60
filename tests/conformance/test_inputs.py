"""Whatever library a value comes from, in whatever layout and dtype: it is read back bit for bit, or refused by rule.

All cells are logged into one run, once for all of these tests.
"""

import pytest

from tests.conformance.inputs.libraries import LIBRARIES, Library
from tests.conformance.inputs.measure import REFUSED, SAME, Outcomes, dtype_kind, installed, measured, others_measured
from tests.conformance.inputs.other import Other
from tests.conformance.inputs.others import OTHERS
from tests.conformance.inputs.page import PAGE, markdown
from tests.conformance.inputs.rows import ROWS


@pytest.fixture(scope="module")
async def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return await measured(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
async def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return await others_measured(tmp_path_factory.mktemp("others"))


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda one: one.name)
async def test_every_array_of_a_library_comes_back_bit_for_bit_or_is_refused_by_rule(
    outcomes: Outcomes, library: Library
) -> None:
    for name in library.needs:
        pytest.importorskip(name)
    wrong = {}
    for cell, outcome in outcomes.items():
        row = ROWS[cell.row]
        if cell.library == library.name and outcome != (SAME if dtype_kind(cell.dtype) in row.accepts else REFUSED):
            wrong[f"{row.kind} {row.what} {cell.dtype}"] = outcome
    assert wrong == {}


async def test_every_row_is_tried_with_every_library(outcomes: Outcomes) -> None:
    """An outcome that is missing would be no failure of any other test."""
    tried = {(cell.row, cell.library) for cell in outcomes}
    absent = {(ROWS[row].what, library.name) for row in range(len(ROWS)) for library in LIBRARIES if installed(library)}
    absent -= {(ROWS[row].what, library) for row, library in tried}
    assert {library for _, library in absent} <= {"numbers, lists"}
    assert {what for what, _ in absent} <= {"(0, N)", "none"} | {row.what for row in ROWS if not row.lists}


@pytest.mark.parametrize("other", OTHERS, ids=lambda one: f"{one.section} {one.what}")
async def test_what_is_no_array_is_recorded_as_the_page_says(others: dict[str, str], other: Other) -> None:
    for name in other.needs:
        pytest.importorskip(name)
    assert others[f"{other.section}: {other.what}"] == SAME


async def test_the_page_says_what_was_measured(outcomes: Outcomes, others: dict[str, str]) -> None:
    """python -m tests.conformance.inputs --write makes it anew."""
    for one in (*LIBRARIES, *OTHERS):
        for name in one.needs:
            pytest.importorskip(name)
    assert PAGE.read_text() == markdown(outcomes, others)
