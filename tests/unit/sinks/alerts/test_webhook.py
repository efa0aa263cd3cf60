import asyncio
import logging
import pickle
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from asynclog.errors import InvalidConfiguration, SinkRejected, SinkUnavailable
from asynclog.sinks.alerts import Alert, Webhook, slack
from tests.unit.sinks.alerts.servers import Channel


@pytest.fixture
def channel() -> Iterator[Channel]:
    with Channel() as one:
        yield one


def alert(text: str = "loss is not finite", number: int = 0) -> Alert:
    return Alert(text, "rule", "digits", "main", 1_700_000_000.5, f"{number}", "train", "loss", 7, 0, float("nan"))


async def send(webhook: Webhook, *alerts: Alert) -> None:
    async with asyncio.timeout(20):
        await webhook.send(alerts or (alert(),))


async def test_several_alerts_are_one_message_that_slack_takes(channel: Channel) -> None:
    await send(Webhook(channel.url, headers={"Authorization": "Bearer x"}), alert("a"), alert("b"))
    assert channel.lines == ["digits: a", "digits: b"]
    assert channel.bodies[0].keys() == {"text"}
    assert channel.paths == ["/services/T0/B0/s3cret?token=s3cret"]
    assert channel.headers[0]["Content-Type"] == "application/json"
    assert channel.headers[0]["Authorization"] == "Bearer x"


def test_a_flood_is_a_message_of_twenty_lines() -> None:
    text = slack([alert(number=number) for number in range(500)])["text"]
    assert len(text.splitlines()) == 21
    assert text.endswith("… and 480 more")


def test_no_name_is_taken_for_a_mention() -> None:
    assert "&lt;!channel&gt; &amp; more" in slack([alert("<!channel> & more")])["text"]


async def test_a_message_may_have_another_shape(channel: Channel) -> None:
    await send(Webhook(channel.url, payload=lambda alerts: {"content": [one.key for one in alerts]}))
    assert channel.bodies == [{"content": ["loss"]}]


@pytest.mark.parametrize("answer", [408, 425, 429, 500, 502, 503, "garbage", "drop"])
async def test_what_may_pass_is_unavailable(channel: Channel, answer: Any) -> None:
    webhook = Webhook(channel.url)
    channel.answer = answer
    with pytest.raises(SinkUnavailable, match=r"http://127\.0\.0\.1 "):
        await send(webhook)
    channel.answer = 200
    await send(webhook)
    assert len(channel.bodies) == 1


@pytest.mark.parametrize("answer", [301, 400, 401, 403, 404, 410])
async def test_what_wont_pass_is_rejected(channel: Channel, answer: int) -> None:
    channel.answer = answer
    with pytest.raises(SinkRejected, match=f"answered {answer}"):
        await send(Webhook(channel.url))


async def test_a_server_that_asks_to_wait_is_left_alone(channel: Channel) -> None:
    channel.answer, channel.retry_after = 429, "3600"
    webhook = Webhook(channel.url)
    with pytest.raises(SinkUnavailable, match="answered 429"):
        await send(webhook)
    with pytest.raises(SinkUnavailable, match="wants to be left alone for 600 s more"):
        await send(webhook)
    assert channel.tries == 1


async def test_a_server_that_is_gone_is_unavailable_and_back_when_it_is_back(channel: Channel) -> None:
    webhook = Webhook(channel.url)
    channel.kill()
    with pytest.raises(SinkUnavailable, match="ConnectionRefusedError"):
        await send(webhook)
    channel.start()
    await send(webhook)
    assert len(channel.bodies) == 1


@pytest.mark.parametrize("answer", ["hang", "trickle"])
async def test_a_server_that_hangs_is_given_up_in_time(channel: Channel, answer: str) -> None:
    """And hung up on: each read of a trickle has a timeout, all of them together have none."""
    channel.answer = answer
    began = time.monotonic()
    with pytest.raises(SinkUnavailable, match=r"has not answered in 0\.3 s"):
        await send(Webhook(channel.url, timeout=0.3))
    assert time.monotonic() - began < 10
    if answer == "trickle":
        assert await asyncio.to_thread(channel.left.wait, 20)


@pytest.mark.parametrize("answer", [500, 404, "hang", "garbage", "drop", "killed"])
async def test_the_url_shows_nowhere(channel: Channel, answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It is a secret: who has it can post."""
    caplog.set_level(logging.DEBUG)
    webhook = Webhook(channel.url, timeout=0.2)
    channel.answer = answer
    if answer == "killed":
        channel.kill()
    with pytest.raises((SinkUnavailable, SinkRejected)) as caught:
        await send(webhook)
    text = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(webhook) + str(webhook)
    assert "s3cret" not in text
    assert repr(webhook) == "Webhook(http://127.0.0.1/…)"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "slack",
        "ftp://x/s3cret",
        "https:///s3cret",
        "https://x/s3 cret",
        "https://x/é-s3cret",
        "https://x:s3cret/",
        "http://x/\ns3cret",
    ],
)
def test_what_is_no_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(InvalidConfiguration, match="expected http") as caught:
        Webhook(url)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value)).replace("Webhook(url)", "")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer s3cret\n"},
        {"Authorization": "Bearer s3cret\r\nX: y"},
        {"Authorization": "s3cret\u20ac"},
        {"Authorization: s3cret": ""},
        {"Authorization": b"s3cret\n"},
    ],
)
def test_what_is_no_header_is_refused_without_being_shown(headers: Any) -> None:
    """A token read from a file ends in a line end, and the library would quote it in its error."""
    with pytest.raises(InvalidConfiguration, match="header") as refused:
        Webhook("https://127.0.0.1/", headers=headers)
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))


async def test_it_travels(channel: Channel) -> None:
    await send(pickle.loads(pickle.dumps(Webhook(channel.url))))
    assert len(channel.bodies) == 1


async def test_it_goes_through_the_proxy_of_the_environment(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tunnel is asked for, with the host that is meant."""
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 no\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://me:p%40ss@127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(SinkUnavailable, match=r"hooks\.example"):
        await send(Webhook("http://hooks.example/s3cret"))
    assert asked[0].startswith(b"CONNECT hooks.example:80 ")
    assert b"Proxy-Authorization: Basic bWU6cEBzcw==\r\n" in asked[0]
    server.close()
