"""Values as pages: whole, without anything from elsewhere, and harmless whatever a run holds."""

import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.readers.export.html import fragment, page, table, when
from asynclog.values import Audio, Histogram, Image, Mesh, PointCloud, Record, Rollout, Spectrogram, Table, Tensor, Value, Video

pytest.importorskip("PIL")
HOSTILE = '</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>" onload="x\' \u202e\x1b\x00\x9b\u2066'
OBEYED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
TRIANGLE = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]))


class Page(HTMLParser):
    """What a browser would find: tags with their attributes, and the text."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(data.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def hostile() -> list[Any]:
    """Every kind, with markup wherever there is room for words."""
    mask = np.ones((4, 5), np.uint8)
    rollout = {
        "role": HOSTILE,
        "name": HOSTILE,
        "content": HOSTILE,
        "tool_calls": [{"function": {"name": HOSTILE, "arguments": HOSTILE}}],
    }
    return [
        Image(np.zeros((4, 5), np.uint8), HOSTILE, masks={HOSTILE: mask}, mask_labels={HOSTILE: {1: HOSTILE}}),
        Image(np.zeros((4, 5), np.uint8), boxes=np.array([[0.0, 1, 2, 3]]), box_labels=[HOSTILE]),
        Audio(np.zeros(100, np.float32), 8000),
        Spectrogram(np.zeros(4096, np.float32), 8000),
        Video(np.zeros((3, 4, 4), np.uint8)),
        Histogram(np.arange(512), 0.0, 1.0, 5, 0.5, 0.1),
        PointCloud(np.eye(3), boxes=np.zeros((1, 9)), box_labels=[HOSTILE]),
        TRIANGLE,
        Tensor(np.eye(3)),
        Table.of_rows([HOSTILE, "b"], [(HOSTILE, 1.5)]),
        Rollout([rollout], rewards={HOSTILE: 1.0}, stop=HOSTILE, group=HOSTILE, info={HOSTILE: HOSTILE}),
        Record(HOSTILE, 10, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}),
        HOSTILE,
        {HOSTILE: {"deep": [HOSTILE, {"a": HOSTILE}]}},
    ]


@pytest.mark.parametrize("value", hostile(), ids=lambda one: type(one).__name__)
def test_nothing_that_a_run_holds_becomes_markup_or_is_fetched(value: Any) -> None:
    """Every tag, attribute and script on the page is one that the page itself has."""
    if isinstance(value, Audio | Spectrogram):
        pytest.importorskip("soundfile")
    if isinstance(value, Video):
        pytest.importorskip("av")
    found = Page(page(value, HOSTILE, HOSTILE))
    scripts = found.all("script")
    assert len(scripts) == (1 if isinstance(value, PointCloud | Mesh) else 0)
    for tag, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert HOSTILE.partition("\u202e")[0] + r"\u202e\x1b\x00\x9b\u2066" in found.text, "the title is shown as it is"
    assert not OBEYED.search(found.text), "nothing that a terminal would obey, or that turns what follows"
    assert not re.search(r"https?://|@import|url\(", page(value).decode())


def test_the_page_lets_its_own_script_run_and_no_other() -> None:
    text = page(TRIANGLE).decode()
    script = re.search(r"<script>(.*)</script>", text, re.DOTALL)
    assert script is not None
    known = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    policy = Page(text.encode()).all("meta")[1]["content"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{known}'" in policy


def test_what_lies_in_space_is_on_the_canvas_bit_for_bit() -> None:
    points = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    inks = np.random.default_rng(0).integers(0, 255, (20, 3), dtype=np.uint8)
    (canvas,) = Page(page(PointCloud(points, inks))).all("canvas")
    assert base64.b64decode(canvas["data-points"] or "") == points.tobytes()
    assert base64.b64decode(canvas["data-inks"] or "") == inks.tobytes()
    (canvas,) = Page(page(TRIANGLE)).all("canvas")
    assert base64.b64decode(canvas["data-points"] or "") == TRIANGLE.vertices.tobytes()
    assert np.frombuffer(base64.b64decode(canvas["data-faces"] or ""), "<i4").tolist() == [0, 1, 2]


def test_media_are_inside_the_page() -> None:
    pytest.importorskip("av")
    pytest.importorskip("soundfile")
    for value, tag, mime in [
        (Image(np.zeros((3, 4, 4), np.uint8)), "img", "image/png"),
        (Audio(np.zeros(100, np.float32)), "audio", "audio/wav"),
        (Video(np.zeros((3, 4, 4), np.uint8)), "video", "video/mp4"),
    ]:
        (found,) = Page(page(value)).all(tag)
        head, _, data = (found["src"] or "").partition(",")
        assert head == f"data:{mime};base64"
        assert len(base64.b64decode(data)) > 30


def test_a_rollout_is_a_conversation_with_tools_rewards_and_tokens_by_probability() -> None:
    value = Rollout(
        [
            {"role": "user", "content": [{"type": "text", "text": "2+2?"}, {"type": "image_url"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "add", "arguments": '{"a": 2}'}}]},
            {"role": "tool", "name": "add", "content": "4"},
            {"role": "critic", "content": "ok"},
        ],
        tokens=np.array([11, 12, 13, 14]),
        loss_mask=np.array([0, 1, 1, 1]),
        logprobs=np.array([-0.1, -0.001, -9.0, np.nan]),
        reward=0.5,
        rewards={"format": 0.25},
        versions=np.array([3, 3, 4, 4]),
    )
    found = Page(page(value))
    assert [one["class"] for one in found.all("section")] == ["user", "assistant", "tool", "other"]
    for said in ("2+2?<image_url>", "add", '{"a": 2}', "critic", "0.25"):
        assert said in found.text
    tokens = {one["title"]: one["class"] for one in found.all("span") if "title" in one}
    assert list(tokens.values()) == ["given", "p9", "p0", "given"]
    assert any("logprob -9" in (title or "") and "version 4" in (title or "") for title in tokens)


def test_a_table_has_its_rows_numbers_to_the_right_and_says_what_it_left_out() -> None:
    shown = table(["step", "said"], [(at, None) for at in range(5)], most=2)
    assert shown.count("<tr>") == 3
    assert '<td class="number">1</td><td></td>' in shown
    assert "the first 2 of 5 rows" in shown


def test_settings_are_nested_lists_however_deep() -> None:
    deep: Any = 1
    for _ in range(400):
        deep = {"in": deep}
    assert fragment({"lr": 0.1, "net": {"layers": [64, 64]}}).count("<ul>") == 2
    assert 30 < fragment(deep).count("<ul>") < 100


def test_masks_have_a_legend_below_the_picture() -> None:
    value = Image(np.zeros((4, 5)), masks={"seg": np.ones((4, 5), int)}, mask_labels={"seg": {1: "road", 2: "sky"}})
    text = Page(page(value)).text
    assert "road" in text.partition("details")[0]
    assert "sky" not in text.partition("details")[0]


def test_a_moment_no_calendar_has_leaves_the_step() -> None:
    assert when(1200, 0) == "step 1,200, 1970-01-01 00:00:00 UTC"
    assert when(1, 2**62 * 100) == "step 1"


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser")
@pytest.mark.parametrize(
    "value", [TRIANGLE, PointCloud(np.eye(3) * 2 - 1, np.full((3, 3), 255, np.uint8))], ids=["mesh", "cloud"]
)
def test_a_browser_draws_what_lies_in_space(tmp_path: Path, value: Value) -> None:
    """The script runs under the page's own policy: the canvas is lit, on a page that is otherwise as it was."""
    assert CHROMIUM is not None
    pillow = pytest.importorskip("PIL.Image")
    (tmp_path / "page.html").write_bytes(page(value))
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=700,760", f"--user-data-dir={tmp_path}/profile")
    command = [CHROMIUM, *options, f"--screenshot={tmp_path}/page.png", f"file://{tmp_path}/page.html"]
    subprocess.run(command, capture_output=True, timeout=50, check=True)
    shown = np.asarray(pillow.open(tmp_path / "page.png").convert("RGB"))
    canvas = shown[120:620, 100:500]
    assert (canvas.max(axis=-1) < 5).mean() > 0.3, "the canvas is black"
    assert (canvas.max(axis=-1) > 60).any(), "and something is on it"
