"""What there is to say of an event beside its number: enough to find and judge a value without showing it."""

from typing import Any

from asynclog.sink import Event
from asynclog.sinks.summary import described
from asynclog.values import Histogram


def detail(event: Event) -> dict[str, Any]:
    """A text's text, settings as they are, a histogram's counts; of other values parameters, shape, dtype and range."""
    value = event.value
    if isinstance(value, str):
        return {"text": value}
    if event.kind == "config":
        return {"config": value}
    about = {name: one for name, one in described(event.kind, value).items() if name != "kind"}
    return about | {"counts": value.counts.tolist()} if isinstance(value, Histogram) else about
