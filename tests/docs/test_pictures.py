"""The hook that makes the pages' pictures: from the pages' own examples, or the build fails."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("PIL")

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).parents[2]
EXAMPLE = """
# A page

```python
import asynclog as al

with al.MultiLogger("runs/page", recorder="thread") as log:
    log.log_image("dot", [[0.0, 0.5], [0.5, 1.0]])
    log.log_string("note", "hello")
    log.write_nowait(0)
print("done")
```

```text
done
```

{links}
"""


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs/build/pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_page_gets_what_its_links_ask_for_from_what_its_example_records(hook: ModuleType) -> None:
    links = '![a](pictures/page/dot.png) ![b](pictures/page/note.svg "asynclog cat") [c](pictures/page/dot.html)'
    made = hook.pictures_of(EXAMPLE.format(links=links), "kinds/page.md")
    assert set(made) == {"pictures/page/dot.png", "pictures/page/note.svg", "pictures/page/dot.html"}
    assert made["pictures/page/dot.png"].startswith(b"\x89PNG")
    assert b"hello" in made["pictures/page/note.svg"]
    assert b"asynclog&#160;cat&#160;runs/page" in made["pictures/page/note.svg"].replace(b" ", b"&#160;")
    assert b"https:" not in made["pictures/page/note.svg"].replace(b"https://www.textualize.io", b"")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (EXAMPLE.format(links="![a](pictures/page/other.png)"), "no value has the key"),
        (EXAMPLE.replace("log.write_nowait(0)", "log.write_nowait(1 / 0)"), "ZeroDivisionError"),
        (EXAMPLE.replace("```text\ndone", "```text\nnothing"), "the page says\nnothing"),
        (EXAMPLE.format(links="![a](pictures/page/dot.wav)"), "expected one of the files that show it"),
    ],
    ids=["a key that nothing has", "an example that raises", "another output", "a file the kind can't be"],
)
def test_what_cannot_be_made_fails_the_build(hook: ModuleType, text: str, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        hook.pictures_of(text, "kinds/page.md")


def test_a_picture_too_large_for_a_page_fails_the_build(hook: ModuleType) -> None:
    noise = "import random\n\nrandom.seed(0)\npicture = [[random.random() for _ in range(400)] for _ in range(400)]\n"
    code = (
        f"```python\n{noise}import asynclog as al\n\n"
        'with al.MultiLogger("runs/page", recorder="thread") as log:\n'
        '    log.log_image("noise", picture, keep_resolution=True)\n    log.write_nowait(0)\n```\n'
    )
    with pytest.raises(PluginError, match="more than 100,000"):
        hook.pictures_of(code + "![a](pictures/page/noise.png)", "kinds/page.md")


def test_every_kind_has_a_page_with_a_picture() -> None:
    from asynclog.values import EVERY_KIND

    for kind in EVERY_KIND:
        name = kind.replace("_", "-")
        text = (ROOT / f"docs/kinds/{name}.md").read_text(encoding="utf-8")
        assert f"](pictures/{name}/" in text, name
        assert f"({name}.md)" in (ROOT / "docs/kinds/index.md").read_text(encoding="utf-8")
    assert not list((ROOT / "docs/kinds").glob("pictures/*")), "made, not kept"
