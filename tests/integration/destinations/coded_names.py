"""Names as a vendor has them, turned back: the inverse of ``asynclog.sinks.coded``."""

import re

from asynclog.sinks.coded import shortened
from asynclog.testing.examples import ODD_NAMES


def decoded(shown: str) -> str:
    """A name without its percent codes."""
    return re.sub("((?:%[0-9A-F]{2})+)", lambda code: bytes.fromhex(code[1].replace("%", "")).decode(), shown)


def name_of(shown: str, longest: int) -> tuple[str, str]:
    """(phase, name) where names have a longest; of those that were shortened, the examples' are known."""
    whole = decoded(shown)
    long = {shortened(f"train/{name}/{key}", longest): f"train/{name}/{key}" for name, key in ODD_NAMES[-1:]}
    phase, _, name = long.get(whole, whole).partition("/")
    return phase, name
