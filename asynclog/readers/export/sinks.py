"""A run as a sink writes it: the sink itself, given all there is, without recorder, runner or cursor."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from asynclog.readers.run import Run
from asynclog.sink import RunInfo, Sink

_EVENTS: Final = 1 << 16  # about half a second between two reports


class Exported(NamedTuple):
    """events: how many the sink was given. rejected: of those it can't show, how many for which reason."""

    events: int
    rejected: dict[str, int]


async def export_through(
    run: Run, make: Callable[[], Sink], directory: Path, progress: Callable[[int], None] | None = None
) -> Exported:
    """Everything through a new sink for each epoch of each writer, whose relative paths lie in ``directory``.

    The epochs of a writer are given to it one after the other, as to a run that was resumed. progress: called with how many
    events it was given so far. Raises whatever the sink does.
    """
    count, rejected, ranks = 0, Counter[str](), _ranks(run)
    for about in run.writers:
        sink = make()
        first = all(one.writer != about.writer or one.epoch >= about.epoch for one in run.writers)
        info = RunInfo(
            run.info.id, run.name, directory, about.writer, about.epoch, ranks[about.writer], run.config, resumed=not first
        )
        if hasattr(sink, "open"):
            await sink.open(info)
        for batch in run.batches(about.writer, about.epoch, events=_EVENTS):
            await sink.write(batch)
            rejected.update(batch.rejected)
            count += len(batch)
            if progress is not None:
                progress(count)
        if hasattr(sink, "flush"):
            await sink.flush()
        if hasattr(sink, "run_ended") and about.status in ("finished", "failed", "killed", "exited"):
            await sink.run_ended(about.status, about.error)
        await sink.aclose()
    return Exported(count, dict(rejected))


def _ranks(run: Run) -> dict[str, int]:
    """By writer; numbers in their order where two have one rank, since ranks have files of their own."""
    found = {one.writer: one.rank for one in run.writers}
    return found if len(set(found.values())) == len(found) else {writer: at for at, writer in enumerate(found)}
