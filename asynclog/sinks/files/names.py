"""Names of files, made from numbers and from what is harmless of a key.

A key is data: it may hold separators, "..", NUL, ten thousand characters, or be CON. A number in front makes each name
unique, also where upper and lower case are one, and none of the names that Windows keeps for itself; the index has the key.
"""

import re
from typing import Final

_HARMFUL: Final = re.compile(r"[^A-Za-z0-9.+=-]+")
_LONGEST: Final = 80  # with number and suffix well below the 143 bytes of encrypted file systems


def slug(text: str) -> str:
    """What is harmless of a text: ASCII letters, digits and ``. + = - _``, at most 80, no dot at either end; maybe nothing."""
    return _HARMFUL.sub("_", text[: 4 * _LONGEST]).strip("._")[:_LONGEST].rstrip("._")


def numbered(kind: str, number: int, name: str, suffix: str) -> str:
    """``image/00000012-samples_recon.png``."""
    known = slug(name)
    return f"{kind}/{number:08d}{'-' if known else ''}{known}{suffix}"


class UniqueNames:
    """Names that need no number in front, each given once: a second ``7_rgb.png`` is ``7_rgb-2.png``."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def note(self, name: str) -> None:
        """This name is taken."""
        self._used.add(name.casefold())

    def free(self, folder: str, stem: str, suffix: str, taken: "set[str]") -> str:
        """The first that is neither used nor in ``taken``, to which it is added."""
        name, count = f"{folder}/{stem}{suffix}", 1
        while name.casefold() in self._used or name.casefold() in taken:
            count += 1
            name = f"{folder}/{stem}-{count}{suffix}"
        taken.add(name.casefold())
        return name
