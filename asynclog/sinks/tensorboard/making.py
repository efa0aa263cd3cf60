"""What of a batch goes into one directory, as the records of its event file."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from asynclog.errors import InvalidValue
from asynclog.sink import Batch, Event
from asynclog.sinks.naming import flat_name
from asynclog.sinks.tensorboard.pr_curve import pr_curve
from asynclog.sinks.tensorboard.scalars import scalar_records
from asynclog.sinks.tensorboard.share import Share
from asynclog.sinks.tensorboard.shown import of_pictures, shown
from asynclog.sinks.tensorboard.summaries import Shown, event_record, summary_value
from asynclog.sinks.tensorboard.tags import Tags
from asynclog.values import Table

PRCurves = Mapping[str, Sequence[str]]
Named = tuple[str, Event]


def made(share: Share, tags: Tags, batch: Batch, pr_curves: PRCurves) -> bytes:
    """Whole records. What can't be shown is rejected of the batch."""
    columns = {tags.tag("scalar", series): column for series, column in share.columns.items()}
    others = [
        one
        for _, write in groupby(share.events, lambda named: named[1].time_ns)
        for one in _of_write(list(write), tags, batch, pr_curves)
    ]
    return b"".join([*scalar_records(columns), *others])


def _of_write(write: list[Named], tags: Tags, batch: Batch, pr_curves: PRCurves) -> Iterator[bytes]:
    """Several pictures of one name are one event, in which one can leaf: of two at one step TensorBoard may keep the last."""
    pictures: dict[str, list[bytes]] = {}
    for series, event in write:
        for values in _tensors(series, event, batch, pr_curves):
            if values[0].pictures:
                pictures.setdefault(series, []).extend(values[0].pictures)
            else:
                yield _record(series, event, values, tags)
    for series, encoded in pictures.items():
        yield _record(series, write[0][1], [of_pictures(tuple(encoded))], tags)


def _tensors(series: str, event: Event, batch: Batch, pr_curves: PRCurves) -> Iterator[list[Shown]]:
    """Each way in which a value is shown."""
    columns = pr_curves.get(flat_name(event.namespace, event.key))
    try:
        if columns is not None and isinstance(event.value, Table):
            yield [pr_curve(event.value, columns)]
    except InvalidValue as error:
        batch.reject(f"{series} is shown as a table alone: {error}")
    try:
        found = shown(event.kind, event.value)
    except (InvalidValue, ImportError) as error:
        batch.reject(f"TensorBoard can't show {series}: {error}")
        return
    if found is None:
        batch.reject(f"TensorBoard has no place for a {event.kind}")
    else:
        yield found


def _record(series: str, event: Event, values: list[Shown], tags: Tags) -> bytes:
    tag = tags.tag(values[0].form, series, [one.suffix for one in values])
    return event_record(event.time, event.step, [summary_value(tag, series, one) for one in values])
