"""Hypothesis strategies for what a loop may log: states, names, numbers, value objects, and the entries of a batch."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from asynclog.state import LEVELS, PHASES, State
from asynclog.testing.examples import ODD_NAMES
from asynclog.values import (
    Audio,
    Config,
    Image,
    Mesh,
    PointCloud,
    Record,
    Rollout,
    Spectrogram,
    Table,
    Tensor,
    Text,
    Value,
    Video,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
# Lone surrogates have no UTF-8, so they can't be recorded.
WORDS = st.text(st.characters(codec="utf-8"), max_size=20)


def names() -> st.SearchStrategy[tuple[str, str]]:
    """(namespace, key): any text, the key not empty."""
    return st.sampled_from(ODD_NAMES) | st.tuples(WORDS, WORDS.filter(bool))


def numbers() -> st.SearchStrategy[float]:
    """What a scalar may be: a float of 64 bits, also NaN or infinite, or an int of 64 bits."""
    return st.floats() | INT64


def states() -> st.SearchStrategy[State]:
    """States of any phase, level and step, some with an elapsed time and axes."""
    return st.builds(
        State,
        INT64,
        st.sampled_from(PHASES),
        st.integers(0, 3),
        st.none() | st.floats(0, 1e9),
        st.sampled_from(LEVELS),
        st.dictionaries(st.sampled_from(("samples", "policy_version")), st.floats(-1e6, 1e6), max_size=2),
    )


def _pixels(*shape: Any) -> st.SearchStrategy[Any]:
    return hnp.arrays(np.uint8, st.tuples(*shape))


def values() -> st.SearchStrategy[Value]:
    """Small value objects of every kind that is read back as it was recorded."""
    side, channels = st.integers(1, 4), st.sampled_from((1, 3))
    reals = hnp.floating_dtypes() | hnp.integer_dtypes() | hnp.unsigned_integer_dtypes()
    plain = st.none() | st.booleans() | INT64 | st.floats() | WORDS
    masks = st.dictionaries(WORDS.filter(bool), hnp.arrays(np.int64, (2, 3)), max_size=2)
    kinds: list[st.SearchStrategy[Value]] = [
        st.builds(
            Image,
            hnp.arrays(reals, st.tuples(side, side, channels)),
            layout=st.sampled_from((None, "HWC")),
            keep_resolution=st.booleans(),
        ),
        st.builds(
            Image, hnp.arrays(np.float32, (2, 3)), masks=masks, boxes=hnp.arrays(np.float64, st.tuples(side, st.just(4)))
        ),
        st.builds(Image, st.lists(_pixels(channels, side, side), min_size=1, max_size=12).map(tuple), sep=st.integers(0, 9)),
        st.builds(Spectrogram, hnp.arrays(np.float32, side), st.integers(1, 48_000)),
        st.builds(Mesh, hnp.arrays(np.float32, (4, 3)), hnp.arrays(np.int32, st.tuples(side, st.just(3)))),
        st.builds(Table.of_rows, st.just(["a", "b"]), st.lists(st.tuples(plain, st.floats() | INT64), max_size=5)),
        st.builds(
            Rollout,
            st.lists(st.fixed_dictionaries({"role": WORDS, "content": WORDS}), max_size=3),
            tokens=st.none() | hnp.arrays(np.int64, side),
            logprobs=st.none() | hnp.arrays(np.float32, side),
            reward=st.none() | st.floats(allow_nan=False),
            rewards=st.dictionaries(WORDS, st.floats(allow_nan=False), max_size=2),
            advantage=st.none() | st.floats(allow_nan=False) | hnp.arrays(np.float32, side),
        ),
        st.builds(Record, WORDS, st.integers(0, 50), fields=st.dictionaries(WORDS, WORDS | INT64, max_size=2)),
        st.builds(Tensor, hnp.arrays(np.uint16, hnp.array_shapes(min_dims=0)), st.just("bfloat16")),
        st.builds(Text, WORDS.filter(bool)),
        st.builds(Config, st.dictionaries(WORDS, st.none() | st.booleans() | INT64 | st.floats() | WORDS, max_size=4)),
        st.builds(Image, _pixels(channels, side, side), st.none() | WORDS),
        st.builds(Audio, hnp.arrays(np.float32, st.tuples(channels, side), elements=st.floats(-1, 1, width=32))),
        st.builds(Video, _pixels(side, channels, side, side)),
        st.builds(PointCloud, hnp.arrays(np.float32, st.tuples(side, st.just(3)))),
        st.builds(Tensor, hnp.arrays(hnp.floating_dtypes() | hnp.integer_dtypes(), hnp.array_shapes(min_dims=0))),
    ]
    return st.one_of(kinds)


def entries(max_size: int = 8) -> st.SearchStrategy[list[tuple[State, dict[tuple[str, str], Any]]]]:
    """What ``batch_of`` takes."""
    logged = st.dictionaries(names(), numbers() | values(), min_size=1, max_size=6)
    return st.lists(st.tuples(states(), logged), max_size=max_size)
