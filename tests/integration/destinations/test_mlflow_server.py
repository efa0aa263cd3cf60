"""A real MLflow server, killed in mid-run: delay alone."""

import asyncio
import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mlflow")

import asynclog as al
from tests.conformance.test_mlflow import empty_database
from tests.integration.destinations.mlflow_server import MLflowServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
_ROWS = 1500


def asked(server: MLflowServer, call: str, **body: Any) -> Any:
    """MLflow's REST API."""
    request = urllib.request.Request(
        f"{server.uri}/api/2.0/mlflow/{call}",
        data=json.dumps(body).encode() if body else None,
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


async def write(log: al.MultiLogger, first: int, end: int) -> None:
    for step in range(first, end):
        log.log({"loss": 1 / (step + 1), "same": 1.0})
        if step % 100 == 0:
            log.log_image("frame", np.full((3, 8, 8), step % 251, np.uint8))
            log.log_string("says", f"step {step}")
        await log.write(al.State(step, "train"))


async def until_failing(log: al.MultiLogger) -> None:
    async with asyncio.timeout(60):
        while log.statistics()["routes"]["mlflow"]["state"] != "failing":
            await asyncio.sleep(0.02)


async def test_a_server_that_is_killed_and_started_again_has_all_of_it_once(tmp_path: Path) -> None:
    """Numbers, pictures and text, read back through its REST API; the run ends as finished."""
    shutil.copyfile(empty_database(), tmp_path / "mlflow.db")
    server = await asyncio.to_thread(MLflowServer(tmp_path).__enter__)
    try:
        sink = al.sinks.MLflow(server.uri, experiment="outage")
        log = al.MultiLogger(tmp_path / "run", sinks=[al.Route(sink, name="mlflow")], config={"lr": 0.1})
        async with log:
            await write(log, 0, _ROWS)
            # In the midst of it: some calls were answered, some not.
            async with asyncio.timeout(60):
                while not log.statistics()["routes"].get("mlflow", {}).get("delivered"):
                    await asyncio.sleep(0.01)
            server.kill()
            await write(log, _ROWS, 2 * _ROWS)
            await until_failing(log)
            await asyncio.to_thread(server.start)
            await write(log, 2 * _ROWS, 3 * _ROWS)
            assert await log.flush(deadline=100) == {"mlflow": 0}
        told = log.statistics()["routes"]["mlflow"]
        assert (told["rejected"], told["dropped"], told["pending"]) == (0, 0, 0)
        await asyncio.to_thread(check, server)
    finally:
        server.kill()


def check(server: MLflowServer) -> None:
    experiment = asked(server, "experiments/get-by-name?experiment_name=outage")["experiment"]["experiment_id"]
    (run,) = asked(server, "runs/search", experiment_ids=[experiment])["runs"]
    run_id = run["info"]["run_id"]
    assert run["info"]["status"] == "FINISHED"
    assert run["data"]["params"] == [{"key": "lr", "value": "0.1"}]
    for key, expected in (("loss", [1 / (step + 1) for step in range(3 * _ROWS)]), ("same", [1.0] * 3 * _ROWS)):
        history = asked(server, f"metrics/get-history?run_id={run_id}&metric_key=train/{key}")["metrics"]
        found = sorted((int(one["step"]), one["value"]) for one in history)
        assert found == list(enumerate(expected))
    pictures = asked(server, f"artifacts/list?run_id={run_id}&path=images")["files"]
    steps = sorted(int(one["path"].split("+")[2]) for one in pictures if one["path"].endswith(".png"))
    assert steps == list(range(0, 3 * _ROWS, 100))
    texts = asked(server, f"artifacts/list?run_id={run_id}&path=string/train/says")["files"]
    assert len(texts) == len(steps)
    with urllib.request.urlopen(f"{server.uri}/get-artifact?run_id={run_id}&path={texts[-1]['path']}") as answer:
        assert answer.read().decode() == f"step {steps[-1]}"
