"""Settings of any make become plain values: nested, the same in every run, and without what is nobody's business."""

import argparse
import dataclasses
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from asynclog.logger.settings import plain_settings


class Bare:
    pass


class Deep:
    def __init__(self) -> None:
        self.itself = self
        self.rate = 0.5
        self._token = "hidden"


def scheduler(step: int) -> float:
    return step / 2


@dataclasses.dataclass
class Empty:
    pass


CYCLE: dict[str, Any] = {"a": 1}
CYCLE["again"] = CYCLE

PLAIN: dict[str, tuple[Any, Any]] = {
    "an array": (np.array([0.9, 0.999]), [0.9, 0.999]),
    "an array of text": (np.array(["a", "b"]), ["a", "b"]),
    "an array of dates": (np.array(["2026-01-01"], "M8[D]"), ["2026-01-01"]),
    "a tensor": (torch.tensor([1, 2]), [1, 2]),
    "a tensor of bfloat16": (torch.tensor(0.5).bfloat16(), 0.5),
    "a number of numpy": (np.float32(0.5), 0.5),
    "an extended float": (np.longdouble(0.5), 0.5),
    "a large array": (np.zeros((101, 100)), "ndarray of shape (101, 100), float64"),
    "a large tensor": (torch.zeros(101, 100), "Tensor of shape (101, 100), torch.float32"),
    "a set": ({"b", "a", "c"}, ["a", "b", "c"]),
    "a function": (scheduler, f"{__name__}.scheduler"),
    "a class": (Bare, f"{__name__}.Bare"),
    "a bare object": (Bare(), f"{__name__}.Bare"),
    "a dtype of torch": (torch.bfloat16, "torch.bfloat16"),
    "a path": (Path("/data/x"), "/data/x"),
    "an int of any size": (2**70, str(2**70)),
    "an empty Namespace": (argparse.Namespace(), {}),
    "an empty SimpleNamespace": (SimpleNamespace(), {}),
    "an empty dataclass": (Empty(), {}),
    "private attributes": (Deep(), {"itself": f"Deep {Deep.__name__}", "rate": 0.5}),
    "what contains itself": (CYCLE, {"a": 1, "again": "dict {'a': 1, 'again': {...}}"}),
    "keys that look alike": ({"1": "a", 1: "b", None: "c"}, {"1": "a", "1 (int)": "b", "None": "c"}),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_setting_is_kept_plain(name: str) -> None:
    given, expected = PLAIN[name]
    found = plain_settings(given)
    if name == "private attributes":
        assert found.pop("itself").startswith("Deep ")
        expected = {"rate": 0.5}
    assert found == expected
    assert type(found) is type(expected)


def test_a_logger_among_settings_ends() -> None:
    """Its attributes lead to every other logger, and around."""
    assert plain_settings({"log": logging.getLogger("some.logger")})["log"]["name"] == "some.logger"


def test_interpolations_are_resolved_where_they_can_be() -> None:
    omegaconf = pytest.importorskip("omegaconf")
    given = omegaconf.OmegaConf.create(
        {"width": 64, "layers": ["${width}", "${nowhere}"], "inner": {"of": "${width}", "lost": "???"}, "depth": "???"}
    )
    inner = {"of": 64, "lost": "???"}
    assert plain_settings(given) == {"width": 64, "layers": [64, "${nowhere}"], "inner": inner, "depth": "???"}


def test_models_of_pydantic_keep_their_secrets() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Options(pydantic.BaseModel):  # type: ignore[name-defined, misc]
        model_config = pydantic.ConfigDict(extra="allow")
        rate: float = 0.5
        key: pydantic.SecretStr = pydantic.SecretStr("hidden")
        layers: tuple[int, ...] = (64, 64)

    found = plain_settings(Options(more=1))
    assert found == {"rate": 0.5, "key": "**********", "layers": [64, 64], "more": 1}
    assert "hidden" not in repr(found)
