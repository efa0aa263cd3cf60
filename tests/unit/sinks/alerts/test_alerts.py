import asyncio
import logging
import os
import pickle
import pty
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from asynclog.errors import InvalidConfiguration, SinkRejected, SinkUnavailable
from asynclog.sinks import Alerts
from asynclog.sinks.alerts import Above, Alert, Ended, NotFinite, Silent, Terminal, Webhook
from asynclog.sinks.alerts.actions import _BELOW
from asynclog.state import State
from asynclog.testing import batch_of
from tests.unit.sinks.sinkrun import run_info

NAN = float("nan")


class Told:
    """An action that remembers what it was told, and fails as often as it is to."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.texts: list[str] = []
        self.calls = 0

    async def send(self, alerts: Sequence[Alert], /) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        self.texts += [one.text for one in alerts]


def losses(*values: float, seq: int = 0, epoch: int = 0) -> Any:
    first = 1_700_000_000_000_000_000 + epoch * 10**15 + seq * 10**9
    return batch_of(
        [(State(seq + at), {"loss": value}) for at, value in enumerate(values)], seq=seq, epoch=epoch, first_time_ns=first
    )


losses(0.0)  # what it imports is read from the disk: not on a test's loop


def steps(texts: list[str]) -> list[int]:
    return [int(one.rpartition(" ")[2]) for one in texts]


async def opened(sink: Alerts, path: Path | None, **fields: Any) -> Alerts:
    await sink.open(run_info(path, **fields))
    return sink


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_callbacks_may_be_plain_or_async(tmp_path: Path) -> None:
    plain: list[Alert] = []
    waited: list[Alert] = []

    async def wait(alert: Alert) -> None:
        await asyncio.sleep(0)
        waited.append(alert)

    sink = await opened(Alerts([NotFinite()], {"plain": plain.append, "async": wait}), tmp_path)
    await sink.write(losses(1, NAN, NAN))
    await sink.aclose()
    assert plain == waited
    assert steps([plain[0].text]) == [1]


async def test_every_alert_is_a_line_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = await opened(Alerts([NotFinite(to=())], {}), tmp_path, name="digits")
    await sink.write(losses(1, NAN))
    await sink.aclose()
    (line,) = [one for one in caplog.records if one.name == "asynclog.alerts"]
    assert line.levelno == logging.WARNING
    assert line.getMessage().endswith("digits: * is not finite: nan at train step 1".replace("*", "loss"))


async def test_a_flood_is_twenty_lines_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = await opened(Alerts([NotFinite()], {}), tmp_path)
    await sink.write(batch_of([(State(0), {f"x{key}": NAN for key in range(500)})]))
    await sink.aclose()
    said = [one.getMessage() for one in caplog.records if one.name == "asynclog.alerts"]
    assert len(said) == 21
    assert said[-1] == "… and 480 more"


async def test_the_console_is_standard_error_and_then_the_log_is_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sink = await opened(Alerts([NotFinite()]), tmp_path)
    await sink.write(losses(NAN))
    await sink.aclose()
    assert "loss is not finite: nan at train step 0" in capsys.readouterr().err
    assert [one.levelno for one in caplog.records if one.name == "asynclog.alerts"] == [logging.INFO]


# -- what fails --------------------------------------------------------------------------------------------------------


async def test_one_that_is_down_gets_its_alerts_later_and_nobody_gets_them_twice(tmp_path: Path) -> None:
    up, down = Told(), Told(SinkUnavailable("500"), OSError("gone"))
    sink = await opened(Alerts([NotFinite(cooldown=0)], {"down": down, "up": up}), tmp_path)
    batch = losses(1, NAN, 1, NAN)
    for _ in range(2):
        with pytest.raises(SinkUnavailable, match="down: "):
            await sink.write(batch)
    await sink.write(batch)
    await sink.write(losses(NAN, 1, NAN, seq=10))
    await sink.aclose()
    assert steps(up.texts) == steps(down.texts) == [1, 3, 12]
    assert up.calls == 2


async def test_what_is_refused_for_good_is_said_and_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told, refused = Told(), Told(SinkRejected("it answered 404"))
    sink = await opened(Alerts([NotFinite(cooldown=0)], {"told": told, "refused": refused}), tmp_path)
    await sink.write(losses(NAN))
    await sink.write(losses(1, NAN, seq=10))
    await sink.aclose()
    assert (steps(told.texts), steps(refused.texts)) == ([0, 11], [11])
    assert any("1 alerts to refused are given up: it answered 404" in one.getMessage() for one in caplog.records)


async def test_a_callback_that_raises_is_heard_of_once_and_keeps_nothing_from_others(tmp_path: Path) -> None:
    """The runner tries the batch again: then the others are told, and it isn't called a second time."""
    calls: list[Alert] = []

    def broken(alert: Alert) -> None:
        calls.append(alert)
        raise ZeroDivisionError("a bug")

    told = Told()
    sink = await opened(Alerts([NotFinite()], {"broken": broken, "told": told}), tmp_path)
    batch = losses(NAN)
    with pytest.raises(ZeroDivisionError):
        await sink.write(batch)
    await sink.write(batch)
    await sink.aclose()
    assert len(calls) == 1
    assert steps(told.texts) == [0]


@pytest.mark.parametrize("failure", [ValueError("boom"), SystemExit(3)])
async def test_a_callback_that_raises_is_told_the_other_alerts_of_that_moment(tmp_path: Path, failure: BaseException) -> None:
    seen: list[str] = []

    def tell(alert: Alert) -> None:
        seen.append(alert.key)
        if alert.key == "a":
            raise failure

    sink = await opened(Alerts([NotFinite()], {"tell": tell, "other": (other := Told())}), tmp_path)
    batch = batch_of([(State(0), {"a": NAN, "b": NAN, "c": NAN})])
    with pytest.raises((ValueError, RuntimeError), match=r"boom|SystemExit: 3"):
        await sink.write(batch)
    assert len(other.texts) == 3
    await sink.write(batch)
    await sink.aclose()
    assert seen == ["a", "b", "c"]
    assert len(other.texts) == 3


async def test_a_callback_that_wants_an_alert_later_has_had_those_before_it_once(tmp_path: Path) -> None:
    seen: list[str] = []

    def tell(alert: Alert) -> None:
        seen.append(alert.key)
        if seen == ["a", "b"]:
            raise ConnectionError("not now")

    sink = await opened(Alerts([NotFinite()], {"tell": tell}), tmp_path)
    batch = batch_of([(State(0), {"a": NAN, "b": NAN, "c": NAN})])
    with pytest.raises(SinkUnavailable, match="not now"):
        await sink.write(batch)
    await sink.write(batch)
    await sink.aclose()
    assert seen == ["a", "b", "b", "c"]


async def test_a_cancelled_write_tells_once(tmp_path: Path) -> None:
    told, began, go = Told(), asyncio.Event(), asyncio.Event()

    class Slow(Told):
        async def send(self, alerts: Sequence[Alert], /) -> None:
            began.set()
            await go.wait()
            await super().send(alerts)

    slow = Slow()
    sink = await opened(Alerts([NotFinite()], {"slow": slow, "told": told}), tmp_path)
    batch = losses(NAN)
    writing = asyncio.create_task(sink.write(batch))
    await began.wait()
    writing.cancel()
    await asyncio.wait([writing])
    go.set()
    await sink.write(batch)
    await sink.aclose()
    assert steps(slow.texts) == steps(told.texts) == [0]


async def test_a_full_disk_keeps_no_alert_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The file can't be replaced: there is a directory in its place."""
    told = Told()
    (tmp_path / "sinks" / "alerts" / "w.new").mkdir(parents=True)
    sink = await opened(Alerts([NotFinite()], {"told": told}), tmp_path)
    await sink.write(losses(NAN))
    await sink.aclose()
    assert steps(told.texts) == [0]
    assert sum("may be told again" in one.getMessage() for one in caplog.records) == 1


# -- what is kept ------------------------------------------------------------------------------------------------------


async def test_what_was_told_is_not_told_again_after_a_restart(tmp_path: Path) -> None:
    """The batch in flight comes again; nothing was closed."""
    told = Told()
    rules = [NotFinite(cooldown=0)]
    first = await opened(Alerts(rules, {"told": told}), tmp_path)
    await first.write(losses(1, NAN, 1))
    first._keeping.close()  # type: ignore[union-attr]  # as the end of its process does
    again = await opened(Alerts(rules, {"told": told}), tmp_path, resumed=True)
    await again.write(losses(1, NAN, 1))
    await again.write(losses(1, NAN, seq=10))
    await again.aclose()
    assert steps(told.texts) == [1, 11]


async def test_what_could_not_be_told_is_told_by_the_next_life(tmp_path: Path) -> None:
    rules = [NotFinite()]
    first = await opened(Alerts(rules, {"slack": Told(SinkUnavailable("down"), SinkUnavailable("down"))}), tmp_path)
    with pytest.raises(SinkUnavailable):
        await first.write(losses(1, NAN))
    await first.aclose()
    told = Told()
    again = await opened(Alerts(rules, {"slack": told}), tmp_path, resumed=True)
    await again.write(losses(1, NAN))
    await again.aclose()
    assert steps(told.texts) == [1]


async def test_another_run_in_the_same_place_begins_anew(tmp_path: Path) -> None:
    told = Told()
    for identity in ("r1", "r2"):
        sink = await opened(Alerts([NotFinite()], {"told": told}), tmp_path, id=identity)
        await sink.write(losses(NAN))
        await sink.aclose()
    assert steps(told.texts) == [0, 0]


async def test_a_run_without_a_directory_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = Told()
    sink = await opened(Alerts([NotFinite()], {"told": told}), None)
    await sink.write(losses(NAN))
    await sink.aclose()
    assert steps(told.texts) == [0]
    assert list(tmp_path.iterdir()) == []


async def test_two_of_a_run_need_two_names(tmp_path: Path) -> None:
    first = await opened(Alerts([NotFinite()], {}), tmp_path)
    with pytest.raises(SinkUnavailable, match="two Alerts of one run need two names"):
        await opened(Alerts([NotFinite()], {}), tmp_path)
    other = await opened(Alerts([NotFinite()], {}, name="others"), tmp_path)
    await first.aclose()
    await other.aclose()


async def test_a_file_that_a_crash_spoiled_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "sinks" / "alerts").mkdir(parents=True)
    (tmp_path / "sinks" / "alerts" / "w.json").write_text('{"run": "r", "deci')
    told = Told()
    sink = await opened(Alerts([NotFinite()], {"told": told}), tmp_path)
    await sink.write(losses(NAN))
    await sink.aclose()
    assert steps(told.texts) == [0]


# -- silence and end -----------------------------------------------------------------------------------------------------


async def test_a_silence_is_told_of_while_nobody_calls(tmp_path: Path) -> None:
    told = Told()
    sink = await opened(Alerts([Silent(0.05)], {"told": told}), tmp_path)
    await until(lambda: told.texts)
    await sink.write(losses(1))
    await until(lambda: len(told.texts) == 2)
    await sink.aclose()
    assert told.texts[0].startswith("nothing since the start for ")
    assert told.texts[1].startswith("nothing for ")


async def test_a_silence_that_cant_be_told_of_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = Told(SinkUnavailable("down"))
    sink = await opened(Alerts([Silent(0.05)], {"told": told}), tmp_path)
    await until(lambda: told.calls)
    await until(lambda: any("alerts wait: told: down" in one.getMessage() for one in caplog.records))
    await sink.flush()
    assert len(told.texts) == 1
    await sink.aclose()


async def test_while_values_wait_for_a_server_there_is_no_silence(tmp_path: Path) -> None:
    """They come, and aren't looked at."""
    down, quiet = Told(*[SinkUnavailable("down")] * 2), Told()
    sink = await opened(
        Alerts([NotFinite(to="down"), Silent(0.1, first=100, to="quiet")], {"down": down, "quiet": quiet}), tmp_path
    )
    batch = losses(NAN)
    with pytest.raises(SinkUnavailable):
        await sink.write(batch)
    await asyncio.sleep(0.5)
    assert quiet.texts == []
    with pytest.raises(SinkUnavailable):
        await sink.write(batch)
    await sink.write(batch)
    await until(lambda: quiet.texts)
    await sink.aclose()


async def test_a_callback_that_raises_in_a_silence_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = await opened(Alerts([Silent(0.05)], {"told": Told(ZeroDivisionError("a bug"))}), tmp_path)
    await until(lambda: any("could not be told" in one.getMessage() for one in caplog.records))
    await sink.aclose()


async def test_an_end_is_told_of_once(tmp_path: Path) -> None:
    told = Told()
    rules = [Ended(), Silent(0.02, first=100)]
    sink = await opened(Alerts(rules, {"told": told}), tmp_path)
    await sink.run_ended("failed", "ValueError: boom")
    await sink.aclose()
    again = await opened(Alerts(rules, {"told": told}), tmp_path, resumed=True)
    await again.run_ended("failed", "ValueError: boom")
    await again.aclose()
    assert told.texts == ["the run has ended: failed: ValueError: boom"]


# -- settings ------------------------------------------------------------------------------------------------------------


def test_with_a_function_it_stays_in_the_training_process() -> None:
    assert Alerts([NotFinite()], {"me": print}).default_place == "thread"
    assert Alerts([NotFinite()], {"slack": Webhook("https://hooks.example/x")}).default_place == "process"
    assert Alerts([NotFinite()]).default_place == "process"


def test_it_travels_and_shows_no_secret() -> None:
    sink = Alerts([NotFinite(), Ended(to="console")], {"slack": Webhook("https://hooks.example/s3cret")})
    arrived = pickle.loads(pickle.dumps(sink))
    assert repr(arrived) == "Alerts(* is not finite, ended as failed|killed|exited; to console, slack)"
    assert "s3cret" not in repr(vars(arrived))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Alerts([NotFinite(), NotFinite()]), "two rules are called '* is not finite'"),
        (lambda: Alerts([NotFinite(to="slak")], {"slack": print}), "no action 'slak' among slack"),
        (lambda: Alerts(["loss"]), "expected rules such as"),
        (lambda: Alerts([Above("x", 1)], {"slack": "https://hooks.example/s3cret"}), "action 'slack': expected a function"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, says: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        make()
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.fixture
def device() -> Iterator[tuple[int, str]]:
    """A terminal: our end of it, and its name."""
    ours, theirs = pty.openpty()
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def travelled(home: int, device: str | None) -> Terminal:
    """As it is in another process than the one it was made in."""
    terminal = Terminal()
    terminal._home, terminal._device = home, device
    return terminal


def read_until(end: int, text: str) -> int:
    """Read a terminal up to this text; how often the alert stands in what came."""
    came = ""
    while not came.endswith(text):
        came += os.read(end, 10_000).decode()
    return came.count("digits: bad news\r\n")


def alert(key: str) -> Alert:
    return Alert("bad news", "rule", "digits", "main", 0.0, "id", key=key)


async def test_a_terminal_is_written_to_from_elsewhere_where_its_process_cant_be_expected_to(device: tuple[int, str]) -> None:
    """Of values the log brings the news home for as long as there is one, and no line of a progress bar is broken."""
    gone = subprocess.Popen(["true"])
    await asyncio.to_thread(gone.wait)
    ours, name = device
    lives, dead = travelled(os.getppid(), name), travelled(gone.pid, name)
    assert [one.shows(alert("loss")) for one in (Terminal(), lives, dead)] == [True, False, True]
    assert [one.shows(alert("")) for one in (Terminal(), lives, dead, travelled(gone.pid, None))] == [True, True, True, False]
    await lives.send([alert("loss")])
    await lives.send([alert("")])
    assert await asyncio.to_thread(read_until, ours, _BELOW.replace("\n", "\r\n")) == 1
    await dead.send([alert("loss")])
    assert await asyncio.to_thread(read_until, ours, "\x1b[0m") == 1


async def test_a_terminal_that_is_gone_is_given_up() -> None:
    with pytest.raises(SinkRejected, match="the terminal is gone"):
        await travelled(os.getppid(), "/dev/pts/none").send([alert("")])
