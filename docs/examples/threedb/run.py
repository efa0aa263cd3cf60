"""Twelve loggers over a render load, one of them killed in mid-run: ``python docs/examples/threedb/run.py``.

It ends with 0 if every logger has every result, and with 1 if anything is missing.
"""

import argparse
import asyncio
import csv
import json
import os
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from renders import renders  # noqa: E402

import asynclog as al  # noqa: E402
from asynclog.integrations import threedb  # noqa: E402

VICTIM = "csv_logger-2"


def starts(run: Path, logger: str) -> list[int]:
    """The pid of each process that has hosted a logger, the latest last."""
    listed = run / "sinks" / logger / "starts.txt"
    return [int(line.split()[1]) for line in listed.read_text().splitlines()] if listed.exists() else []


def kill_host(run: Path, logger: str) -> str:
    """SIGKILL for the process that hosts a logger, unless that is this one. What happened, in words."""
    pids = starts(run, logger)
    if not pids:
        return f"{logger} isn't up yet, and lives"
    if pids[-1] == os.getpid():
        return f"{logger} lives in this very process, and is left alone"
    os.kill(pids[-1], signal.SIGKILL)
    return f"killed process {pids[-1]}, which hosted {logger}, with SIGKILL"


async def until_started(run: Path, logger: str) -> None:
    """Processes start beside the first results; here one is waited for, so that there is one to kill."""
    for _ in range(900):
        if starts(run, logger):
            return
        await asyncio.sleep(0.05)


async def record(run: Path, number: int) -> dict[str, int]:
    """Log every result, and end; what is pending per logger afterwards."""
    config = al.config.load(HERE / "config.yaml")
    config["inference"]["label_map"] = str(HERE / config["inference"]["label_map"])
    loggers = al.config.logger_modules(config)
    log = al.MultiLogger(run, sinks=loggers, config=config)
    async with log:
        results = threedb.Results(log)
        for at, (item, channels) in enumerate(renders(number, config["render_args"]["resolution"])):
            await results.log(item, channels)
            if (at + 1) % max(1, number // 5) == 0:
                print(f"{at + 1:5} of {number} results logged", flush=True)
            if at + 1 == number // 2:
                await until_started(run, VICTIM)
                print(f"      {kill_host(run, VICTIM)}", flush=True)
            await asyncio.sleep(0)
    return {name: one["pending"] for name, one in log.statistics()["routes"].items()}


def logged(run: Path, logger: str) -> tuple[int, int]:
    """(results that a logger's files hold, those that they hold more than once)."""
    files = run / "sinks" / logger
    if logger.startswith("csv"):
        with (files / "details.csv").open(newline="") as file:
            ids = [row["id"] for row in csv.DictReader(file)]
    elif logger.startswith("json"):
        ids = [json.loads(line)["id"] for line in (files / "details.log").read_text().splitlines()]
    elif logger.startswith("image"):
        ids = [one.name.partition("_")[0] for one in (files / "images").glob("*_rgb.png")]
    else:
        ids = list(map(str, range(json.loads((files / "summary.json").read_text())["results"])))
    return len(set(ids)), len(ids) - len(set(ids))


def report(run: Path, number: int, pending: dict[str, int]) -> int:
    """The closing table; returns how many loggers lack something."""
    print(f"\n{'logger':<20}{'results':>9}{'restarts':>10}{'pending':>9}")
    lacking = 0
    for logger, left in pending.items():
        found, repeated = logged(run, logger)
        restarts = len(starts(run, logger)) - 1
        lacking += found != number or left != 0
        note = "  MISSING" if found != number or left else "  killed, has all" if logger == VICTIM and restarts else ""
        print(f"{logger:<20}{found:>9}{restarts:>10}{left:>9}{note}{f'  {repeated} twice' if repeated else ''}")
    accuracy = json.loads((run / "sinks" / "summary_logger" / "summary.json").read_text())["models"]
    print("\naccuracy:", ", ".join(f"{model} {one['accuracy']:.0%}" for model, one in accuracy.items()))
    print(f"look at  {run}/sinks/csv_logger/details.csv")
    print(f"         {run}/sinks/image_logger/images/")
    print(f"         asynclog show {run}   (every result as it was logged, for loggers of tomorrow)")
    return lacking


def main() -> int:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", default="runs/threedb", help="directory of the run, a new one")
    parser.add_argument("--results", type=int, default=300, help="how many results to log")
    options = parser.parse_args()
    run = Path(options.run)
    if run.exists():
        print(f"{run} exists already: name another directory, or remove it", file=sys.stderr)
        return 2
    pending = asyncio.run(record(run, options.results))
    return 1 if report(run, options.results, pending) else 0


if __name__ == "__main__":
    sys.exit(main())
