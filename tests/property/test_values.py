"""What is logged is what is read, bit for bit: of every kind, in every dtype, of any shape, through a journal."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from struct import pack
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asynclog as al
from asynclog.normal.histogram import counted
from asynclog.normal.narrow import BITS
from asynclog.testing.strategies import INT64, WORDS, names
from asynclog.values import Config, Histogram, Mesh, Record, Rollout, Spectrogram, Table, Text, Value, same_array

REALS = [
    np.dtype(f"{kind}{size}")
    for kind, sizes in {"i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}.items()
    for size in sizes
]
COMPLEX = [np.dtype("c8"), np.dtype("c16")]
BOOL = [np.dtype(bool)]
ANY = [*BOOL, *REALS]
WHOLE = [one for one in REALS if one.kind in "iu"]
FLOATS = [one for one in REALS if one.kind == "f"]
SIDE = st.integers(1, 4)
# Each example is a run of its own, with a recorder.
RUNS = max(10, settings().max_examples // 5)
THREE = st.just(3)


@st.composite
def arrays(draw: st.DrawFn, dtypes: list[Any], *lengths: Any) -> np.ndarray:
    """Of any bits: NaN of any payload, signalling ones too, infinities, -0.0, subnormal numbers, the largest integers."""
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(st.tuples(*lengths))
    size = math.prod(shape)
    if dtype.kind == "b":
        return np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool).reshape(shape)
    data = draw(st.binary(min_size=size * dtype.itemsize, max_size=size * dtype.itemsize))
    made = np.frombuffer(data, dtype).reshape(shape)
    # In memory as views of other arrays are.
    order = draw(st.sampled_from(["C", "F", "reversed", "other byte order"]))
    if order == "reversed":
        return made[::-1].copy()[::-1] if made.ndim else made
    if order == "other byte order":
        return made.astype(dtype.newbyteorder())
    return np.asarray(made, order=order)


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    length = st.just(draw(st.integers(0, 5)))
    maybe: Callable[[st.SearchStrategy[Any]], st.SearchStrategy[Any]] = lambda one: st.none() | one  # noqa: E731
    return Rollout(
        draw(st.lists(st.fixed_dictionaries({"role": WORDS, "content": WORDS}), max_size=3)),
        tokens=draw(maybe(arrays(WHOLE, length))),
        loss_mask=draw(maybe(arrays(ANY, length))),
        logprobs=draw(maybe(arrays(FLOATS, length))),
        reward=draw(maybe(st.floats())),
        rewards=draw(st.dictionaries(WORDS, st.floats(), max_size=2)),
        advantage=draw(maybe(st.floats() | arrays(FLOATS, length))),
        versions=draw(maybe(INT64 | arrays(WHOLE, length))),
        group=draw(maybe(WORDS | INT64)),
    )


PLAIN = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
NARROW = st.sampled_from(sorted(BITS)).flatmap(
    lambda name: st.builds(al.Tensor, arrays([np.dtype(BITS[name])], SIDE, SIDE), st.just(name))
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "image HW": st.builds(al.Image, arrays(ANY, SIDE, SIDE), st.none() | WORDS),
    "image CHW": st.builds(
        al.Image, arrays(ANY, st.sampled_from((1, 3, 4)), SIDE, SIDE), layout=st.sampled_from((None, "CHW"))
    ),
    "image HWC": st.builds(al.Image, arrays(ANY, SIDE, SIDE, st.sampled_from((1, 3, 4))), layout=st.just("HWC")),
    "images": st.builds(al.Image, arrays(ANY, SIDE, THREE, SIDE, SIDE), layout=st.just("NCHW")),
    "images of any size": st.builds(al.Image, st.lists(arrays(ANY, SIDE, SIDE), min_size=1, max_size=3).map(tuple)),
    "image with masks and boxes": st.builds(
        al.Image,
        arrays(ANY, st.just(2), THREE),
        masks=st.dictionaries(WORDS.filter(bool), arrays([*BOOL, *WHOLE], st.just(2), THREE), max_size=2),
        boxes=arrays(REALS, SIDE, st.just(4)),
    ),
    "audio": st.builds(al.Audio, arrays(REALS, SIDE) | arrays(REALS, st.just(2), st.just(5)), st.integers(1, 2**32 - 1)),
    "audios": st.builds(al.Audio, st.lists(arrays(REALS, SIDE), min_size=1, max_size=3).map(tuple)),
    "spectrogram": st.builds(Spectrogram, arrays(REALS, SIDE), st.integers(1, 48_000)),
    "video": st.builds(al.Video, arrays(ANY, SIDE, SIDE, SIDE) | arrays(ANY, SIDE, THREE, SIDE, SIDE)),
    "videos": st.builds(al.Video, st.lists(arrays(ANY, SIDE, SIDE, SIDE), min_size=1, max_size=3).map(tuple)),
    "point cloud": st.builds(al.PointCloud, arrays(REALS, st.integers(0, 5), st.sampled_from((3, 6)))),
    "point clouds": st.builds(al.PointCloud, arrays(REALS, SIDE, st.integers(0, 5), THREE)),
    "coloured points": st.builds(
        al.PointCloud, arrays(REALS, st.just(4), THREE), arrays(REALS, st.just(4), THREE), labels=arrays(WHOLE, st.just(4))
    ),
    "mesh": st.builds(
        Mesh,
        arrays(REALS, st.just(4), THREE),
        arrays(WHOLE, SIDE, THREE),
        st.none() | arrays(FLOATS, st.just(4), THREE),
        st.none() | arrays(REALS, st.just(4), THREE),
    ),
    "table": st.builds(Table.of_rows, st.just(["a", "b"]), st.lists(st.tuples(PLAIN, st.floats() | INT64), max_size=5)),
    "tensor": st.builds(
        al.Tensor, st.lists(st.integers(0, 3), max_size=4).flatmap(lambda shape: arrays([*ANY, *COMPLEX], *map(st.just, shape)))
    ),
    "tensor of narrow floats": NARROW,
    "rollout": rollouts(),
    "record": st.builds(Record, WORDS, st.integers(0, 50), fields=st.dictionaries(WORDS, PLAIN, max_size=2)),
    "string": st.builds(Text, WORDS),
    "config": st.builds(Config, st.dictionaries(WORDS, PLAIN, max_size=4)),
}


def native(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def same(found: Any, given_value: Any) -> bool:
    """By their bits; in the journal's byte order."""
    if isinstance(given_value, Text):
        return bool(found == given_value.text)
    if isinstance(given_value, Config):
        return Config(found) == given_value
    if not isinstance(given_value, Value):
        if isinstance(found, float) and isinstance(given_value, float):
            return pack("<d", found) == pack("<d", given_value)
        return type(found) is type(given_value) and bool(found == given_value)
    arrays_of = {name: native(one) for name, one in given_value.arrays().items()}
    return type(found) is type(given_value) and bool(found == type(given_value).from_parts(given_value.params(), arrays_of))


def read_back(entries: list[tuple[str, str, Any]]) -> list[Any]:
    """What a run holds after these were logged, each in a write of its own."""

    async def record(path: Path) -> None:
        async with al.MultiLogger(path, recorder="thread", strict=True) as log:
            for step, (namespace, key, value) in enumerate(entries):
                log.log({key: value}, namespace=namespace)
                await log.write(step)

    with TemporaryDirectory() as directory:
        asyncio.run(record(Path(directory) / "run"))
        events = list(al.read(Path(directory) / "run").events())
    assert [event.step for event in events] == list(range(len(entries)))
    assert [(event.namespace, event.key) for event in events] == [(namespace, key) for namespace, key, _ in entries]
    return [event.value for event in events]


@pytest.mark.parametrize("what", VALUES)
@settings(max_examples=RUNS)
@given(data=st.data())
def test_a_value_of_any_bits_is_read_as_it_was_logged(what: str, data: st.DataObject) -> None:
    given_values = data.draw(st.lists(VALUES[what], min_size=1, max_size=4))
    found = read_back([("", "x", one) for one in given_values])
    assert all(map(same, found, given_values))


@settings(max_examples=2 * RUNS)
@given(st.lists(st.tuples(names(), st.floats() | INT64 | st.one_of(*VALUES.values())), min_size=1, max_size=12))
def test_values_of_all_kinds_and_names_keep_their_order(entries: list[tuple[tuple[str, str], Any]]) -> None:
    found = read_back([(namespace, key, value) for (namespace, key), value in entries])
    assert all(same(one, value) for one, (_, value) in zip(found, entries, strict=True))


@settings(max_examples=2 * RUNS)
@given(st.lists(arrays(ANY, st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=4))
def test_a_histogram_is_that_of_the_very_numbers(given_arrays: list[np.ndarray]) -> None:
    async def record(path: Path) -> None:
        async with al.MultiLogger(path, recorder="thread", strict=True) as log:
            for step, one in enumerate(given_arrays):
                log.log_histogram("x", one)
                await log.write(step)

    with TemporaryDirectory() as directory:
        asyncio.run(record(Path(directory) / "run"))
        found = [event.value for event in al.read(Path(directory) / "run").events()]
    assert found == [Histogram(*counted(native(one))) for one in given_arrays]


def test_the_strategy_reaches_payloads_of_nan() -> None:
    """Else the tests above would say nothing about them."""
    payload = np.array([0x7F800001, 0xFFC12345, 0x80000000], np.uint32).view(np.float32)
    (found,) = read_back([("", "x", al.Tensor(payload))])
    assert same_array(found.data, payload)
    assert found.data.view(np.uint32).tolist() == [0x7F800001, 0xFFC12345, 0x80000000]
