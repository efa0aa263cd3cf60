"""Values worth showing to a sink: one of every kind, and names and numbers that break naive ones."""

import math
from typing import Any, Final

import numpy as np

from asynclog.values import (
    Artifact,
    Audio,
    Config,
    Histogram,
    Image,
    Mesh,
    PointCloud,
    Record,
    Rollout,
    Spectrogram,
    Table,
    Tensor,
    Text,
    Video,
)

ODD_NAMES: Final[tuple[tuple[str, str], ...]] = (
    ("", "plain"),
    ("", "step"),
    ("", "a/b"),
    ("a", "b"),
    ("", "/"),
    ("", "//deep//"),
    ("..", ".."),
    ("../..", "passwd"),
    ("", "nul\0inside"),
    ("emoji 🎲", "λ → ∞"),
    ("", 'quote " and , comma'),
    ("lines", "one\ntwo\r\nthree\rfour\u2028five"),
    ("", "[bold]markup[/bold] {brace} %s"),
    (" ", " "),
    ("", "=1+1"),
    ("long", "k" * 10_000),
)
"""(namespace, key). ("", "a/b") and ("a", "b") look alike once joined."""

ODD_NUMBERS: Final[tuple[float, ...]] = (
    math.nan,
    math.inf,
    -math.inf,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    0.1,
    1e16,
    2**60,
    -1,
)


def every_kind(seed: int = 0) -> dict[str, Any]:
    """A small value of each kind, by a key named after it."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(7, 3)).astype(np.float32)
    return {
        "scalar": 0.25 + seed,
        "integer": seed,
        "image": Image(random.integers(0, 256, (3, 4, 5), np.uint8), caption='a "caption", 🎲\n'),
        "audio": Audio(random.uniform(-1, 1, (2, 50)).astype(np.float32), sample_rate=8000),
        "video": Video(random.integers(0, 256, (3, 3, 4, 5), np.uint8), fps=24.0),
        "histogram": Histogram(np.array([1, 2, 3]), low=-1.0, high=1.0, count=7, mean=0.1, std=0.4, nans=1),
        "histogram of nothing": Histogram(
            np.zeros(3, np.int64), low=math.nan, high=math.nan, count=0, mean=math.nan, std=math.nan
        ),
        "point cloud": PointCloud(points, random.integers(0, 256, (7, 3), np.uint8)),
        "images of several sizes": Image((random.random((4, 5)), random.integers(0, 9, (6, 3, 3)))),
        "image with masks": Image(
            random.random((3, 4, 5)).astype(np.float32),
            masks={"lungs": random.integers(0, 3, (4, 5))},
            mask_labels={"lungs": {1: "left", 2: "right"}},
            boxes=np.array([[0.0, 1.0, 2.0, 3.0]]),
            box_labels=["heart"],
        ),
        "spectrogram": Spectrogram(random.uniform(-1, 1, 300).astype(np.float32), 8000),
        "mesh": Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]])),
        "table": Table.of_rows(["step", "said", "loss"], [(1, "a, b", 0.5), (2, None, math.nan)]),
        "rollout": Rollout(
            [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4", "tool_calls": [{"function": "add"}]}],
            tokens=np.arange(6),
            logprobs=np.linspace(-1, 0, 6),
            reward=1.0,
            rewards={"correct": 1.0},
            versions=7,
        ),
        "record": Record("disk nearly full", 30, "os", "disk.py:7", fields={"left": 12}),
        "tensor of bfloat16": Tensor(np.array([0x3F80, 0x7FC0], np.uint16), "bfloat16"),
        "tensor": Tensor(np.array([[math.nan, math.inf], [-math.inf, 1.0]])),
        "tensor without items": Tensor(np.empty((0, 3), np.float32)),
        "tensor of no dimension": Tensor(np.array(3 + 4j)),
        "string": Text('text with "quotes", commas\nand 🎲'),
        "artifact": Artifact("artifact", seed, f"{seed:064x}", 12_345, metadata={"loss": 0.5}, overwrite=True),
        "symlink": Artifact("symlink", target="artifact"),
        "config": Config({"optimizer": {"name": "adam", "lr": 1e-3, "clip": math.inf}, "layers": [64, 64], "seed": None}),
    }
