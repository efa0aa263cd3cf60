"""What ``import asynclog as al`` offers: everything the pages mention, and nothing that costs before it is used."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import asynclog as al
from asynclog import errors

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_IMPORTED = re.compile(r"^from asynclog import (.+)$", re.MULTILINE)


def mentioned(page: Path) -> set[str]:
    """The names of the package that a page's code calls ``al.NAME``, or imports."""
    text = page.read_text()
    names = {found[1] for found in re.finditer(r"(?<![\w.])al\.([A-Za-z_]\w*)", text)}
    return names | {name.strip() for found in _IMPORTED.finditer(text) for name in found[1].split(",")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_name_that_a_page_mentions_exists(page: Path) -> None:
    """An example that is copied from it runs."""
    assert {name for name in mentioned(page) if not hasattr(al, name)} == set()


def test_the_pages_are_searched_for_names() -> None:
    """Else the test above says nothing."""
    assert {"MultiLogger", "read", "State", "Route", "RateLimit"} <= set().union(*map(mentioned, PAGES))


def test_what_a_training_script_reads_or_catches_is_at_hand() -> None:
    """Without knowing which module it lives in."""
    for name in ("Run", "Series", "Report", "verify", "repair", "Column", "Write"):
        assert hasattr(al, name)
    for name in ("InvalidConfiguration", "RunInUse", "RunNotFound", "SeriesNotFound", "AmbiguousSeries", "RunError"):
        assert getattr(al, name) is getattr(errors, name)
    assert all(hasattr(al, name) for name in al.__all__)
    assert dir(al) == al.__all__


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    """Neither its own modules nor numpy: a script that only might log pays nothing."""
    ask = "import sys, asynclog; print(*sorted(one for one in sys.modules if one.startswith(('asynclog', 'numpy'))))"
    loaded = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["asynclog"]
