"""JSON that every parser takes: "NaN", "Infinity" and "-Infinity" as strings, since JSON has no such numbers.

Most parsers refuse Python's bare tokens, and null would make the three alike; both Python's ``float`` and JavaScript's
``Number`` read these.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

NOT_FINITE: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""By Python's repr."""


def json_text(value: Any) -> str:
    """The value on one line; what JSON doesn't know as its str."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else NOT_FINITE[repr(value)]
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
