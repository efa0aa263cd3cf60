"""Names as W&B takes them: "phase/namespace/key".

Its server keeps no control characters: they are percent-encoded, and so is a "%" that would read as such a code, so that no
two names become one. Paths of files it makes safe by itself.
"""

import re
from typing import Final

from asynclog.sinks.naming import flat_name

_CODED: Final = re.compile(r"[\x00-\x1f\x7f]|%(?=[0-9A-F]{2})")
_OWN: Final = frozenset({"step", "epoch"})


def series_name(phase: str, namespace: str, key: str) -> str:
    """ "phase/namespace/key"."""
    return _CODED.sub(lambda found: f"%{ord(found[0]):02X}", f"{phase}/{flat_name(namespace, key)}")


def axis_name(name: str) -> str:
    """A further axis stands beside ``step`` under its own name, unless that could be another's."""
    taken = name in _OWN or name.startswith("_") or "/" in name or not name
    return series_name("axes", "", name) if taken else name
