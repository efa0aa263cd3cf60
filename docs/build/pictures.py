"""A hook of mkdocs: the pictures of docs/kinds are made by running the pages' own examples.

The programs of docs/kinds/<kind>.md record into runs/<kind>, below a directory that is made for the page. A link of the page to
pictures/<kind>/<key>.<suffix> asks for that run's value of that key: as .svg it is what a command prints into a terminal of
colours, `asynclog show` or the one that the link has for a title; by any other suffix the file that `asynclog show --save`
writes. A block of text right after a program is what it prints. So a page can't show what its example doesn't make, and an
example that fails or says something else, or a picture larger than a page should carry, fails the build.
"""

import os
import re
import subprocess
import sys
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

FOLDER: Final = "kinds/"
MOST_BYTES: Final = 100_000
MOST_PAGE_BYTES: Final = 1_000_000
COLUMNS: Final = 84
# A comment before a block, as tests/docs has them, says that it is no program of its own.
PROGRAM: Final = re.compile(
    r"(?<! -->\n)^```python\n(?P<code>(?:import|from) .*?)^```$(?:\n\n```text\n(?P<prints>.*?)^```$)?", re.MULTILINE | re.DOTALL
)
LINK: Final = re.compile(
    r"\]\((?P<path>pictures/(?P<kind>[\w-]+)/(?P<key>[\w/-]+)\.(?P<suffix>\w+))(?: \"asynclog (?P<verb>cat|show)\")?\)"
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pictures that pages link to."""
    for page in list(files.documentation_pages()):
        if page.src_uri.startswith(FOLDER):
            for path, data in pictures_of(page.content_string, page.src_uri).items():
                files.append(File.generated(config, FOLDER + path, content=data))
    return files


@cache
def pictures_of(text: str, page: str) -> dict[str, bytes]:
    """What a page's text links to, by path. Raises PluginError if an example fails, or a picture can't be made."""
    links = {found["path"]: found for found in LINK.finditer(text)}
    with TemporaryDirectory() as directory:
        for program in PROGRAM.finditer(text):
            printed = _ran([sys.executable, "-c", program["code"]], directory, page)
            if program["prints"] is not None and printed != program["prints"]:
                raise PluginError(f"{page}: the page says\n{program['prints']}\nand its example prints\n{printed}")
        return {path: _picture(Path(directory), found, page) for path, found in links.items()}


def _picture(directory: Path, link: "re.Match[str]", page: str) -> bytes:
    run, key = f"runs/{link['kind']}", link["key"]
    if link["suffix"] == "svg":
        data = _terminal(directory, link["verb"] or "show", run, key, page)
    else:
        target = f"picture.{link['suffix']}"
        _ran([sys.executable, "-m", "asynclog.cli", "show", run, key, "--save", target, "--force"], str(directory), page)
        data = (directory / target).read_bytes()
    most = MOST_PAGE_BYTES if link["suffix"] == "html" else MOST_BYTES
    if len(data) > most:
        raise PluginError(f"{page}: {link['path']} has {len(data):,} bytes, more than {most:,}")
    return data


def _terminal(directory: Path, verb: str, run: str, key: str, page: str) -> bytes:
    """What the command prints, as it looks. No font is fetched: the reader's own monospace is good enough."""
    printed = _ran([sys.executable, "-m", "asynclog.cli", verb, run, key], str(directory), page)
    lines = [line for line in printed.splitlines() if "--save FILE writes" not in line]
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi("\n".join(lines).rstrip()))
    layout = re.sub(r"@font-face \{\{.*?\}\}\n?", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    title = f"$ asynclog {verb} {run} {key}"
    picture = console.export_svg(title=title, theme=DIMMED_MONOKAI, code_format=layout, unique_id=key.replace("/", "-"))
    return picture.replace("Fira Code", "monospace").encode()


def _ran(command: list[str], directory: str, page: str) -> str:
    colours = {"FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    environment = {**os.environ, **colours, "PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8", "TZ": "UTC"}
    environment.pop("NO_COLOR", None)
    ended = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if ended.returncode:
        said = ended.stderr or ended.stdout
        raise PluginError(f"{page}: an example failed, or what it makes can't be shown\n{' '.join(command)}\n{said}")
    return ended.stdout
