"""The file that an export makes: whole, or not there. It is written under another name and renamed at the end.

Standard output, pipes and devices are written as they are: they can't be renamed onto, and must not be replaced.
"""

import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from asynclog.errors import RunUnwritable

STANDARD_OUTPUT: Final = Path("-")


def refuse(to: Path, force: bool) -> None:
    """Raises RunUnwritable if the target is in the way."""
    if to == STANDARD_OUTPUT:
        return
    if to.is_dir():
        raise RunUnwritable(f"{to} is a directory; name a file in it")
    if to.exists() and not force:
        raise RunUnwritable(f"{to} exists; --force replaces it")
    if not to.parent.is_dir():
        raise RunUnwritable(f"there is no directory {to.parent}")


@contextmanager
def text_target(to: Path) -> Iterator[TextIO]:
    """UTF-8, line ends as they are given."""
    if to == STANDARD_OUTPUT:
        yield sys.stdout
        return
    with _whole(to) as path, path.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def binary_target(to: Path) -> Iterator[BinaryIO]:
    """Bytes."""
    if to == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        return
    with _whole(to) as path, path.open("wb") as file:
        yield file


def refuse_directory(to: Path, index: str, force: bool) -> None:
    """Raises RunUnwritable if the directory has something in it; with ``force``, if that doesn't come from an export."""
    if not to.exists():
        return
    if not to.is_dir():
        raise RunUnwritable(f"{to} is a file; name a directory")
    if any(to.iterdir()):
        if not force:
            raise RunUnwritable(f"{to} isn't empty; --force replaces what an export has left there")
        if not (to / index).is_file():
            raise RunUnwritable(f"{to} isn't empty, and comes from no export: there is no {index}")


@contextmanager
def files_target(to: Path) -> Iterator[Path]:
    """A directory to write the file into, and others named after it; they go to their places if nothing was raised."""
    target = to.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    draft.mkdir()
    try:
        yield draft
        for one in sorted(draft.iterdir()):
            one.replace(target.parent / one.name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _whole(to: Path) -> Iterator[Path]:
    """The path to write to; what lies there takes the target's place if nothing was raised."""
    target = to.resolve()
    if target.exists() and not target.is_file():
        yield target
        return
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        yield draft
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
