"""A logger that can't be built as asked names the argument, what was expected, what came, and the nearest right way."""

from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration
from asynclog.logger.arguments import checked_writer

LOGGERS: list[tuple[dict[str, Any], str]] = [
    ({"sinks": None}, r"sinks: expected a list of sinks, got NoneType None; leave it out, or write sinks=\[\]"),
    ({"sinks": al.sinks.Memory()}, r"sinks: expected a list of sinks, got Memory .*; write sinks=\[…\] around it"),
    ({"sinks": al.Route(al.sinks.Memory())}, r"sinks: expected a list of sinks, got Route .*; write sinks=\[…\] around it"),
    ({"sinks": al.sinks.Memory}, r"sinks: expected a list of sinks, got type .*; write sinks=\[…\] around it"),
    ({"sinks": {"memory": al.sinks.Memory()}}, r"sinks: expected a list of sinks, got dict .*; Route\(sink, name=…\)"),
    ({"sinks": "metrics.jsonl"}, r"sinks: expected a list of sinks, got str 'metrics.jsonl'; write sinks=\["),
    ({"sinks": 5}, "sinks: expected a list of sinks, got int 5"),
    ({"limit": 5}, r"limit: expected a RateLimit, got int 5; write RateLimit\(5\)"),
    ({"limit": "1s"}, "limit: expected a RateLimit, got str '1s'$"),
    ({"journal": "zstd"}, "journal: expected a Journal, got str 'zstd'"),
    ({"journal": False}, "journal: expected a Journal, got bool False; run=None is a logger that keeps nothing"),
    ({"slabs": 1e8}, "slabs: expected at least 16777216 bytes .* as a whole number, got float 100000000.0; write 100000000"),
    ({"slabs": "1G"}, "slabs: expected at least 16777216 bytes of shared memory, as a whole number, got str '1G'"),
    ({"recorder": ["thread"]}, r"recorder: expected 'process' or 'thread', got \['thread'\]"),
    ({"config": [1]}, r"config: expected a mapping, .* got list \[1\]; write \{\"name\": value, …\}"),
    ({"config": "lr=3"}, "config: expected a mapping, a dataclass or an object with attributes, got str 'lr=3'"),
    ({"resume": True}, "resume: expected 'allow', 'must' or 'never', got True"),
    ({"strict": "yes"}, "strict: expected True or False, got str 'yes'"),
    ({"writer": 5}, "writer: expected letters, digits, .* got int 5; write '5'"),
    ({"writer": "../up"}, "writer: expected letters, digits, .* got str '../up'"),
    ({"switch_interval": "fast"}, "switch_interval: expected seconds > 0, got str 'fast'; None leaves"),
    ({"switch_interval": 0}, "switch_interval: expected seconds > 0, got int 0"),
    ({"switch_interval": float("nan")}, "switch_interval: expected seconds > 0, got float nan"),
]


@pytest.mark.parametrize(("options", "why"), LOGGERS, ids=[f"{at}-{next(iter(one[0]))}" for at, one in enumerate(LOGGERS)])
def test_a_logger_names_the_argument_it_cant_take(tmp_path: Path, options: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidConfiguration, match=why):
        al.MultiLogger(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("run", "why"), [(5, "as str or Path, got int 5"), (b"run", "got bytes b'run'"), ("", "empty path")])
def test_a_logger_names_a_run_that_is_no_path(run: Any, why: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"run: expected .*{why}.*None is a logger without"):
        al.MultiLogger(run)


JOURNALS: list[tuple[dict[str, Any], str]] = [
    ({"limit": 5}, r"limit: expected a RateLimit, got 5; write RateLimit\(5\)"),
    ({"limit": "5"}, "limit: expected a RateLimit, got '5'$"),
    ({"kinds": "scalar"}, "kinds: expected some of scalar, .* got 'scalar'; write {'scalar'}"),
    ({"kinds": {"scalars"}}, r"kinds: expected some of scalar, .* got \{'scalars'\}"),
    ({"kinds": [["scalar"]]}, r"kinds: expected some of scalar, .* got \[\['scalar'\]\]"),
    ({"kinds": 5}, "kinds: expected some of scalar, .* got 5"),
    ({"fsync": "never"}, "fsync: expected 'interval', 'always' or 'close', got 'never'"),
    ({"linger": "a"}, "linger: expected seconds > 0, as a number, got 'a'"),
    ({"linger": None}, "linger: expected seconds > 0, as a number, got None"),
    ({"linger": 0}, "linger: expected seconds > 0, as a number, got 0"),
    ({"linger": float("nan")}, "linger: expected seconds > 0, as a number, got nan"),
    ({"linger": float("inf")}, "linger: expected seconds > 0, as a number, got inf"),
    ({"segment_bytes": "1M"}, "segment_bytes: expected at least 4096, as a whole number, got '1M'"),
    ({"segment_bytes": 1e6}, "segment_bytes: expected at least 4096, as a whole number, got 1000000.0"),
    ({"segment_bytes": 4095}, "segment_bytes: expected at least 4096, as a whole number, got 4095"),
    ({"compress": "gzip"}, "compress: expected None or 'zstd', got 'gzip'"),
    ({"keep": 3}, "keep: expected 'forever', got 3"),
]


@pytest.mark.parametrize(("options", "why"), JOURNALS, ids=[f"{at}-{next(iter(one[0]))}" for at, one in enumerate(JOURNALS)])
def test_a_journal_names_the_argument_it_cant_take(options: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"^Journal {why}"):
        al.Journal(**options)


LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"every": "1"}, "every: expected seconds ≥ 0, as a number, got '1'"),
    ({"train": -1}, "train: expected seconds ≥ 0, as a number, got -1"),
    ({"valid": [1]}, r"valid: expected seconds ≥ 0, as a number, got \[1\]"),
    ({"test": float("nan")}, "test: expected seconds ≥ 0, as a number, got nan"),
    ({"steps": 1.5}, "steps: expected a whole number ≥ 1, got 1.5"),
    ({"steps": True}, "steps: expected a whole number ≥ 1, got True"),
    ({"budget": "1%"}, r"budget: expected a share in \(0, 1\], got '1%'"),
    ({"spare": {"scalars"}}, r"spare: expected some of scalar, .* got \{'scalars'\}"),
    ({"spare": 5}, "spare: expected some of scalar, .* got 5"),
]


@pytest.mark.parametrize(("options", "why"), LIMITS, ids=[f"{at}-{next(iter(one[0]))}" for at, one in enumerate(LIMITS)])
def test_a_limit_names_the_argument_it_cant_take(options: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"^RateLimit {why}"):
        al.RateLimit(**options)


ROUTES: list[tuple[dict[str, Any], str]] = [
    ({"sink": 5}, r"a sink has async write\(batch\) and aclose\(\); int lacks write\(\)"),
    ({"sink": None}, r"a sink has async write\(batch\) and aclose\(\); NoneType lacks write\(\)"),
    ({"name": 5}, "Route name: expected letters, .* got 5"),
    ({"limit": 1.5}, r"Route limit: expected a RateLimit, got 1.5; write RateLimit\(1.5\)"),
    ({"deadline": "x"}, "Route memory deadline: expected seconds ≥ 0, as a number, got 'x'"),
    ({"deadline": float("nan")}, "Route memory deadline: expected seconds ≥ 0, as a number, got nan"),
    ({"kinds": 5}, "Route kinds: expected some of scalar, .* got 5"),
    ({"kinds": [["scalar"]]}, r"Route kinds: expected some of scalar, .* got \['scalar'\]"),
    ({"phases": {"training"}}, "Route phases: expected some of train, valid, test, got training"),
    ({"level": 5}, "Route level: expected one of fit, epoch, batch, got 5"),
    ({"namespaces": 5}, "Route namespaces: expected namespaces, each a str, got 5"),
    ({"namespaces": ["a", 5]}, r"Route namespaces: expected namespaces, each a str, got \['a', 5\]"),
]


@pytest.mark.parametrize(("options", "why"), ROUTES, ids=[f"{at}-{next(iter(one[0]))}" for at, one in enumerate(ROUTES)])
def test_a_route_names_the_argument_it_cant_take(options: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidConfiguration, match=why):
        al.Route(**{"sink": al.sinks.Memory(), **options})


def test_what_is_right_is_taken_as_it_is(tmp_path: Path) -> None:
    journal = al.Journal(limit=al.RateLimit(1), kinds=["scalar", "image"], linger=1, segment_bytes=4096)  # type: ignore[arg-type]
    assert journal.kinds == {"scalar", "image"}
    given = (one for one in [al.sinks.Memory()])
    log = al.MultiLogger(tmp_path / "run", sinks=given, journal=journal, slabs=1 << 24, config={}, switch_interval=None)
    assert len(log.statistics()["routes"]) == 0
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("rank", "name"), [(None, "main"), ("0", "main"), ("3", "rank3"), ("03", "rank3"), ("x", "main")])
def test_a_writer_is_named_after_the_rank(rank: str | None, name: str) -> None:
    assert checked_writer(None, {} if rank is None else {"RANK": rank}) == name
