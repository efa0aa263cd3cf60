"""Files: their names, their formats, and what a crash leaves."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.errors import InvalidConfiguration
from asynclog.sinks import Files
from asynclog.sinks.files.names import slug
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.examples import ODD_NAMES, every_kind
from asynclog.values import Image, Mesh, Record, Table, Tensor
from tests.unit.sinks.sinkrun import deliver, run_info

pytest.importorskip("PIL")
pytestmark = pytest.mark.blocking

GREY = Image(np.full((4, 4), 7, np.uint8))


def index_of(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "index.jsonl").read_bytes().split(b"\n")[:-1]]


def files_in(directory: Path) -> set[str]:
    found = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    return found - {"index.jsonl", "scalars.csv"}


HOSTILE = (
    "../../etc/passwd", "/etc/passwd", "..", "CON", "aux.txt", "a\0b", "a\\b", "C:evil", "x" * 10_000, "λ", "", " . ", "-rf",
    "~",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_slug_is_harmless(text: str) -> None:
    found = slug(text)
    assert len(found) <= 80
    assert not set(found) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+=-_")
    assert not found.startswith(".")
    assert not found.endswith(".")


def test_no_name_leads_anywhere_else_and_no_two_are_one(tmp_path: Path) -> None:
    """The index has the true names; the files have numbers and what is harmless of them."""
    names = [*ODD_NAMES, *(("", one) for one in HOSTILE if one), ("", "con"), ("", "λ2")]
    deliver(Files(), tmp_path, [batch_of([(State(0), [(name, GREY) for name in names])])])
    found = index_of(tmp_path / "files")
    assert [(one["namespace"], one["key"]) for one in found] == names
    assert files_in(tmp_path / "files") == {one["file"] for one in found}
    assert len({one["file"].casefold() for one in found}) == len(names)
    assert {path.parent for path in tmp_path.rglob("*.png")} == {tmp_path / "files" / "image"}


def test_the_index_says_what_a_file_is(tmp_path: Path) -> None:
    state = State(3, "valid", 2, 1.5, "epoch", {"samples": 64.0})
    image = Image(np.arange(12, dtype=np.uint8).reshape(3, 2, 2), caption="a cat")
    deliver(Files(), tmp_path, [batch_of([(state, {("net", "recon"): image})], first_time_ns=1_700_000_000_000_000_137)])
    line = (tmp_path / "files" / "index.jsonl").read_text()
    assert '"time": 1700000000.000000137' in line
    (said,) = index_of(tmp_path / "files")
    assert said.pop("time") > 0
    assert said.pop("bytes") == (tmp_path / "files" / said["file"]).stat().st_size
    assert isinstance(said.pop("crc32c"), int)
    assert said == {
        "file": "image/00000000-net_recon.png", "kind": "image", "phase": "valid", "namespace": "net", "key": "recon",
        "step": 3, "epoch": 2, "level": "epoch", "elapsed_s": 1.5, "axes": {"samples": 64.0}, "caption": "a cat",
        "about": {"shape": [3, 2, 2], "dtype": "uint8", "min": 0, "max": 11},
    }  # fmt: skip


def test_formats_are_chosen_by_kind(tmp_path: Path) -> None:
    """None: nothing of that kind, not even in the index; numbers have a table or none."""
    sink = Files("out", formats={"image": ".webp", "histogram": ".npz", "string": None, "scalar": None})
    deliver(sink, tmp_path, [batch_of([(State(0), every_kind())])])
    suffixes = {one["kind"]: Path(one["file"]).suffix for one in index_of(tmp_path / "out")}
    assert (suffixes["image"], suffixes["histogram"], suffixes["mesh"]) == (".webp", ".npz", ".ply")
    assert "string" not in suffixes
    assert not (tmp_path / "out" / "scalars.csv").exists()


def test_a_value_that_the_format_cant_hold_is_written_in_another(tmp_path: Path) -> None:
    """Images of several sizes are no one array; a mesh whose faces point nowhere is kept as its arrays."""
    mixed = Image((np.zeros((4, 5)), np.zeros((6, 3))))
    nowhere = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 9]]))
    batch = batch_of([(State(0), {"mixed": mixed, "nowhere": nowhere})])
    deliver(Files(formats={"image": ".npy"}), tmp_path, [batch])
    assert [one["file"] for one in index_of(tmp_path / "files")] == ["image/00000000-mixed.png", "mesh/00000001-nowhere.npz"]
    assert not batch.rejected


def test_a_value_that_nothing_can_hold_is_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Said again if the batch comes again because something else failed."""
    torn = Table(["a", "b"], rest={"0": [1, 2], "1": [1]})
    batch = batch_of([(State(0), {"torn": torn, "note": "hello"})])
    deliver(Files(), tmp_path, [batch])
    assert list(batch.rejected.values()) == [1]
    assert "table" in next(iter(batch.rejected))
    assert [one["key"] for one in index_of(tmp_path / "files")] == ["note"]


@pytest.mark.parametrize(
    ("formats", "expected"),
    [({"image": ".jpeg"}, ".png"), ({"picture": ".png"}, "image"), ({"scalar": ".npy"}, ".csv")],
)
def test_what_there_isnt_is_refused_at_once(formats: dict[str, str | None], expected: str) -> None:
    with pytest.raises(InvalidConfiguration, match=expected):
        Files(formats=formats)


def test_another_layout_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="numbered"):
        Files(layout="flat")  # type: ignore[arg-type]


def test_images_are_kept_in_full_if_asked(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    large = Image(np.zeros((3, 400, 600), np.uint8))
    for name, keep in (("small", False), ("full", True)):
        deliver(Files(name, keep_resolution=keep), tmp_path, [batch_of([(State(0), {"large": large})])])
    sizes = []
    for name in ("small", "full"):
        with Pillow.open(next((tmp_path / name).rglob("*.png"))) as picture:
            sizes.append(picture.size)
    assert sizes[0] != (600, 400)
    assert sizes[1] == (600, 400)


def test_what_a_crash_left_half_done_is_done_again_under_the_same_names(tmp_path: Path) -> None:
    """The index is cut in a line, and a file has been written that it doesn't tell of."""
    batches = [
        batch_of([(State(step), {"recon": every_kind(step)["image"], "note": f"{step}"})], seq=step) for step in range(3)
    ]
    deliver(Files(), tmp_path, batches)
    directory = tmp_path / "files"
    expected, files = index_of(directory), files_in(directory)
    index = directory / "index.jsonl"
    index.write_bytes(index.read_bytes()[:-30])
    deliver(Files(), tmp_path, batches, epoch=1, resumed=True)
    assert index_of(directory) == expected
    assert files_in(directory) == files


def test_a_new_run_replaces_the_files_of_the_old_index_and_no_others(tmp_path: Path) -> None:
    directory = tmp_path / "files"
    deliver(Files(), tmp_path, [batch_of([(State(0), {"old": GREY, "older": GREY})])])
    (directory / "image" / "mine.png").write_bytes(b"mine")
    (tmp_path / "outside.png").write_bytes(b"mine")
    with (directory / "index.jsonl").open("a") as index:
        index.write('{"file": "../outside.png", "kind": "image"}\n')
    deliver(Files(), tmp_path, [batch_of([(State(0), {"new": GREY})])])
    assert files_in(directory) == {"image/00000000-new.png", "image/mine.png"}
    assert (tmp_path / "outside.png").exists()


def test_an_old_index_reaches_no_file_outside_and_no_folder(tmp_path: Path) -> None:
    """A run's directory may come from somebody else."""
    directory, outside = tmp_path / "run" / "files", tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("mine")
    (directory / "string").mkdir(parents=True)
    (directory / "linked").symlink_to(outside)
    names = ("linked/mine.txt", "../../outside/mine.txt", str(outside / "mine.txt"), "", "string", "a\0b", "string/\ud800")
    lines = [f'{{"file": {json.dumps(name)}, "kind": "string"}}\n' for name in names]
    (directory / "index.jsonl").write_text("".join(lines))
    deliver(Files(), tmp_path / "run", [batch_of([(State(0), {"verdict": "better"})])])
    assert (outside / "mine.txt").read_text() == "mine"
    assert [one["key"] for one in index_of(directory)] == ["verdict"]


@pytest.mark.parametrize("content", [b'{"a": 1}\n', b"\xff\n", b'{"file": 1\n', b'{"file": oops}\n'])
def test_another_ones_index_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "index.jsonl").write_bytes(content)
    for resumed in (False, True):
        with pytest.raises(InvalidConfiguration, match=r"index\.jsonl is no index of this sink"):
            asyncio.run(Files().open(run_info(tmp_path, resumed=resumed)))
    assert (tmp_path / "files" / "index.jsonl").read_bytes() == content


def test_a_batch_that_comes_again_because_the_disk_refused_it_is_there_once(tmp_path: Path) -> None:
    """A file stands where a folder should: the write fails, and later succeeds."""
    sink = Files()
    batch = batch_of([(State(0), {"loss": 0.5, "note": "hello", "recon": GREY})])

    async def delivery() -> None:
        await sink.open(run_info(tmp_path))
        (tmp_path / "files" / "image").write_text("in the way")
        with pytest.raises(OSError, match="image"):
            await sink.write(batch)
        (tmp_path / "files" / "image").unlink()
        await sink.write(batch)
        await sink.aclose()

    asyncio.run(delivery())
    assert [one["file"] for one in index_of(tmp_path / "files")] == ["string/00000000-note.txt", "image/00000001-recon.png"]
    assert len((tmp_path / "files" / "scalars.csv").read_text().splitlines()) == 2


def test_ranks_have_directories_of_their_own(tmp_path: Path) -> None:
    for rank in (0, 3):
        deliver(Files(), tmp_path, [batch_of([(State(0), {"loss": 0.5, "note": f"{rank}"})])], rank=rank)
    assert sorted(os.listdir(tmp_path)) == ["files", "files.rank3"]
    assert (tmp_path / "files.rank3" / "scalars.csv").exists()
    assert (tmp_path / "files.rank3" / "string" / "00000000-note.txt").read_text() == "3"


def result(ix: int, name: str, **channels: Any) -> tuple[State, Any]:
    """A result as integrations.threedb logs it."""
    record = Record(name, 20, "threedb", fields={"result_ix": ix, "item": {"id": name}, "channels": list(channels)})
    tensors = [(("threedb/channels", channel), Tensor(array)) for channel, array in channels.items()]
    return State(ix, "test"), [(("threedb", "result"), record), *tensors]


def test_threedbs_layout_names_channels_by_the_results_id(tmp_path: Path) -> None:
    """RGB as PNG, segmentations as arrays (H, W), what is no picture as an array; other values as ever."""
    rgb, segmentation = np.full((3, 4, 5), 0.5, np.float32), np.arange(20).reshape(1, 4, 5)
    entries = [
        result(0, "mug/0", rgb=rgb, segmentation=segmentation, is_correct=np.array(True)),
        result(1, "mug/0", rgb=rgb, depth=np.linspace(0, 9, 20, dtype=np.float32).reshape(1, 4, 5)),
        (State(2), {"recon": GREY, "note": "hello"}),
    ]
    deliver(Files(layout="threedb"), tmp_path, [batch_of(entries)])
    directory = tmp_path / "files"
    assert {name for name in files_in(directory) if name.startswith("images/")} == {
        "images/mug_0_rgb.png", "images/mug_0_segmentation.npy", "images/mug_0_is_correct.npy",
        "images/mug_0_rgb-2.png", "images/mug_0_depth.png", "images/2_recon.png",
    }  # fmt: skip
    assert np.array_equal(np.load(directory / "images" / "mug_0_segmentation.npy"), segmentation[0])
    assert [one["key"] for one in index_of(directory) if one["file"].startswith("string/")] == ["note"]


def test_threedbs_layout_survives_a_second_delivery(tmp_path: Path) -> None:
    batch = batch_of([result(0, "mug", rgb=np.zeros((3, 4, 5), np.float32))])
    for epoch in (0, 1):
        deliver(Files(layout="threedb"), tmp_path, [batch], epoch=epoch, resumed=bool(epoch))
    assert files_in(tmp_path / "files") == {"images/mug_rgb.png", "record/00000000-threedb_result.json"}
    assert len(index_of(tmp_path / "files")) == 2
