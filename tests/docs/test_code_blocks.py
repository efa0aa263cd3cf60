"""The Python of the README and the pages: whole programs run as they stand there, and fragments are at least Python.

A block that begins with an import is a program. A page's programs run one after the other in one directory, as a reader would
try them. A block of text right after a program is what it prints, but for the numbers. Where that isn't enough a comment
before the block, which no page shows, says so:

    <!-- python: after docs/tutorial/first-run.md -->     that page's programs run first
    <!-- python: goes on -->                              a part of the program before it
    <!-- python: ends with -9, it kills itself -->        the exit status, and why
    <!-- python: a signature -->                          as ``inspect`` finds it
    <!-- python: not run, needs a GPU -->                 only compiled, and why
"""

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import asynclog

ROOT = Path(__file__).parents[2]
PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")))
BLOCK = re.compile(
    r"(?:^<!-- python: (?P<word>[^\n]*?) -->\n+)?^(?P<indent>[ ]*)```python\n(?P<code>.*?)^(?P=indent)```$"
    r"(?:\n\n^(?P=indent)```text\n(?P<prints>.*?)^(?P=indent)```$)?",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(
    r"after (?P<page>\S+)|(?P<on>goes on)|ends with (?P<status>-?\d+), .+|(?P<signature>a signature)|(?P<unrun>not run), .+"
)


@dataclass
class Block:
    """code: with as many empty lines before it as the page has, so that errors name the page's lines."""

    line: int
    code: str
    after: str | None = None
    goes_on: bool = False
    status: int = 0
    signature: bool = False
    run: bool = True
    prints: str | None = None


def blocks(page: str) -> Iterator[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        block = Block(
            text.count("\n", 0, found.start("code")) + 1, re.sub(f"^{found['indent']}", "", found["code"], flags=re.MULTILINE)
        )
        if found["word"]:
            mark = MARK.fullmatch(found["word"])
            assert mark is not None, f"{page}:{block.line}: {found['word']!r} is no mark"
            block.after, block.goes_on, block.status = mark["page"], mark["on"] is not None, int(mark["status"] or 0)
            block.signature, block.run = mark["signature"] is not None, mark["unrun"] is None
        block.prints = found["prints"]
        block.run &= block.code.startswith(("import ", "from "))
        yield block


def programs(page: str) -> Iterator[Block]:
    """Blocks that run, with what goes on in later ones."""
    current: Block | None = None
    for block in blocks(page):
        if block.goes_on:
            assert current is not None, f"{page}:{block.line}: goes on from where?"
            current.code += block.code
            current.prints = block.prints
        elif block.run:
            if current is not None:
                yield current
            current = block
    if current is not None:
        yield current


def run(page: str, directory: Path) -> None:
    for block in programs(page):
        if block.after is not None:
            run(block.after, directory)
        # A program with tests in it is pytest's to run.
        tests = "class Test" in block.code
        path = directory / f"{'test' if tests else 'line'}_{block.line}.py"
        path.write_text("\n" * (block.line - 1) + block.code, encoding="utf-8")
        command = [sys.executable, *(("-m", "pytest", "-q", "-p", "no:cacheprovider") if tests else ()), path.name]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        ended = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=50)
        assert ended.returncode == block.status, f"{page}:{block.line}\n{ended.stdout}\n{ended.stderr}"
        if block.prints is not None:
            assert alike(block.prints).fullmatch(ended.stdout), f"{page}:{block.line} prints\n{ended.stdout}"


def alike(said: str) -> "re.Pattern[str]":
    """What a page says that a program prints: numbers may be others, as those of times are, and "…" is any lines."""
    words = re.escape(said).replace("…\\\n", "(?:.*\n)*")
    return re.compile(re.sub(r"(?:\d|\\?[.,](?=\d))+", r"[\\d.,]+", words))


@pytest.mark.parametrize("page", [page for page in PAGES if any(programs(page))])
def test_the_programs_of_a_page_run(tmp_path: Path, page: str) -> None:
    # Some are for a checkout, and read its golden vectors.
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    run(page, tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page))])
def test_every_block_of_a_page_is_python(page: str) -> None:
    """``await`` may stand outside a function in a fragment."""
    for block in blocks(page):
        code = f"def {block.code.rstrip()}: ..." if block.signature else block.code
        compile("\n" * (block.line - 1) + code, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


SIGNATURES = [(page, block) for page in PAGES for block in blocks(page) if block.signature]


@pytest.mark.parametrize(
    ("page", "block"), SIGNATURES, ids=lambda one: one.code.split("(")[0] if isinstance(one, Block) else ""
)
def test_a_signature_is_what_it_says(page: str, block: Block) -> None:
    """Names, their order, which of them may stand without one, and what they are unless given."""
    (said,) = ast.parse(f"def {block.code.rstrip()}: ...").body
    assert isinstance(said, ast.FunctionDef)
    found = list(inspect.signature(getattr(asynclog, said.name)).parameters.values())
    by_place, by_name = said.args.args, said.args.kwonlyargs
    assert [(one.name, one.kind) for one in found] == [
        *((one.arg, inspect.Parameter.POSITIONAL_OR_KEYWORD) for one in by_place),
        *((one.arg, inspect.Parameter.KEYWORD_ONLY) for one in by_name),
    ]
    given = [ast.literal_eval(one) for one in (*said.args.defaults, *said.args.kw_defaults) if one is not None]
    assert [one.default for one in found if one.default is not inspect.Parameter.empty] == given


def test_no_block_is_overlooked() -> None:
    """Every opened block of Python is one that is looked at."""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert len(re.findall(r"```\s*py", text)) == len(list(blocks(page))), page
        assert text.count("<!-- python:") == len([one for one in BLOCK.finditer(text) if one["word"]]), page
    assert sum(len(list(programs(page))) for page in PAGES) > 10
