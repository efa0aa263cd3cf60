"""The page about destinations says what the tests show."""

from tests.integration.destinations.table import PAGE, exams, page


def test_the_page_says_what_the_exams_hold_destinations_to() -> None:
    """Otherwise ``make tables`` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page(exams())
