"""A sink with its policy: defaults, filters, and what is refused."""

from typing import Any, ClassVar

import pytest

from asynclog.errors import InvalidConfiguration
from asynclog.flow.limit import RateLimit
from asynclog.flow.route import Route
from asynclog.sink import Batch


class Plain:
    async def write(self, batch: Batch, /) -> None: ...

    async def aclose(self) -> None: ...

    def __repr__(self) -> str:
        return "Plain()"


class _Local(Plain):
    default_place: ClassVar[str] = "caller"
    ephemeral = True


def test_a_bare_sink_takes_its_names_and_places_from_its_class() -> None:
    assert (Route(Plain()).name, Route(Plain()).named, Route(Plain()).place) == ("plain", False, "thread")
    local = Route(_Local())
    assert (local.name, local.place, local.ephemeral, local.filters) == ("local", "caller", True, False)
    assert (local.limit, local.overflow, local.deadline) == (None, None, 30.0)


def test_a_route_states_its_own() -> None:
    limit = RateLimit(1.0)
    route = Route(_Local(), name="a.b-c_1", limit=limit, overflow="block", place="recorder", deadline=0)
    assert (route.name, route.named, route.limit, route.overflow) == ("a.b-c_1", True, limit, "block")
    assert (route.place, route.deadline) == ("recorder", 0)
    assert repr(Route(Plain(), name="x")) == "Route(Plain(), name='x', place='thread')"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name: expected letters"),
    ({"name": "../up"}, "name: expected letters"),
    ({"name": ".hidden"}, "name: expected letters"),
    ({"name": "x" * 101}, "name: expected letters"),
    ({"overflow": "explode"}, "overflow: expected one of journal, drop_oldest"),
    ({"place": "moon"}, "place: expected one of recorder"),
    ({"deadline": -1}, "deadline: expected seconds"),
    ({"kinds": {"hologram"}}, "kinds: expected some of scalar, image.*got hologram"),
    ({"phases": ["training"]}, "phases: expected some of train, valid, test, got training"),
    ({"level": "step"}, "level: expected one of fit, epoch, batch"),
]


@pytest.mark.parametrize(("policy", "why"), WRONG)
def test_what_makes_no_sense_is_refused_by_name(policy: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidConfiguration, match=why):
        Route(Plain(), **policy)


@pytest.mark.parametrize("method", ["write", "aclose"])
def test_what_is_no_sink_is_refused(method: str) -> None:
    class Half:
        pass

    for name in {"write", "aclose"} - {method}:
        setattr(Half, name, lambda self, *_: None)
    with pytest.raises(InvalidConfiguration, match=rf"Half lacks {method}\(\)"):
        Route(Half())  # type: ignore[arg-type]


FILTERS: list[tuple[dict[str, Any], tuple[str, str, str, str], bool]] = [
    ({}, ("image", "train", "a", "batch"), True),
    ({"kinds": "image"}, ("image", "train", "", "batch"), True),
    ({"kinds": ["image"]}, ("scalar", "train", "", "batch"), False),
    ({"kinds": []}, ("scalar", "train", "", "batch"), False),
    ({"phases": {"valid", "test"}}, ("scalar", "train", "", "batch"), False),
    ({"phases": "valid"}, ("scalar", "valid", "", "batch"), True),
    ({"level": "epoch"}, ("scalar", "train", "", "batch"), False),
    ({"level": "epoch"}, ("scalar", "train", "", "epoch"), True),
    ({"level": "epoch"}, ("scalar", "train", "", "fit"), True),
    ({"level": "fit"}, ("scalar", "train", "", "epoch"), False),
    ({"level": "batch"}, ("scalar", "train", "", "batch"), True),
    ({"levels": "epoch"}, ("scalar", "train", "", "fit"), False),
    ({"levels": {"fit", "batch"}}, ("scalar", "train", "", "batch"), True),
    ({"level": "fit", "levels": {"fit", "batch"}}, ("scalar", "train", "", "batch"), False),
    ({"level": "batch", "levels": []}, ("scalar", "train", "", "fit"), False),
    ({"namespaces": "gan"}, ("scalar", "train", "gan", "batch"), True),
    ({"namespaces": ["gan"]}, ("scalar", "train", "gan/critic", "batch"), True),
    ({"namespaces": ["gan"]}, ("scalar", "train", "gang", "batch"), False),
    ({"namespaces": ["gan"]}, ("scalar", "train", "", "batch"), False),
    ({"kinds": "image", "phases": "train"}, ("image", "test", "", "batch"), False),
]


@pytest.mark.parametrize(("policy", "value", "wanted"), FILTERS)
def test_filters_let_through_what_fits_all_of_them(
    policy: dict[str, Any], value: tuple[str, str, str, str], wanted: bool
) -> None:
    route = Route(Plain(), **policy)
    assert route.wants(*value) is wanted
    assert route.filters is bool(policy)
