"""A value as a file, a page among them: what ``asynclog.encoding.media`` writes, and HTML."""

from collections.abc import Mapping
from typing import Any, Final

from asynclog.encoding import media
from asynclog.readers.export.html import page

ENCODERS: Final[media.Encoders] = {kind: {**forms, ".html": page} for kind, forms in media.ENCODERS.items()}


def file_of(value: Any, suffix: str) -> bytes:
    """The bytes of a file of ``suffix`` (".png") that shows ``value``. Raises InvalidValue, naming those that could;
    ImportError naming the extra."""
    return media.file_of(value, suffix, ENCODERS)


def suffixes(value: Any) -> tuple[str, ...]:
    """The suffixes a value can be written with, the customary one first."""
    forms: Mapping[str, media.Encode] = ENCODERS.get(type(value), {})
    return tuple(forms)
