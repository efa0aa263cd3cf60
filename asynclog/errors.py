"""Every error asynclog raises, named after the condition it reports.

AsynclogError
├── InvalidValue          (ValueError)    a value, key, state or argument that can't be recorded
├── InvalidConfiguration  (ValueError)    a logger that can't be built as asked
├── WouldBlock                            a ``_nowait`` call that would have to wait
├── LoggerClosed                          a call on a logger that has ended
├── RunError              (OSError)       the run directory can't serve
│   ├── RunInUse                          another live process writes this stream, or delivers it
│   ├── RunNotFound                       nothing was recorded there
│   ├── RunNotLive                        nobody records it at this moment
│   └── RunUnwritable                     no permission, no room, or a file in the way
├── DamagedFrame          (ValueError)    bytes that are not a frame of this format
├── SeriesNotFound        (LookupError)   no series of that name in the run
├── AmbiguousSeries       (LookupError)   several series match; the message lists them
├── ArtifactNotFound      (LookupError)   no artifact of that name, or no such version, in the run
├── DamagedArtifact       (ValueError)    an artifact whose bytes are not what was recorded
├── StaleLease                            shared memory used after it was given back
├── NoRoom                                shared memory is exhausted
├── RecorderError                         the recorder process can't start or keeps dying
└── SinkError                             a sink failed
    ├── SinkUnavailable                   try the same batch again later
    └── SinkRejected                      this batch will never be accepted
"""

from typing import Any


class AsynclogError(Exception):
    """The root of every error that asynclog raises itself."""


class InvalidValue(AsynclogError, ValueError):
    """A value that can't be recorded: says which one, what was expected and what came."""

    def __init__(
        self, *, kind: str, expected: str, got: str, key: str = "", namespace: str = "", hint: str | None = None
    ) -> None:
        self.namespace, self.key, self.kind, self.expected, self.got, self.hint = (
            namespace,
            key,
            kind,
            expected,
            got,
            hint,
        )
        where = f"{namespace}/{key}" if namespace else key
        message = f"{kind} {where!r}: expected {expected}, got {got}" if where else f"{kind}: expected {expected}, got {got}"
        super().__init__(f"{message}; {hint}" if hint else message)

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in ("kind", "expected", "got", "key", "namespace", "hint")}
        return _rebuild_invalid_value, (fields,)


def _rebuild_invalid_value(fields: dict[str, Any]) -> InvalidValue:
    return InvalidValue(**fields)


class InvalidConfiguration(AsynclogError, ValueError):
    """A logger, route or limit that can't be built as asked; the message names the way out."""


class WouldBlock(AsynclogError):
    """A ``_nowait`` call would have to wait; nothing pending was lost."""


class LoggerClosed(AsynclogError):
    """The logger has ended; what it accepted is recorded, this call is not."""


class RunError(AsynclogError, OSError):
    """A run directory that can't serve."""


class RunInUse(RunError):
    """Another live process writes this stream of the run, or delivers it on the same route."""


class RunNotFound(RunError):
    """Nothing was recorded at this path."""


class RunNotLive(RunError):
    """Nobody records this run at this moment, so there is nothing to attach to."""


class RunUnwritable(RunError):
    """The run directory can't be made or written."""


class DamagedFrame(AsynclogError, ValueError):
    """Bytes that are not a frame of this format."""


class SeriesNotFound(AsynclogError, LookupError):
    """No series of that name in the run."""


class AmbiguousSeries(AsynclogError, LookupError):
    """Several series match; the message lists them."""


class ArtifactNotFound(AsynclogError, LookupError):
    """No artifact of that name, or no such version, in the run; the message names what is near."""


class DamagedArtifact(AsynclogError, ValueError):
    """An artifact whose bytes are not, or not all, what was recorded."""


class StaleLease(AsynclogError):
    """Shared memory used, or given back, after it was given back; nothing was changed."""


class NoRoom(AsynclogError):
    """Shared memory is exhausted: the quota is full, or the operating system refused more."""


class RecorderError(AsynclogError):
    """The recorder process can't start, or keeps dying."""


class SinkError(AsynclogError):
    """A sink failed; for one in another process the message holds its traceback's text."""


class SinkUnavailable(SinkError):
    """Raised by a sink: not now; the same batch is to be tried again, with backoff."""


class SinkRejected(SinkError):
    """Raised by a sink: this batch will never be accepted; it is dropped and counted."""
