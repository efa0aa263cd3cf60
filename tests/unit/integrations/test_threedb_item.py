import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from asynclog.integrations.threedb.item import put_together, taken_apart

leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=4)
keys = st.text(max_size=4) | st.tuples(st.text(max_size=3), st.text(max_size=3)) | st.integers(0, 9)
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=12,
)


def there_and_back(item: dict[Any, Any]) -> dict[Any, Any]:
    taken = taken_apart(item)
    travelled = msgpack.unpackb(msgpack.packb(taken.fields), strict_map_key=False)
    return put_together(travelled, [np.asarray(one) for one in taken.arrays])


@given(st.dictionaries(keys, nested, max_size=5))
def test_an_item_comes_back_as_it_was(item: dict[Any, Any]) -> None:
    """Tuples, tuple keys, keys that look alike as text, and the order of keys."""
    back = there_and_back(item)
    assert back == item
    assert repr(back) == repr(item)


def test_arrays_come_back_at_any_depth() -> None:
    item = {"outputs": np.arange(3.0), "deep": {("a", "b"): [torch.ones(2, 2), 1]}, "scalar": np.float32(0.5)}
    back = there_and_back(item)
    assert back["outputs"].tolist() == [0, 1, 2]
    assert back["deep"]["a", "b"][0].tolist() == [[1, 1], [1, 1]]
    assert (back["deep"]["a", "b"][1], back["scalar"]) == (1, 0.5)


def test_the_record_can_be_read_without_knowing_any_of_this() -> None:
    item = {"id": "x", "render_args": {("camera", "zoom"): 1.5}, "control_order": [("m", "C")]}
    plain = taken_apart(item).fields["item"]
    assert json.loads(json.dumps(plain)) == {"id": "x", "render_args": {"camera.zoom": 1.5}, "control_order": [["m", "C"]]}


def test_what_a_record_cannot_hold_comes_back_as_text() -> None:
    assert there_and_back({"path": Path("/a/b")}) == {"path": "/a/b"}


@dataclass(frozen=True)
class Pose:
    angle: int


def test_any_key_comes_back_as_one_that_a_dict_can_have() -> None:
    """The loggers' processes put an item together: what failed there would fail for each of them, and cost a whole batch."""
    nested = {(("a", 1), "b"): 1, ((), ("c", (2,))): 2}
    assert there_and_back(nested) == nested
    assert there_and_back({Pose(3): 1, (Pose(4), "x"): 2}) == {"{'angle': 3}": 1, ("{'angle': 4}", "x"): 2}
    assert there_and_back({frozenset({1, 2}): 1}) == {(1, 2): 1}


def test_what_lies_in_itself_or_too_deep_comes_back_as_text() -> None:
    inner: dict[str, Any] = {"a": 1}
    inner["self"] = [inner]
    assert there_and_back({"in": inner})["in"]["self"][0].startswith("dict {'a': 1")
    deep: Any = []
    for _ in range(3000):
        deep = [deep]
    back: Any = there_and_back({"deep": deep})["deep"]
    depth = 0
    while isinstance(back, list):
        (back,), depth = back, depth + 1
    assert (depth, back) == (59, "list")


def test_the_same_part_twice_is_no_cycle() -> None:
    part = {"a": [1]}
    assert there_and_back({"x": part, "y": part, "z": [part]}) == {"x": part, "y": part, "z": [part]}


def test_keys_that_look_alike_stay_apart() -> None:
    item = {("a", "b"): 1, "a.b": 2, ("a.b",): 3, 1: 4, "1": 5}
    assert there_and_back(item) == item
