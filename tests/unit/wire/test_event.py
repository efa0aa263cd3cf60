"""A value as an EVENT frame, and back."""

from typing import Any

import msgpack
import numpy as np
import pytest

from asynclog.errors import DamagedFrame
from asynclog.values import (
    Audio,
    Config,
    Histogram,
    Image,
    PointCloud,
    Rollout,
    Tensor,
    Text,
    Value,
    Video,
)
from asynclog.wire.event import (
    INLINE_PARAMS_BYTES,
    PARAMS_BESIDE_ARRAYS_BYTES,
    ArraySpec,
    array_specs,
    due_mask,
    payload_offsets,
    read_event,
    split,
)
from asynclog.wire.frame import Frame, Header, decode, pack_meta
from asynclog.wire.layout import Kind
from tests.frames import START_NS, encoded, event

VALUES: list[Value] = [
    Image(np.arange(12, dtype=np.uint8).reshape(3, 2, 2), caption="träin"),
    Image(np.zeros((2, 2), np.float16)),
    Audio(np.zeros((2, 5), np.float32), 16_000),
    Video(np.zeros((2, 1, 3, 3), np.uint8), fps=7.5),
    Histogram(np.arange(4), 0.0, 1.0, 9, 0.5, 0.25, nans=1, below=1, above=1),
    PointCloud(np.zeros((5, 3), np.float32), np.zeros((5, 3), np.uint8)),
    PointCloud(np.zeros((0, 3), np.float64)),
    Tensor(np.array(1 + 2j)),
    Tensor(np.zeros((0, 7), np.int16)),
    Tensor(np.arange(3, dtype=">i4")),
    Tensor(np.array([np.nan, -0.0])),
]


def back(frame: Frame) -> Any:
    """The frame through its bytes."""
    data = encoded(frame)
    return read_event(decode(Header(data), data))


@pytest.mark.parametrize("value", VALUES, ids=lambda one: f"{one.kind}-{next(iter(one.arrays().values())).shape}")
def test_every_value_comes_back_equal_and_aligned(value: Value) -> None:
    frame = event("k", value, namespace="n", step=3, time=5)
    got = back(frame)
    assert got.value == value
    assert (got.kind, got.namespace, got.key, got.step, got.time_ns) == (value.kind, "n", "k", 3, START_NS + 5)
    for _, _, shape in frame.meta["arrays"]:
        assert all(isinstance(length, int) for length in shape)
    for offset in payload_offsets(array_specs(frame.meta))[:-1]:
        assert offset % 64 == 0


@pytest.mark.parametrize(
    ("value", "plain"),
    [(0.5, 0.5), (2**60, 2**60), ("text ☃", "text ☃"), (Config({"a": [1, None]}), {"a": [1, None]}), (Text("t"), "t")],
)
def test_numbers_text_and_settings_come_back_plain(value: Any, plain: Any) -> None:
    assert back(event("k", value)).value == plain


def test_a_state_comes_back_whole_and_defaults_take_no_bytes() -> None:
    got = back(event("k", 1.0, phase="valid", level="epoch", elapsed_s=0.0, axes={"samples": 7.0}))
    assert (got.phase, got.level, got.elapsed_s, got.axes) == ("valid", "epoch", 0.0, {"samples": 7.0})
    assert set(event("k", 1.0).meta) == {"kind", "phase", "namespace", "key", "step", "due", "params"}
    plain = back(event("k", 1.0))
    assert (plain.epoch, plain.level, plain.elapsed_s, plain.axes) == (0, "batch", None, {})


def test_parameters_too_long_for_meta_travel_in_the_payload() -> None:
    value = Config({"text": "x" * INLINE_PARAMS_BYTES})
    frame = event("k", value)
    assert len(frame.meta_bytes) < 200
    assert back(frame).value == value.config
    assert split(Config({"a": 1}))[1] == {}


def test_beside_arrays_long_parameters_travel_as_one_of_them() -> None:
    value = Rollout([{"role": "user", "content": "x" * PARAMS_BESIDE_ARRAYS_BYTES}], tokens=np.arange(3))
    frame = event("k", value)
    assert len(frame.meta_bytes) < 300
    assert back(frame).value == value
    short = Rollout([{"role": "user", "content": "x"}], tokens=np.arange(3))
    assert "messages" in event("k", short).meta["params"]


def test_parameters_that_msgpack_cannot_hold_are_an_error_of_the_caller() -> None:
    with pytest.raises((TypeError, ValueError)):
        split(Config({"a": object()}))


def test_a_kind_of_a_later_version_is_given_as_its_parts() -> None:
    frame = event("k", Tensor(np.arange(3)), kind="hologram", params={"depth": 2})
    got = back(frame)
    assert got.kind == "hologram"
    assert got.value["depth"] == 2
    assert got.value["data"].tolist() == [0, 1, 2]


def test_parameters_of_a_later_version_are_left_out() -> None:
    frame = event("k", Tensor(np.arange(3)), params={"unit": "m"})
    assert back(frame).value == Tensor(np.arange(3))


def test_an_array_is_a_view_of_the_frame() -> None:
    frame = event("k", Tensor(np.arange(1000)))
    assert not read_event(frame).value.data.flags.owndata


def test_a_payload_that_came_in_parts_is_used_in_place_of_the_frames_own() -> None:
    frame = event("k", Tensor(np.arange(100)))
    bare = Frame(Kind.EVENT, seq=0, time=0, meta_bytes=frame.meta_bytes)
    assert read_event(bare, memoryview(frame.payload)).value == Tensor(np.arange(100))


@pytest.mark.parametrize(("changes", "mask"), [({"due": 5}, 5), ({"due": 2**64 - 1}, 2**64 - 1), ({}, -1)])
def test_an_event_says_which_routes_it_is_due_for(changes: dict[str, int], mask: int) -> None:
    assert due_mask(event("k", 1.0, **changes)) == mask


FIELDS: dict[str, Any] = {"kind": "tensor", "phase": "train", "namespace": "", "key": "k", "step": 0}
SPEC = ["data", "<f8", [2]]
WRONG: dict[str, dict[str, Any]] = {
    "no kind": {"phase": "train"},
    "no step": {name: FIELDS[name] for name in FIELDS if name != "step"} | {"arrays": [SPEC]},
    "a step that is text": FIELDS | {"step": "x", "arrays": [SPEC]},
    "an infinite step": FIELDS | {"step": float("inf"), "arrays": [SPEC]},
    "a scalar without a value": FIELDS | {"kind": "scalar"},
    "a scalar that is text": FIELDS | {"kind": "scalar", "params": {"value": "x"}},
    "a scalar of 65 bits": FIELDS | {"kind": "scalar", "params": {"value": 2**64 - 1}},
    "a text that is a number": FIELDS | {"kind": "string", "params": {"text": 5}},
    "a step of 65 bits": FIELDS | {"kind": "scalar", "step": 2**63, "params": {"value": 1}},
    "settings that are a list": FIELDS | {"kind": "config", "params": {"config": [1]}},
    "parameters that are a number": FIELDS | {"params": 5, "arrays": [SPEC]},
    "axes that are a number": FIELDS | {"axes": 5, "arrays": [SPEC]},
    "no array where one belongs": FIELDS,
    "more bytes than there are": FIELDS | {"arrays": [["data", "<f8", [3]]]},
    "a shape of terabytes": FIELDS | {"arrays": [["data", "<f8", [2**40, 2**40]]]},
    "a negative length": FIELDS | {"arrays": [["data", "<f8", [-1]]]},
    "an infinite length": FIELDS | {"arrays": [["data", "<f8", [float("inf")]]]},
    "an empty array with a length of 2^62": FIELDS | {"arrays": [["data", "u1", [0, 2**62, 8]]]},
    "an empty array with a length of 2^64": FIELDS | {"arrays": [["data", "u1", [0, 2**64 - 1]]]},
    "33 dimensions": FIELDS | {"arrays": [["data", "<f8", [1] * 33]]},
    "65 arrays": FIELDS | {"arrays": [[f"a{at}", "u1", [0]] for at in range(65)]},
    "objects": FIELDS | {"arrays": [["data", "O", [1]]]},
    "items without bytes": FIELDS | {"arrays": [["data", "V0", [1]]]},
    "an unknown dtype": FIELDS | {"arrays": [["data", "float7", [1]]]},
    "a dtype with a syntax error": FIELDS | {"arrays": [["data", "i4,(2", [1]]]},
    "a spec of two": FIELDS | {"arrays": [["data", "u1"]]},
    "specs that are a number": FIELDS | {"arrays": 5},
    "packed parameters that are no map": FIELDS | {"arrays": [["params", "u1", [16]]]},
}


@pytest.mark.parametrize("meta", WRONG.values(), ids=WRONG)
def test_meta_that_contradicts_itself_or_its_payload_is_damage(meta: dict[str, Any]) -> None:
    with pytest.raises(DamagedFrame):
        read_event(Frame(Kind.EVENT, seq=0, time=0, meta_bytes=pack_meta(meta), payload=bytes(16)))


def test_packed_parameters_are_read_with_the_same_limits_as_meta() -> None:
    for packed in (b"\xc1", msgpack.packb({"x": msgpack.ExtType(5, b"code")}), b"\x81\x91\x01\x02"):
        meta = FIELDS | {"arrays": [["params", "|u1", [len(packed)]]]}
        with pytest.raises(DamagedFrame):
            read_event(Frame(Kind.EVENT, seq=0, time=0, meta_bytes=pack_meta(meta), payload=packed))


def test_each_array_begins_at_a_multiple_of_64() -> None:
    specs = [ArraySpec("a", "u1", (3,)), ArraySpec("b", "<f8", (0,)), ArraySpec("c", "<f8", (8, 1)), ArraySpec("d", "u1", ())]
    assert payload_offsets(specs) == [0, 64, 64, 128, 129]
    assert payload_offsets([]) == [0]
