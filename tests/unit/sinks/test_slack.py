"""Chosen values in a channel: the newest of each, at intervals, in Slack's blocks; nothing is lost when Slack is away."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration, SinkRejected, SinkUnavailable
from asynclog.sinks import Slack
from asynclog.sinks.alerts import Webhook
from asynclog.testing import batch_of
from asynclog.values import Hook, Record
from tests.unit.sinks.alerts.servers import Channel


@pytest.fixture
def channel() -> Iterator[Channel]:
    with Channel() as one:
        yield one


def said(channel: Channel) -> list[list[str]]:
    """The texts of each message's blocks."""
    return [[block["text"]["text"] for block in body["blocks"]] for body in channel.bodies]


def step(number: int, **values: Any) -> tuple[al.State, dict[str, Any]]:
    return al.State(number), values


async def test_the_newest_of_each_wanted_series_goes_at_intervals_and_at_the_end(channel: Channel) -> None:
    sink = Slack(channel.url, include_keys=["loss", "acc.*"], log_interval="3ba")
    for number in range(5):
        await sink.write(batch_of([step(number, loss=0.5 * number, accuracy=number, secret=1.0)], seq=number))
    assert said(channel) == [["*loss:* 0.0", "*accuracy:* 0", "0"], ["*loss:* 1.0", "*accuracy:* 2", "2"]]
    await sink.aclose()
    assert said(channel)[2:] == [["*loss:* 2.0", "*accuracy:* 4", "4"]]


async def test_what_comes_together_is_one_message(channel: Channel) -> None:
    await Slack(channel.url, include_keys=["loss"]).write(batch_of([step(number, loss=float(number)) for number in range(9)]))
    assert said(channel) == [["*loss:* 8.0", "8"]]


async def test_an_interval_of_epochs_goes_by_their_ends(channel: Channel) -> None:
    sink = Slack(channel.url, include_keys=["loss"], log_interval="2ep")
    for number in range(4):
        await sink.write(batch_of([step(number, loss=float(number)), step(number, epoch_end=Hook("epoch_end"))], seq=number))
    assert said(channel) == [["*loss:* 0.0", "0"], ["*loss:* 1.0", "1"], ["*loss:* 3.0", "3"]]


async def test_a_message_has_no_more_than_it_may_and_goes_early_when_full(channel: Channel) -> None:
    sink = Slack(channel.url, include_keys=["m"], log_interval="1000ba", max_logs_per_message=4)
    await sink.write(batch_of([step(5, **{f"m{at}": at for at in range(6)})]))
    assert [len(one) for one in said(channel)] == [5, 3]


async def test_settings_text_and_traces_are_told_and_markup_is_escaped(channel: Channel) -> None:
    sink = Slack(channel.url, include_keys=["lr", "note", "norms"])
    trace = Record("m", logger="trace", fields={"trace": {"grad": 1.5}})
    batch = batch_of([step(0, config={"lr": 0.1, "seed": 1}, note="<!channel>", norms=trace, other=Record("disk"))])
    await sink.write(batch)
    assert sorted(said(channel)[0]) == sorted(["*lr:* 0.1", "*note:* &lt;!channel&gt;", "*norms:* {'grad': 1.5}", "0"])
    assert dict(batch.rejected) == {"record has no place in a message to Slack": 1}


async def test_a_formatter_makes_the_blocks(channel: Channel) -> None:
    def formatter(values: dict[str, Any], header: int | None = None) -> list[dict[str, Any]]:
        return [{"type": "section", "text": {"type": "plain_text", "text": f"{header}: {sorted(values)}"}}]

    sink = Slack(channel.url, include_keys=[".*"], formatter=formatter)
    assert sink.default_place == "thread"
    await sink.write(batch_of([step(7, a=1.0, b=2.0), step(999, c=1.0)]))
    await sink.aclose()
    assert said(channel) == [["999: ['a', 'b', 'c']"]]


async def test_while_slack_is_away_the_batch_comes_again_as_it_was(channel: Channel) -> None:
    sink = Slack(channel.url, include_keys=["loss"])
    batch = batch_of([step(0, loss=0.5), step(1, loss=0.25)])
    channel.answer = 503
    with pytest.raises(SinkUnavailable):
        await sink.write(batch)
    channel.answer = 200
    await sink.write(batch)
    assert said(channel) == [["*loss:* 0.25", "1"]]


@pytest.mark.parametrize(
    ("answer", "error"),
    [({"ok": False, "error": "channel_not_found"}, SinkRejected), ({"ok": False, "error": "ratelimited"}, SinkUnavailable)],
)
async def test_what_slack_refuses_in_its_answer_is_not_taken_for_sent(
    channel: Channel, answer: dict[str, Any], error: type[Exception]
) -> None:
    channel.says = json.dumps(answer).encode()
    with pytest.raises(error, match=answer["error"]):
        await Slack(Webhook(channel.url), include_keys=["loss"], channel_id="C1").write(batch_of([step(0, loss=0.5)]))
    assert channel.bodies[0]["channel"] == "C1"


def test_a_run_is_told_of_in_a_process_of_its_own(tmp_path: Path, channel: Channel) -> None:
    """As it is by default; what other sinks get of it stays what it was."""
    with al.MultiLogger(tmp_path / "run", sinks=[Slack(channel.url, include_keys=["loss"], log_interval=1)]) as log:
        log.log_scalar("loss", 0.5)
        log.write_blocking(0)
        log.hook_blocking("epoch_end", 0)
    assert said(channel) == [["*loss:* 0.5", "0"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"include_keys": []},
        {"include_keys": ["("]},
        {"log_interval": "3h"},
        {"log_interval": 0},
        {"max_logs_per_message": 51},
        {"url": None},
        {"url": "ftp://slack"},
    ],
    ids=str,
)
def test_what_it_can_not_do_is_said_at_once(wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLACK_LOGGING_API_KEY", raising=False)
    with pytest.raises(InvalidConfiguration):
        Slack(**{"url": "https://hooks.slack.com/services/x", "include_keys": ["loss"], **wrong})


def test_the_key_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_LOGGING_API_KEY", "xoxb-s3cret")
    monkeypatch.setenv("SLACK_LOGGING_CHANNEL_ID", "C1")
    assert "s3cret" not in repr(Slack(include_keys=["loss"]))
