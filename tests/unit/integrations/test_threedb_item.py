import json
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


def test_keys_that_look_alike_stay_apart() -> None:
    item = {("a", "b"): 1, "a.b": 2, ("a.b",): 3, 1: 4, "1": 5}
    assert there_and_back(item) == item
