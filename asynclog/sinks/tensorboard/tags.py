"""Which tag shows which series: the series' own name, unless a plugin has it already.

TensorBoard gives a tag to the plugin that names it first, and shows nothing of what another one puts there, or breaks over
it. A run may well log a number and a picture under one name. The first form to come gets the tag, another one a tag that
says what it is: "train/recon (image)". What an earlier epoch gave away is learnt from its file.
"""

from collections.abc import Iterable
from itertools import count
from typing import NamedTuple


class Owner(NamedTuple):
    """form: what a tag can hold, "scalar" or as ``shown`` has it. series: whose values they are."""

    form: str
    series: str


class Tags:
    """The tags of one directory."""

    def __init__(self) -> None:
        self._owners: dict[str, Owner] = {}
        self._tags: dict[Owner, str] = {}

    def tag(self, form: str, series: str, suffixes: Iterable[str] = ("",)) -> str:
        """The series' tag; the same one each time. suffixes: of the tags that it consists of."""
        owner = Owner(form, series)
        tag = self._tags.get(owner)
        if tag is None:
            several = list(suffixes)
            tag = next(one for one in _candidates(form, series) if self._free(one, several))
            self._owners.update(dict.fromkeys([tag + suffix for suffix in several], owner))
            self._tags[owner] = tag
        return tag

    def learn(self, tag: str, suffix: str, owner: Owner) -> None:
        """Such a value is in the file already."""
        self._owners[tag + suffix] = owner
        self._tags[owner] = tag

    def _free(self, tag: str, suffixes: Iterable[str]) -> bool:
        return not any(tag + suffix in self._owners for suffix in suffixes)


def _candidates(form: str, series: str) -> Iterable[str]:
    yield series
    yield f"{series} ({form})"
    for number in count(2):
        yield f"{series} ({form} {number})"
