"""How a run failed, as a record of it: the exception, and its traceback as Python prints it."""

import traceback
from typing import Final

from asynclog.values import Record

NAMESPACE: Final = "run"
KEY: Final = "error"
_LONGEST: Final = 256 << 10
_CRITICAL: Final = 50


def failure_record(error: BaseException) -> Record:
    """message: as the footer's error says it; exception: the traceback, of a very long one its beginning and its end."""
    text = "".join(traceback.format_exception(error)).rstrip()
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}\n… {len(text) - _LONGEST:,} characters …\n{text[-_LONGEST // 2 :]}"
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return Record(said_of(error), _CRITICAL, "", where, text)


def said_of(error: BaseException) -> str:
    """Type and words."""
    words = str(error)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
