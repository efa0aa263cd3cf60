"""Text as HTML that neither becomes markup nor hides what it is.

A page shows characters that a terminal would obey, and those that turn the direction of what follows, by their escapes: a name
is read as it is recorded, whatever comes after it.
"""

import html
from typing import Final

_KEPT: Final = "\t\n\r"
_OBEYED: Final = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SHOWN: Final = {one: ascii(chr(one))[1:-1] for one in _OBEYED if chr(one) not in _KEPT}


def escape(text: str) -> str:
    """The text for an element or a quoted attribute; of control characters, tab and line ends alone stay."""
    return html.escape(text.translate(_SHOWN))
