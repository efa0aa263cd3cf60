"""What a run says is shown to a person, and steers no terminal: neither by what it is nor by how long it is."""

import json
from pathlib import Path

import pytest

from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, make_run
from tests.unit.cli.conftest import Invoke


def test_nothing_from_a_run_reaches_the_terminal_as_a_command(asynclog: Invoke, run: Path) -> None:
    """A text that would retitle the window is shown for what it is."""
    for words in (("cat", run), ("cat", run, "note"), ("tail", run)):
        shown = asynclog(*words).stdout
        assert "\x1b]" not in shown
        assert "\x07" not in shown
        assert r"\x1b]0;owned\x07hello" in shown


HOSTILE = "top\x1b[2J\nsound\r\x9b31m\u202e"


def hostile_run(directory: Path) -> Path:
    """A run whose every name would have a terminal do something."""
    writer = StreamWriter(make_run(directory, name=HOSTILE))
    writer.rows(writer.schema(Series("train", HOSTILE, "loss"), Series("train", "", "k" * 10_000)), [(1.0, 2.0)] * 3)
    writer.event(HOSTILE, "first\nsecond\x1b[2J", step=1)
    writer.event("long", "x" * 500_000 + "\n" * 500, step=2)
    writer.event("config", {HOSTILE: HOSTILE})
    writer.gap(writer.seq, writer.seq, reason=HOSTILE)
    writer.footer(HOSTILE, error=f"ValueError: {HOSTILE}")
    (directory / "cursors" / "metrics").mkdir(parents=True)
    (directory / "cursors" / "metrics" / "main.json").write_text(json.dumps({"counters": {HOSTILE: 1}}))
    return directory


@pytest.mark.parametrize(
    "words",
    ["ls", "ls --json", "cat", "cat --json", "cat --full", "tail", "tail --json", "verify", "verify --json", "stats",
     "stats --json"],
)  # fmt: skip
def test_names_that_would_steer_a_terminal_are_shown_escaped(asynclog: Invoke, tmp_path: Path, words: str) -> None:
    """Escape sequences of both kinds, line ends and a reversal of the writing direction, wherever a run has a name."""
    command, *options = words.split()
    shown = asynclog(command, hostile_run(tmp_path / "run"), *options)
    assert shown.exit_code == 0
    assert not {one for one in shown.stdout if not one.isprintable()} - {"\n"}
    assert not any(line.startswith("sound") for line in shown.stdout.splitlines() if command != "verify")


def test_an_error_message_steers_no_terminal_either(asynclog: Invoke, tmp_path: Path) -> None:
    """It names keys of the run."""
    shown = asynclog("cat", hostile_run(tmp_path / "run"), "top")
    assert shown.exit_code == 2
    assert not {one for one in shown.stderr if not one.isprintable()} - {"\n"}
    assert shown.stderr.count("\n") == 1


def test_cat_shortens_what_is_long_and_says_how_long_it_is(asynclog: Invoke, tmp_path: Path) -> None:
    """Keys, texts of many characters, texts of many lines; all of it with --full, and as JSON."""
    run = hostile_run(tmp_path / "run")
    overview = asynclog("cat", run).stdout
    assert "(10,000 characters)" in overview
    assert "(500,500 characters)" in overview
    assert len(overview) < 5_000
    told = asynclog("cat", run, "long").stdout
    assert "(500,500 characters in 501 lines; --full shows all)" in told
    assert len(told) < 5_000
    whole = asynclog("cat", run, "long", "--full").stdout
    assert whole.count("x") >= 500_000
    assert asynclog("cat", run, "--full").stdout.count("k") >= 10_000
    assert len(json.loads(asynclog("cat", run, "long", "--json").stdout)["text"]) == 500_500
