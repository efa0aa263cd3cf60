"""The newest values of chosen series in a Slack channel, now and then. (What is wrong is told by ``Alerts``, at once.)

What a series says between two messages is replaced by its newest value, as in Composer's SlackLogger; and of what is delivered
together at most one message is made, so that a fast loop, or a sync, doesn't flood a channel.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, Final

from asynclog.errors import InvalidConfiguration, SinkRejected, SinkUnavailable
from asynclog.sink import Batch, Event, Place, Write
from asynclog.sinks.alerts.webhook import Webhook
from asynclog.sinks.log_lines import TRACE
from asynclog.sinks.naming import flat_name
from asynclog.values import Record

Formatter = Callable[..., list[dict[str, Any]]]
API: Final = "https://slack.com/api/chat.postMessage"
_MOST: Final = 50  # Slack takes so many blocks in a message
_INTERVAL: Final = re.compile(r"([1-9][0-9]*)(ba|ep)?", re.IGNORECASE)
_AGAIN: Final = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})


class Slack:
    """url: of an incoming webhook, or a Webhook; None: Slack's chat.postMessage, with the bot's api_key and channel_id, by
    default those of the environment's SLACK_LOGGING_API_KEY and SLACK_LOGGING_CHANNEL_ID.

    include_keys: regular expressions, matched from the beginning of "namespace/key"; of settings, of their names. formatter:
    called with {name: value}, and with header=step if values of a step are among them; returns Slack's blocks. log_interval:
    "10ba", "1ep", or a number of epochs. max_logs_per_message: 1 to 50; when so many wait, a message goes at once.

    What waits when the run ends is sent then. Raises InvalidConfiguration.
    """

    default_place: Place = "process"
    hooks: ClassVar[frozenset[str]] = frozenset({"epoch_end"})

    def __init__(
        self,
        url: str | Webhook | None = None,
        *,
        include_keys: str | Sequence[str],
        formatter: Formatter | None = None,
        log_interval: int | str = "1ba",
        max_logs_per_message: int = 50,
        api_key: str | None = None,
        channel_id: str | None = None,
    ) -> None:
        keys = (include_keys,) if isinstance(include_keys, str) else tuple(include_keys)
        if not keys or not all(isinstance(one, str) for one in keys):
            raise InvalidConfiguration(f"Slack include_keys: expected regular expressions, at least one, got {include_keys!r}")
        try:
            self._wanted = [re.compile(one) for one in keys]
        except re.error as error:
            raise InvalidConfiguration(f"Slack include_keys: {error}") from error
        found = _INTERVAL.fullmatch(str(log_interval))
        if found is None:
            raise InvalidConfiguration(f"Slack log_interval: expected '10ba', '1ep' or epochs, got {log_interval!r}")
        if type(max_logs_per_message) is not int or not 1 <= max_logs_per_message <= _MOST:
            raise InvalidConfiguration(f"Slack max_logs_per_message: expected 1 to {_MOST}, got {max_logs_per_message!r}")
        self._every, self._by_batch = int(found[1]), (found[2] or "ep").lower() == "ba"
        self._most, self._formatter = max_logs_per_message, formatter or blocks
        self._channel = channel_id
        if url is None:
            self._channel = channel_id or os.environ.get("SLACK_LOGGING_CHANNEL_ID")
            key = api_key or os.environ.get("SLACK_LOGGING_API_KEY")
            if not key or not self._channel:
                expected = "a webhook's url, or api_key and channel_id (SLACK_LOGGING_API_KEY, SLACK_LOGGING_CHANNEL_ID)"
                raise InvalidConfiguration(f"Slack: expected {expected}")
            url = Webhook(API, headers={"Authorization": f"Bearer {key}"})
        self._to = Webhook(url) if isinstance(url, str) else url
        if formatter is not None:
            # A function is usually one that doesn't travel.
            self.default_place = "thread"
        self._chosen: dict[str, bool] = {}
        self._newest: dict[str, Any] = {}
        self._step: int | None = None
        self._epochs = 0

    async def write(self, batch: Batch, /) -> None:
        newest, step, epochs, due = dict(self._newest), self._step, self._epochs, False
        for one in batch.writes():
            for event in one.events:
                if event.kind == "hook":
                    epochs += 1
                    due |= not self._by_batch and (epochs == 1 or epochs % self._every == 0)
                elif not self._take(event, newest):
                    batch.reject(f"{event.kind} has no place in a message to Slack")
            step = one.state.step if any(event.kind != "config" for event in one.events) else step
            due |= self._by_batch and self._is_due(one)
        if newest and (due or len(newest) >= self._most):
            await self._send(newest, step)
            newest = {}
        # Last: a batch that comes again, since Slack was away, finds things as they were.
        self._newest, self._step, self._epochs = newest, step, epochs

    async def aclose(self) -> None:
        newest, self._newest = self._newest, {}
        if newest:
            await self._send(newest, self._step)

    def _is_due(self, write: Write) -> bool:
        done = write.state.step + 1
        return write.state.level == "batch" and (done == 1 or done % self._every == 0)

    def _take(self, event: Event, newest: dict[str, Any]) -> bool:
        name = flat_name(event.namespace, event.key)
        if event.kind in ("scalar", "string"):
            found = {name: event.value}
        elif event.kind == "config":
            found = event.value
        elif isinstance(event.value, Record) and event.value.logger == TRACE:
            found = {name: event.value.fields.get(TRACE, event.value.message)}
        else:
            return False
        for one, value in found.items():
            if self._wants(str(one)):
                newest[str(one)] = value
        return True

    def _wants(self, name: str) -> bool:
        wanted = self._chosen.get(name)
        if wanted is None:
            wanted = self._chosen[name] = any(one.match(name) for one in self._wanted)
        return wanted

    async def _send(self, newest: Mapping[str, Any], step: int | None) -> None:
        rest = iter(newest.items())
        # With a header there is room for one less.
        while some := dict(islice(rest, min(self._most, _MOST if step is None else _MOST - 1))):
            said = self._formatter(some) if step is None else self._formatter(some, header=step)
            message: dict[str, Any] = {"text": f"Logged {len(some)} items", "blocks": said}
            if self._channel:
                message["channel"] = self._channel
            _check(await self._to.post(message))

    def __repr__(self) -> str:
        return f"Slack({self._to!r})"


def blocks(values: Mapping[str, Any], header: int | None = None) -> list[dict[str, Any]]:
    """A section a value, its name in bold, and below them the step as a header."""
    found: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"*{_escaped(name)}:* {_escaped(value)}"}}
        for name, value in values.items()
    ]
    if header is not None:
        found.append({"type": "header", "text": {"type": "plain_text", "text": str(header)}})
    return found


def _escaped(value: Any) -> str:
    return str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")[:2000]


def _check(answer: bytes) -> None:
    """Slack's API says in its answer, not by the status, that it won't. Raises SinkUnavailable, SinkRejected."""
    try:
        said = json.loads(answer)
    except ValueError:
        return
    if isinstance(said, dict) and said.get("ok") is False:
        error = str(said.get("error", "no reason given"))[:80]
        if error in _AGAIN:
            raise SinkUnavailable(f"Slack answered {error}")
        raise SinkRejected(f"Slack refused a message: {error}")
