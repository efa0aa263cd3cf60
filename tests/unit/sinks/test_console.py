import io
import re
import subprocess
import sys
from pathlib import Path

from asynclog.sinks import Console
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.examples import every_kind
from tests.unit.sinks.sinkrun import deliver

ENTRIES = [
    (State(12, "valid", 3), {("train", "loss"): 0.123456, ("train", "optim/lr"): 1e-5, "count": 123456}),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(entries: list[object], file: io.StringIO, tree: bool | None = None) -> str:
    deliver(Console(file, tree=tree), Path(), [batch_of(entries)])  # type: ignore[arg-type]
    return file.getvalue()


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_where_nobody_sees_colours_a_write_is_a_plain_line() -> None:
    text = shown(ENTRIES, io.StringIO())
    assert re.fullmatch(r"\d\d:\d\d:\d\d valid step 12 epoch 3  train/loss=0\.1235  train/optim/lr=1e-05  count=123456\n", text)


def test_on_a_terminal_a_write_is_a_coloured_tree() -> None:
    """Nested by namespace and by the slashes of keys."""
    text = shown(ENTRIES, Terminal())
    assert "\x1b[" in text
    lines = [line.rstrip() for line in without_colours(text).splitlines()]
    assert lines[0].endswith("valid step 12 epoch 3")
    assert lines[1:] == [
        "├── train",
        "│   ├── loss  0.1235",
        "│   └── optim",
        "│       └── lr  1e-05",
        "└── count  123456",
    ]


def test_a_tree_without_a_terminal_has_no_colours() -> None:
    text = shown(ENTRIES, io.StringIO(), tree=True)
    assert "\x1b" not in text
    assert "└── lr  1e-05" in text


def test_media_are_put_in_words() -> None:
    text = shown([(State(0), every_kind())], io.StringIO())
    assert "image=image 3×4×5 uint8" in text
    assert "histogram=histogram of 7: 0.1 ± 0.4 in [-1, 1]" in text


def test_text_cannot_move_the_cursor_or_flood_the_screen() -> None:
    entries = [(State(0), {"key\x1b[2J\n": "\x1b]0;title\x07" + "x" * 10_000, "[red]": 1.0})]
    for file, tree in ((io.StringIO(), False), (io.StringIO(), True)):
        text = shown(entries, file, tree)
        assert "\x1b" not in text
        assert "\x07" not in text
        assert max(map(len, text.splitlines())) < 250
        assert "[red]" in text


def test_a_name_and_a_branch_may_be_called_alike() -> None:
    text = shown([(State(0), {"loss": 1.0, "loss/policy": 2.0, "/": 3.0})], io.StringIO(), tree=True)
    assert "├── loss  1" in text
    assert "policy  2" in text
    assert "''" in text


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


def test_without_rich_the_error_names_the_extra_and_lines_work() -> None:
    done = run_python(
        "import sys, io; sys.modules['rich'] = None\n"
        "from asynclog.sinks import Console\n"
        "Console(io.StringIO()); Console(tree=False)\n"
        "Console(tree=True)"
    )
    assert "InvalidConfiguration" in done.stderr
    assert "pip install 'asynclog-stream[console]'" in done.stderr


def test_sinks_are_imported_when_they_are_named() -> None:
    done = run_python(
        "import sys, asynclog.sinks as sinks\n"
        "assert 'asynclog.sinks.jsonl' not in sys.modules and 'aiofiles' not in sys.modules\n"
        "sinks.Console\n"
        "assert 'rich' not in sys.modules and 'aiofiles' not in sys.modules\n"
        "print(dir(sinks))"
    )
    assert "'CSV', " in done.stdout, done.stderr
