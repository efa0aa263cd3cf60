"""A vendor's library that is not there: its sink is stopped and says what to install; the rest goes on."""

from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from tests.unit.logger.recording import adds_up


@pytest.mark.parametrize(
    ("library", "extra", "sink"),
    [
        ("mlflow", "mlflow", al.sinks.MLflow("sqlite:///mlflow.db")),
        ("aim", "aim", al.sinks.Aim("repo")),
    ],
    ids=["MLflow", "Aim"],
)
async def test_a_library_that_is_missing_stops_its_sink_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, extra: str, sink: Any
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / f"{library}.py").write_text(f'raise ModuleNotFoundError("No module named {library}", name="{library}")\n')
    # Workers look for modules where their training process does.
    monkeypatch.syspath_prepend(hidden)
    sinks = [al.Route(sink, name="vendor"), al.sinks.JSONLines("metrics.jsonl")]
    log = al.MultiLogger(tmp_path / "run", sinks=sinks)
    for step in range(10):
        log.log_scalar("loss", float(step))
        await log.write(step)
    with pytest.raises(ExceptionGroup) as caught:
        await log.aclose()
    (error,) = caught.value.exceptions
    assert f"pip install 'asynclog-stream[{extra}]'" in str(error)
    assert "Traceback" not in str(error), "whoever has to install it needs no more than that"
    routes = log.statistics()["routes"]
    assert (routes["vendor"]["state"], routes["vendor"]["pending"], adds_up(routes["vendor"])) == ("stopped", 10, True)
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 10
