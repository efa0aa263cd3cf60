"""The schema says what the check does, and the reference shows what the schema says."""

from typing import Any

import pytest

import asynclog as al
from asynclog.config import schema
from tests.unit.config import reference

GOOD: list[dict[str, Any]] = [
    {},
    {"run": "runs/x", "limit": 3, "journal": {"limit": {"every": 1}, "kinds": ["scalar"]}, "config": {"a": 1}},
    {"sinks": ["tensorboard", {"use": "csv", "path": "x", "route": {"limit": 1, "place": "process"}}]},
    {"sinks": {"mine": {"use": "csv", "path": "x", "layout": "long"}, "tensorboard": {"use": "tensorboard", "serve": 6006}}},
    {"run": "runs/x", "capture": True},
    {"run": "runs/x", "capture": {"system": None, "stdout": False, "logging": "INFO"}},
    {"write_every_n_seconds": 1, "sinks": [{"use": "progress", "total": {"train": 3}, "write_val_every_n_seconds": 1.5}]},
]
BAD: list[dict[str, Any]] = [
    {"rn": "x"},
    {"limit": "3"},
    {"limit": {"evry": 3}},
    {"journal": {"fsync": "never"}},
    {"sinks": [{"path": "x"}]},
    {"sinks": [{"use": "csv"}]},
    {"sinks": [{"use": "csv", "path": "x", "layout": "wid"}]},
    {"sinks": [{"use": "csv", "path": "x", "route": {"place": "proces"}}]},
    {"slabs": 3},
    {"capture": {"sytem": 1}},
    {"capture": {"system": 0}},
]


def valid(config: dict[str, Any]) -> bool:
    jsonschema = pytest.importorskip("jsonschema")
    return bool(jsonschema.Draft202012Validator(schema()).is_valid(config))


@pytest.mark.parametrize("config", GOOD, ids=str)
def test_what_the_schema_takes_makes_a_logger(config: dict[str, Any]) -> None:
    assert valid(config)
    assert isinstance(al.from_config(config), al.MultiLogger)


@pytest.mark.parametrize("config", BAD, ids=str)
def test_what_the_schema_refuses_makes_none(config: dict[str, Any]) -> None:
    assert not valid(config)
    with pytest.raises(al.InvalidConfiguration):
        al.from_config(config)


def test_a_file_that_inherits_is_one_by_the_schema() -> None:
    assert valid({"base_config": "base.yaml", "run": "runs/x"})
    assert not valid({"base_config": 3})


def test_the_schema_is_one() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_reference_shows_every_key_as_the_models_have_it() -> None:
    """``python -m tests.unit.config.reference`` writes its tables anew."""
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page()
    shown = reference.tables()
    for model, _ in reference.PARTS.values():
        assert all(f"`{name}`" in shown for name in model.model_fields if name != "ready")
