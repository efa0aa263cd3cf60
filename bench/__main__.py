"""The benchmark: `python -m bench`, or `make bench`. Its named workloads:

    w1         ten scalars a step: ns in the caller and until closed, five forms, three sinks, peers
    w2         what logging does to a 1 ms heartbeat: scalars flat out, media flat out, media paced
    live       the same with TensorBoard, W&B and JSON lines live at once
    tensorboard  event files of W1's scalars: by the sink, by sync, by torch's SummaryWriter; read by TensorBoard's own reader
    w3         tensors of 64 MiB: GB/s in the caller and until on disk, and the heartbeat beside them
    w4         a million scalars back as arrays
    parquet    the run of w1 as one Parquet file; beside it pyarrow alone
    sync       the run of w1 brought to destinations from its journal
    w5         kill -9 of the training process, of its recorder, of both: what is lost
    values     canonical forms, a histogram's counting, and what the loop pays for such values
    loans      arrays rendered into shared memory: what a use costs, whatever the size, beside a copy
    consumers  records handed to other processes: a loan of any size, small frames, round trips; what eight cost the loop
    rollouts   a thousand rollouts of 2,000 tokens a second: the heartbeat, and what each costs its task
    memory     a million steps: growth of both processes in the second half
    tables     a million rows of a table, added one at a time
    keys       1,000 metrics a step; 100,000 keys in sets that recur, and in sets that never do
    devices    tensors on a CUDA device: a training step's slowdown, GB/s, how often anybody waits; nothing where there is none
    footprint  bytes per scalar, plain and compressed
    import     what importing asynclog adds to its dependencies

Both sides of every ratio are run alternately, each sample in a process of its own, and the median of the pairs is set
against its bar. A whole run writes `bench/results/<date>-<machine>.json` and `latest.md`; one with `--only` writes the
JSON alone; a quick one only prints, since its loops are too short to be judged.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from bench import (
    consumers,
    devices,
    footprint,
    importtime,
    keys,
    loans,
    machine,
    memory,
    parquet,
    report,
    rollouts,
    sync,
    tables,
    tensorboard,
    values,
    w1_scalars,
    w2_live,
    w2_stall,
    w3_tensors,
    w4_readback,
    w5_kill,
)
from bench.figures import Figure
from bench.plan import Plan

WORKLOADS: Mapping[str, ModuleType] = {
    "w1": w1_scalars,
    "w2": w2_stall,
    "live": w2_live,
    "tensorboard": tensorboard,
    "w3": w3_tensors,
    "w4": w4_readback,
    "parquet": parquet,
    "sync": sync,
    "w5": w5_kill,
    "values": values,
    "loans": loans,
    "consumers": consumers,
    "rollouts": rollouts,
    "memory": memory,
    "tables": tables,
    "keys": keys,
    "devices": devices,
    "footprint": footprint,
    "import": importtime,
}
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Run what the command line names; 0 however the bars came out, since a slow machine is no broken build."""
    parser = argparse.ArgumentParser(
        "python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=WORKLOADS, metavar="NAME", help="run this workload; repeat")
    parser.add_argument("--quick", action="store_true", help="short loops and few repeats: does it run at all")
    parser.add_argument("--no-peers", action="store_true", help="leave out TensorBoard, wandb and trackio")
    parser.add_argument("--scratch", type=Path, help="where runs are written, removed afterwards; a real disk")
    parser.add_argument("--demo-run", type=Path, help="a finished run of the demo, for the footprint of its curves")
    chosen = parser.parse_args()
    plan = Plan(chosen.quick, not chosen.no_peers, chosen.scratch, chosen.demo_run)
    names = [name for name in WORKLOADS if chosen.only is None or name in chosen.only]
    date = datetime.now(UTC)
    here = machine.stamp()
    print(f"{here['cpu']}, {here['cores']} cores, {here['system']}, {here['python']}")
    results: dict[str, list[Figure]] = {}
    for name in names:
        start: Callable[[Plan], Iterator[Figure]] = WORKLOADS[name].run
        title: str = WORKLOADS[name].TITLE
        figures = list(start(plan))
        if figures:
            results[title] = figures
            report.print_table(title, figures)
    judged = [figure for figures in results.values() for figure in figures if figure.verdict]
    missed = [figure.what for figure in judged if figure.verdict == "missed"]
    print(f"\n{len(judged) - len(missed)} of {len(judged)} bars met" + (f"; missed: {'; '.join(missed)}" if missed else ""))
    if not plan.quick:
        RESULTS.mkdir(exist_ok=True)
        part = "" if len(names) == len(WORKLOADS) else "-" + "-".join(names)
        path = RESULTS / f"{date:%Y-%m-%dT%H%M}-{machine.slug(here)}{part}.json"
        report.write_json(path, here, f"{date:%Y-%m-%d %H:%M} UTC", results)
        if not part:
            (RESULTS / "latest.md").write_text(report.markdown(here, f"{date:%Y-%m-%d %H:%M} UTC", results))
        print(f"written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
