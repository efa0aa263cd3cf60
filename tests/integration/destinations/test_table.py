"""The page about destinations says what the tests show."""

import subprocess
import sys

from tests.integration.destinations.exam import ROOT
from tests.integration.destinations.table import PAGE


def test_the_page_says_what_the_exams_hold_destinations_to() -> None:
    """Otherwise ``make tables`` writes it anew."""
    command = [sys.executable, "-m", "tests.integration.destinations.table", "--print"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert PAGE.read_text(encoding="utf-8") == told.stdout
