"""A vendor's library that raises, hangs, exits, prints, or isn't there: the loop goes on, and the counters say so."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from tests.unit.logger.recording import adds_up

STEPS = 30
VENDORS: dict[str, Callable[[], Any]] = {
    "neptune_scale": lambda: al.sinks.Neptune("team/exam"),
    "wandb": lambda: al.sinks.WandB("exam", mode="offline"),
}
STANDIN = Path(__file__).with_name("standin.py")


def replace(vendor: str, deed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on workers find the stand-in first."""
    package = tmp_path / "vendors" / vendor
    (package / "sdk").mkdir(parents=True)
    for module in ("__init__.py", "types.py", "sdk/__init__.py", "sdk/mailbox.py"):
        (package / module).write_text(STANDIN.read_text())
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setenv("STANDIN", deed)


async def recorded(run: Path, sink: Any) -> tuple[dict[str, Any], BaseException | None]:
    """Record some steps; the last statistics of the route "vendor", and what closing said."""
    routes = [al.Route(al.sinks.JSONLines("lines.jsonl"), name="lines"), al.Route(sink, name="vendor", deadline=3.0)]
    log = al.MultiLogger(run, sinks=routes)
    said: BaseException | None = None
    try:
        async with log:
            for step in range(STEPS):
                log.log({"loss": step / 7, "note": f"{step}"})
                await log.write(step)
                await asyncio.sleep(0.002)
    except BaseExceptionGroup as errors:
        said = errors
    assert (run / "lines.jsonl").read_text().count("\n") == STEPS, "the other sink has all of it"
    counters: dict[str, Any] = log.statistics()["routes"]["vendor"]
    assert counters["offered"] == 2 * STEPS
    assert adds_up(counters)
    return counters, said


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("deed", ["raise", "exit"])
async def test_one_that_fails_is_stopped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str, deed: str
) -> None:
    replace(vendor, deed, tmp_path, monkeypatch)
    counters, said = await recorded(tmp_path / "run", VENDORS[vendor]())
    assert counters["delivered"] == 0
    assert counters["rejected"] + counters["pending"] == 2 * STEPS
    assert "the vendor's library" in counters["error"]
    assert counters["state"] != "stopped" or said is not None


@pytest.mark.parametrize("vendor", VENDORS)
async def test_one_that_hangs_is_left_at_its_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str) -> None:
    replace(vendor, "hang", tmp_path, monkeypatch)
    counters, _ = await recorded(tmp_path / "run", VENDORS[vendor]())
    assert (counters["delivered"], counters["pending"]) == (0, 2 * STEPS)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_one_that_is_not_installed_stops_its_sink_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str
) -> None:
    replace(vendor, "absent", tmp_path, monkeypatch)
    counters, said = await recorded(tmp_path / "run", VENDORS[vendor]())
    assert counters["state"] == "stopped"
    assert f"pip install 'asynclog-stream[{vendor.removesuffix('_ml').removesuffix('_scale')}]'" in counters["error"]
    assert said is not None


@pytest.mark.parametrize("vendor", VENDORS)
async def test_what_it_prints_stays_off_the_training_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], vendor: str
) -> None:
    replace(vendor, "print", tmp_path, monkeypatch)
    counters, said = await recorded(tmp_path / "run", VENDORS[vendor]())
    assert (counters["delivered"], said) == (2 * STEPS, None)
    assert "much to say" not in capfd.readouterr().out
