"""What each dashboard is given."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration
from asynclog.sinks import TensorBoard
from asynclog.sinks.tensorboard import markdown
from asynclog.sinks.tensorboard.pr_curve import curve
from asynclog.testing import batch_of
from tests.unit.sinks.sinkrun import deliver
from tests.unit.sinks.tensorboard.reading import values

plugin_util = pytest.importorskip("tensorboard.plugin_util")


def shown(directory: Path, value: Any, **options: Any) -> Any:
    """What of one value is in the file: the array of its only tag."""
    deliver(TensorBoard(**options), directory, [batch_of([(al.State(0), [("x", value)])])])
    ((_, data),) = values(directory)["train/x"]
    return data


def html(words: str) -> str:
    return plugin_util.markdown_to_safe_html(words)  # type: ignore[no-any-return]


def picture(encoded: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as opened:
        return np.asarray(opened.convert("RGB"))


def test_pictures_of_one_name_are_samples_of_one_event(tmp_path: Path) -> None:
    """The first says how large they are."""
    ones = [("x", al.Image(np.full((3, 10, 20), tone, np.uint8), keep_resolution=True)) for tone in (0, 100)]
    deliver(TensorBoard(), tmp_path, [batch_of([(al.State(0), [*ones, ("between", "text")])])])
    ((_, data),) = values(tmp_path)["train/x"]
    assert data[:2].tolist() == [b"20", b"10"]
    assert [picture(one).mean() for one in data[2:]] == [0, 100]


def test_a_caption_stands_below_its_picture(tmp_path: Path) -> None:
    plain = np.zeros((3, 10, 90), np.uint8)
    _, _, encoded = shown(tmp_path, al.Image(plain, keep_resolution=True, caption="a word"))
    below = picture(encoded)[10:]
    assert len(below) > 5
    assert below.any()


def test_masks_and_boxes_lie_over_their_picture(tmp_path: Path) -> None:
    boxed = al.Image(np.zeros((3, 20, 20), np.uint8), keep_resolution=True, boxes=np.array([[2.0, 2, 9, 9]]))
    *_, encoded = shown(tmp_path, boxed)
    assert picture(encoded)[2, 2:9].any()


def test_a_histogram_has_sixty_four_buckets_at_most_and_all_its_counts(tmp_path: Path) -> None:
    counts = np.arange(512)
    buckets = shown(tmp_path, al.Histogram(counts, -2.0, 6.0, int(counts.sum()), 0.0, 1.0))
    assert buckets.shape == (64, 3)
    assert (buckets[0, 0], buckets[-1, 1], buckets[:, 2].sum()) == (-2.0, 6.0, counts.sum())


@pytest.mark.parametrize(("low", "high", "expected"), [(3.0, 3.0, [[2.5, 3.5, 6.0]]), (np.nan, np.nan, np.empty((0, 3)))])
def test_a_histogram_of_one_number_or_of_none_can_be_shown(tmp_path: Path, low: float, high: float, expected: Any) -> None:
    """One has a width; none has no buckets."""
    counts = np.array([6, 0, 0]) if low == low else np.zeros(3, np.int64)
    buckets = shown(tmp_path, al.Histogram(counts, low, high, 6, low, 0.0))
    assert np.array_equal(buckets, np.asarray(expected))


def test_a_tensor_is_a_histogram_of_its_numbers(tmp_path: Path) -> None:
    buckets = shown(tmp_path, al.Tensor(np.array([[0.0, 3.0], [4j, np.nan]])))
    assert (buckets[0, 0], buckets[-1, 1], buckets[:, 2].sum()) == (0.0, 4.0, 3)


def test_what_is_not_what_it_says_is_rejected_and_the_rest_is_shown(tmp_path: Path) -> None:
    """Each counted, with the series and the reason."""
    wrong = al.Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 9]]))
    batch = batch_of([(al.State(0), [("bad", wrong), ("good", "words"), ("loss", 0.5)])])
    deliver(TensorBoard(), tmp_path, [batch])
    assert values(tmp_path).keys() == {"train/good", "train/loss"}
    ((why, count),) = batch.rejected.items()
    assert count == 1
    assert "train/bad: mesh: expected faces within 0 to 2, got 0 to 9" in why


def test_words_are_shown_as_they_were_said() -> None:
    """What looks like Markdown or HTML in a cell or a message isn't taken for it."""
    table = al.Table.of_rows(["a|b", "*c*"], [("<b>x</b> | _y_ &lt;", None), ("two\nlines", 0.5)])
    shown = html(markdown.table(table))
    assert "<td>&lt;b&gt;x&lt;/b&gt; | _y_ &amp;lt;</td>" in shown
    assert "<th>a|b</th>" in shown
    assert "<th>*c*</th>" in shown
    assert "two<br>lines" in shown
    rollout = al.Rollout([{"role": "user", "content": "```py\n<i>1</i>\n```"}], reward=0.5)
    said = html(markdown.rollout(rollout))
    assert "<code>```py\n&lt;i&gt;1&lt;/i&gt;\n```\n</code>" in said
    assert "<strong>user</strong>" in said
    assert "<td>0.5</td>" in said


def test_a_record_has_level_place_fields_and_exception() -> None:
    record = al.Record("disk *nearly* full", 30, "os.disk", "disk.py:7", exception="OSError: 28", fields={"left": 12})
    said = html(markdown.record(record))
    for part in ("<strong>WARNING</strong> os.disk disk.py:7", "disk *nearly* full", "<td>left</td>", "OSError: 28"):
        assert part in said


def test_a_long_table_is_cut_and_says_so() -> None:
    said = markdown.table(al.Table.of_rows(["n"], [(row,) for row in range(1205)]))
    assert said.endswith("… and 1,005 more rows")
    assert said.count("\n| ") == 201


def test_a_pr_curve_counts_at_each_threshold() -> None:
    """Against a count example by example."""
    random = np.random.default_rng(0)
    scores, labels, weights = random.random(300), random.random(300) < 0.4, random.random(300)
    found = curve(labels, scores, weights)
    for at, threshold in enumerate(np.linspace(0, 1, 201)):
        # Where a score lies in the threshold's own place, the rounding of either decides.
        if np.abs(scores - threshold).min() < 1e-9:
            continue
        positive = scores >= threshold
        right, wrong = weights[positive & labels].sum(), weights[positive & ~labels].sum()
        missed, refused = weights[~positive & labels].sum(), weights[~positive & ~labels].sum()
        assert found[:4, at] == pytest.approx([right, wrong, refused, missed], abs=1e-3)
        assert found[4:, at] == pytest.approx([right / max(right + wrong, 1e-7), right / (right + missed)], abs=1e-4)


@pytest.mark.parametrize(
    ("columns", "why"), [(("label", "score"), "a column 'label'"), (("said", "score"), "numbers in the column 'said'")]
)
def test_a_table_without_a_curves_columns_stays_a_table(tmp_path: Path, columns: tuple[str, str], why: str) -> None:
    batch = batch_of([(al.State(0), {"found": al.Table.of_rows(["said", "score"], [("yes", 0.5)])})])
    deliver(TensorBoard(pr_curves={"found": columns}), tmp_path, [batch])
    assert values(tmp_path).keys() == {"train/found"}
    assert why in next(iter(batch.rejected))


@pytest.mark.parametrize(
    "wrong",
    [
        {"layout": {"a": {"b": ["Multiline", []]}}},
        {"layout": {"a": {"b": ["Margin", ["one", "two"]]}}},
        {"layout": {"a": {"b": ["Pie", ["one"]]}}},
        {"pr_curves": {"a": ["one"]}},
        {"serve": 70_000},
    ],
)
def test_wrong_settings_are_named_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfiguration):
        TensorBoard(**wrong)


def test_a_layout_is_written_once(tmp_path: Path) -> None:
    layout = {"Losses": {"all": ["Multiline", ["loss.*"]]}}
    for epoch in range(2):
        sink = TensorBoard(layout=layout, run_per_phase=True)
        entries = [(al.State(epoch, phase), {"loss": 0.5}) for phase in ("train", "valid")]
        deliver(sink, tmp_path, [batch_of(entries, first_time_ns=(1 + epoch) * 10**18)], resumed=epoch > 0, epoch=epoch)
    assert len(values(tmp_path)["custom_scalars__config__"]) == 1
