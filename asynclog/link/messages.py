"""What the two ends say to each other over the socket. Small, and safe to coalesce: only the newest doorbell counts."""

from typing import Any, Final, NamedTuple

import msgpack

from asynclog.errors import DamagedFrame


class Slab(NamedTuple):
    """A slab exists; its descriptor comes with the message."""

    number: int
    role: int
    size: int


class Gone(NamedTuple):
    """A slab's memory went back to the operating system."""

    number: int


class Doorbell(NamedTuple):
    """The control log may be read up to this position."""

    position: int


class Flush(NamedTuple):
    """Everything before this position is to be made durable and delivered; answer with Flushed."""

    ticket: int
    position: int


class Pressure(NamedTuple):
    """Shared memory is short: let go of what can be let go of."""


class Unflush(NamedTuple):
    """Nobody waits for this Flush any more."""

    ticket: int


class Skipped(NamedTuple):
    """Before the end: so many values were not even looked at, since no route was due. Every route counts them."""

    events: int


class Ready(NamedTuple):
    """The consumer is up."""

    pid: int


class Ack(NamedTuple):
    """Everything before this position was taken, and needn't be announced to a successor."""

    position: int


class Release(NamedTuple):
    """(slab, generation, count)…: pieces nobody at the consumer's end looks at any more."""

    pieces: list[tuple[int, int, int]]


class Hold(NamedTuple):
    """A blocking route is full (held) or has room again."""

    route: str
    held: bool


class Flushed(NamedTuple):
    """The answer to Flush. pending: events per route; error: why the journal can't be written, if it can't."""

    ticket: int
    pending: dict[str, int]
    error: str | None


class Report(NamedTuple):
    """Counters and states as of now; see MultiLogger.statistics."""

    content: dict[str, Any]


class Trouble(NamedTuple):
    """Something went wrong that a person should hear of. route: "" for the journal."""

    route: str
    text: str
    fatal: bool


class Stock(NamedTuple):
    """From the writer, for whoever asks the recorder: what it has of shared memory, and who holds how much of it."""

    content: dict[str, Any]


class Said(NamedTuple):
    """A log record from a worker. name: its logger's."""

    route: str
    level: int
    name: str
    text: str


class Tap(NamedTuple):
    """Read a captured stream from ``at`` on, pass it on to where it went before, and send its lines. file, shown: descriptors,
    which come with the message; each end has its own numbers for them."""

    stream: str
    at: int
    file: int
    shown: int
    ansi: str


class Untap(NamedTuple):
    """A captured stream has ended at ``until``; answer with Untapped."""

    stream: str
    until: int


class Lines(NamedTuple):
    """What was printed: (text, where its line ends in the stream)…, for the writer to record."""

    stream: str
    lines: list[tuple[str, int]]


class Untapped(NamedTuple):
    """Everything of a stream was passed on and recorded."""

    stream: str


class Moved(NamedTuple):
    """The answer to a Tap of a stream that is being read: from now on it is shown at the new place."""

    stream: str


class Sample(NamedTuple):
    """Look at the machine every so many seconds, and at the process; directory: whose file system is looked at."""

    every_s: float
    pid: int
    directory: str


class Sampled(NamedTuple):
    """What was seen, for the writer to record."""

    numbers: dict[str, float]


class Finished(NamedTuple):
    """The journal is closed and every sink has ended or run out of time."""

    report: dict[str, Any]


Message = (
    Slab
    | Gone
    | Doorbell
    | Flush
    | Pressure
    | Ready
    | Ack
    | Release
    | Hold
    | Flushed
    | Report
    | Trouble
    | Finished
    | Unflush
    | Skipped
    | Said
    | Stock
    | Tap
    | Untap
    | Lines
    | Untapped
    | Moved
    | Sample
    | Sampled
)
TYPES: Final[tuple[type[Any], ...]] = (
    Slab,
    Gone,
    Doorbell,
    Flush,
    Pressure,
    Ready,
    Ack,
    Release,
    Hold,
    Flushed,
    Report,
    Trouble,
    Finished,
    Unflush,
    Skipped,
    Said,
    Stock,
    Tap,
    Untap,
    Lines,
    Untapped,
    Moved,
    Sample,
    Sampled,
)


def encode(message: Message) -> bytes:
    """A message as msgpack, without its length."""
    return msgpack.packb([TYPES.index(type(message)), *message], use_bin_type=True)  # type: ignore[no-any-return]


def decode(data: bytes) -> Message:
    """Raises DamagedFrame."""
    try:
        tag, *fields = msgpack.unpackb(data, raw=False, strict_map_key=False)
        return TYPES[tag](*fields)  # type: ignore[no-any-return]
    except (ValueError, TypeError, IndexError, msgpack.UnpackException) as error:
        raise DamagedFrame(f"not a message: {error!r}") from error
