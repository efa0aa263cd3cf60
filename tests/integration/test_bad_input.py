"""Bad input costs itself and nothing else: it is named exactly, counted, recorded, and raised only by a strict logger."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import asynclog as al
from asynclog.errors import RunInUse, RunUnwritable
from tests.integration import scripts
from tests.unit.logger.recording import recorded

RAGGED = [[1.0, 2.0], [3.0]]
Logs = Callable[[al.MultiLogger], None]

NAN = math.nan
TONE, FILM, RED = np.zeros(9, np.float32), np.zeros((2, 3, 4, 4), np.uint8), np.zeros((3, 2, 2), np.uint8)


class Unreadable:
    def __float__(self) -> float:
        raise KeyError("gone")


def log_within_a_number(log: al.MultiLogger) -> None:
    with log.namespace(3), log.namespace("inner"):  # type: ignore[arg-type]
        log.log_string("k", "x")


# what is logged, the kind it names, what it says was expected, what it says it got
WRONG: dict[str, tuple[Logs, str, str, str]] = {
    "scalar: an object": (lambda log: log.log_scalar("k", object()), "scalar", "a number", "object <object object"),
    "scalar: None": (lambda log: log.log_scalar("k", None), "scalar", "a number", "NoneType None"),
    "scalar: a list": (lambda log: log.log_scalar("k", [1.0]), "scalar", "a number", "list [1.0]"),
    "scalar: bytes": (lambda log: log.log_scalar("k", b"1"), "scalar", "a number", "bytes b'1'"),
    "scalar: complex": (lambda log: log.log_scalar("k", 1j), "scalar", "a number", "complex 1j"),
    "scalar: too large": (lambda log: log.log_scalar("k", 2**63), "scalar", "a whole number of 64 bits", str(2**63)),
    "scalar: an array": (lambda log: log.log_scalar("k", np.zeros(3)), "scalar", "no dimensions", "shape (3,), float64"),
    "scalar: a tensor": (lambda log: log.log_scalar("k", torch.zeros(2, 2)), "scalar", "no dimensions", "(2, 2)"),
    "scalar: complex tensor": (lambda log: log.log_scalar("k", torch.tensor(1j)), "scalar", "a number", "complex64"),
    "scalar: text": (lambda log: log.log_scalar("k", "text"), "scalar", "a number", "str 'text'"),
    "scalar: an image": (lambda log: log.log_scalar("k", al.Image(RED)), "scalar", "a number", "Image"),
    "scalar: makes text": (lambda log: log.log_scalar("k", lambda: "text"), "scalar", "a number", "str 'text'"),
    "scalar: unreadable": (lambda log: log.log_scalar("k", Unreadable()), "scalar", "can be read", "KeyError: 'gone'"),
    "scalar: its namespace": (lambda log: log.log_scalar("k", 1.0, namespace=3), "scalar", "a str as its namespace", "int 3"),
    "string: its namespace": (lambda log: log.log_string("k", "x", namespace=0), "string", "a str as its namespace", "int 0"),
    "string: within a namespace": (log_within_a_number, "string", "a str as its namespace", "int 3"),
    "scalar: reduced": (lambda log: log.log_scalar("k", "x", reduce="sum"), "scalar", "a number", "str 'x'"),
    "string: a number": (lambda log: log.log_string("k", 3), "string", "a str", "int 3"),
    "string: bytes": (lambda log: log.log_string("k", b"x"), "string", "a str", "bytes b'x'"),
    "string: half a pair": (lambda log: log.log_string("k", "\ud800"), "string", "", "surrogate"),
    "image: text": (lambda log: log.log_image("k", "cat.png"), "image", "an array of numbers", "str 'cat.png'"),
    "image: None": (lambda log: log.log_image("k", None), "image", "an array of numbers", "NoneType"),
    "image: HCW": (lambda log: log.log_image("k", np.zeros((8, 3, 9))), "image", "(C, H, W)", "shape (8, 3, 9)"),
    "image: a layout": (lambda log: log.log_image("k", RED, layout="WHC"), "image", "a layout among HW, CHW, HWC", "'WHC'"),
    "image: not its layout": (lambda log: log.log_image("k", RED, layout="HWC"), "image", "(H, W, C)", "in the layout 'HWC'"),
    "image: a mask": (lambda log: log.log_image("k", RED, masks={"m": np.zeros((9, 9), int)}), "image", "masks of", "'m' of"),
    "image: boxes": (lambda log: log.log_image("k", RED, boxes=[[1, 2, 3]]), "image", "(K, 4)", "shape (1, 3)"),
    "image: box labels": (
        lambda log: log.log_image("k", RED, boxes=[[1, 2, 3, 4]], box_labels=["a", "b"]),
        "image",
        "as many box_labels as boxes, 1",
        "2",
    ),
    "image: a label": (lambda log: log.log_labeled_image("k", (RED, 7)), "image", "(image, label)", "tuple"),
    "images: none": (lambda log: log.log_images("k", []), "image", "a batch", "none of them"),
    "images: one image": (lambda log: log.log_images("k", np.zeros((5, 5))), "image", "a batch", "(5, 5)"),
    "images: captions": (
        lambda log: log.log_images("k", [RED, RED], captions=["one"]),
        "image",
        "as many captions as images, 2",
        "1",
    ),
    "image: a batch": (lambda log: log.log_image("k", np.zeros((2, 3, 4, 4))), "image", "(C, H, W)", "(2, 3, 4, 4)"),
    "image: empty": (lambda log: log.log_image("k", np.zeros((3, 0, 4))), "image", "(C, H, W)", "(3, 0, 4)"),
    "image: complex": (lambda log: log.log_image("k", np.zeros((3, 4, 4), complex)), "image", "numbers", "complex128"),
    "image: ragged": (lambda log: log.log_image("k", RAGGED), "image", "an array", "list [[1.0, 2.0], [3.0]]"),
    "image: objects": (lambda log: log.log_image("k", np.array([[None]])), "image", "an array of numbers", "object"),
    "image: caption": (
        lambda log: log.log_image("k", np.zeros((4, 4)), caption=object()),
        "image",
        "a str as caption",
        "object",
    ),
    "image: other kind": (lambda log: log.log_image("k", al.Audio(np.zeros(4))), "image", "an array of numbers", "Audio"),
    "audio: square": (lambda log: log.log_audio("k", np.zeros((100, 50))), "audio", "(C, T)", "shape (100, 50)"),
    "audio: bool": (lambda log: log.log_audio("k", np.zeros(9, bool)), "audio", "numbers", "dtype bool"),
    "audio: rate 0": (lambda log: log.log_audio("k", TONE, sample_rate=0), "audio", "whole number of Hz", "sample_rate=0"),
    "audio: rate < 0": (lambda log: log.log_audio("k", TONE, sample_rate=-8000), "audio", "whole number of Hz", "=-8000"),
    "audio: rate NaN": (lambda log: log.log_audio("k", TONE, sample_rate=NAN), "audio", "whole number of Hz", "=nan"),
    "audio: rate text": (lambda log: log.log_audio("k", TONE, sample_rate="8k"), "audio", "whole number of Hz", "='8k'"),
    "audio: rate 0.5": (lambda log: log.log_audio("k", TONE, sample_rate=0.5), "audio", "whole number of Hz", "=0.5"),
    "audio: rate 2**32": (lambda log: log.log_audio("k", TONE, sample_rate=2**32), "audio", "of 32 bits", "=4294967296"),
    "audio: an object's": (lambda log: log.log_audio("k", al.Audio(TONE, 0)), "audio", "whole number of Hz", "sample_rate=0"),
    "video: fps 0": (lambda log: log.log_video("k", FILM, fps=0), "video", "frames per second", "fps=0"),
    "video: fps NaN": (lambda log: log.log_video("k", FILM, fps=NAN), "video", "frames per second", "fps=nan"),
    "video: fps inf": (lambda log: log.log_video("k", FILM, fps=math.inf), "video", "frames per second", "fps=inf"),
    "video: fps text": (lambda log: log.log_video("k", FILM, fps="30"), "video", "frames per second", "fps='30'"),
    "video: fps an array": (lambda log: log.log_video("k", FILM, fps=TONE), "video", "frames per second", "fps=array"),
    "video: an object's": (lambda log: log.log_video("k", al.Video(FILM, -1.0)), "video", "frames per second", "fps=-1.0"),
    "video: CTHW": (lambda log: log.log_video("k", np.zeros((3, 5, 8, 9))), "video", "(T, C, H, W)", "(3, 5, 8, 9)"),
    "video: HW": (lambda log: log.log_video("k", np.zeros((8, 9))), "video", "(T, C, H, W)", "(8, 9)"),
    "points: flat": (lambda log: log.log_point_cloud("k", np.zeros((9, 2))), "point_cloud", "(N, 3)", "(9, 2)"),
    "points: colors": (
        lambda log: log.log_point_cloud("k", np.zeros((9, 3)), colors=np.zeros((8, 3), np.uint8)),
        "point_cloud",
        "as many colors as points, 9",
        "8",
    ),
    "mesh: no faces": (lambda log: log.log_mesh("k", np.eye(3)), "mesh", "vertices and faces=", "ndarray"),
    "mesh: faces": (lambda log: log.log_mesh("k", np.eye(3), faces=[[0.0, 1.0, 2.0]]), "mesh", "whole numbers", "float64"),
    "table: no columns": (lambda log: log.log_table("k", [(1, 2)]), "table", "columns=", "NoneType"),
    "table: a short row": (lambda log: log.log_table("k", [(1,)], columns=["a", "b"]), "table", "rows of 2: a, b", "(1,)"),
    "rollout: a field": (lambda log: log.log_rollout("k", {"message": "hi"}), "rollout", "fields among messages", "message"),
    "record: a number": (lambda log: log.log_record("k", 3), "record", "a str as its message", "int 3"),
    "histogram: text": (lambda log: log.log_histogram("k", ["a", "b"]), "histogram", "an array of numbers", "list"),
    "histogram: complex": (lambda log: log.log_histogram("k", [1j]), "histogram", "numbers", "complex128"),
    "tensor: dates": (
        lambda log: log.log_tensor("k", np.zeros(3, "datetime64[s]")),
        "tensor",
        "an array of numbers",
        "datetime64",
    ),
    "tensor: sparse": (lambda log: log.log_tensor("k", torch.eye(3).to_sparse()), "tensor", "an array", "Tensor"),
    "config: a list": (lambda log: log.log_config([1, 2], key="k"), "config", "a mapping", "list [1, 2]"),
    "config: text": (lambda log: log.log_config("lr=3", key="k"), "config", "a mapping", "str 'lr=3'"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_value_is_told_as_an_event_and_the_rest_goes_on(tmp_path: Path, name: str) -> None:
    log_wrong, kind, expected, got = WRONG[name]

    async def body(log: al.MultiLogger) -> None:
        with log.namespace("net"):
            log_wrong(log)
        log.log_scalar("loss", 0.5)
        log.log_string("note", "fine")
        await log.write(3)
        log.log_scalar("loss", 0.25)
        await log.write(4)
        assert log.statistics()["invalid"] == 1

    run = await recorded(tmp_path / "run", body)
    assert run.series("loss").value.tolist() == [0.5, 0.25]
    (told,) = run.events(namespace="asynclog", key="invalid")
    assert told.step == 3
    assert told.value.startswith(f"{kind} 'net/k': expected ")
    said_expected, _, said_got = told.value.partition(", got ")
    assert expected in said_expected
    assert got in said_got
    assert sorted(event.key for event in run.events() if event.key != "invalid") == ["loss", "loss", "note"]


@pytest.mark.parametrize("name", WRONG)
async def test_a_strict_logger_raises_and_lives_on(tmp_path: Path, name: str) -> None:
    log_wrong, kind, expected, got = WRONG[name]

    async def body(log: al.MultiLogger) -> None:
        with pytest.raises(al.InvalidValue) as caught:  # noqa: PT012
            with log.namespace("net"):
                log_wrong(log)
            await log.write(0)
        error = caught.value
        assert (error.namespace, error.key, error.kind) == ("net", "k", kind)
        assert expected in error.expected
        assert got in error.got
        log.log_scalar("loss", 0.5)
        await log.write(1)

    run = await recorded(tmp_path / "run", body, strict=True)
    assert [(event.key, event.step) for event in run.events()] == [("loss", 1)]


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_a_flood_of_bad_input_is_counted_and_told_in_part(tmp_path: Path, recorder: str) -> None:
    async def body(log: al.MultiLogger) -> None:
        for step in range(1000):
            log.log_scalar("bad", None)
            log.log_scalar("loss", 0.5)
            await log.write(step)
        assert log.statistics()["invalid"] == 1000

    run = await recorded(tmp_path / "run", body, recorder=recorder)
    assert len(run.series("loss")) == 1000
    assert len(list(run.events(key="invalid"))) == 100


async def test_a_bad_number_in_a_row_handle_costs_itself_alone(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        row = log.row("a", "b", namespace="arm")
        row(0, 1.0, 2.0)
        row(1, 1.0, None)
        row(2, 1.0, 2.0)
        log.log_scalar("loss", 0.5)
        await log.write(3)
        assert log.statistics()["invalid"] == 1

    run = await recorded(tmp_path / "run", body)
    assert run.series("arm/a").step.tolist() == [0, 1, 2]
    assert run.series("arm/b").step.tolist() == [0, 2]
    (told,) = run.events(key="invalid")
    assert told.value.startswith("scalar 'arm/b': expected a number")


KEYS = [
    "a/b",
    "/",
    "//",
    "../../etc/passwd",
    "..",
    "nul\0inside",
    "🙂",
    "long" * 2500,
    "",
    " ",
    "a\nb",
    "ключ",
    "C:\\x",
    "\u202egnp",
]


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_any_text_is_a_key(tmp_path: Path, recorder: str) -> None:
    """Keys never become file names, and are given back as they were."""
    memory = al.sinks.Memory()
    sinks = [memory, al.Route(al.sinks.JSONLines("lines.jsonl"), name="lines"), al.Route(al.sinks.CSV("wide.csv"), name="csv")]

    async def body(log: al.MultiLogger) -> None:
        for step in range(3):
            for at, key in enumerate(KEYS):
                log.log_scalar(key, at * 0.5)
                log.log_string(key, str(at), namespace=key)
                log.log_image(key, np.full((2, 2), at, np.uint8))
            await log.write(step)

    run = await recorded(tmp_path / "run", body, recorder=recorder, sinks=sinks)
    for events in (list(run.events()), memory.events):
        found = {(event.kind, event.key): event for event in events}
        for at, key in enumerate(KEYS):
            assert found["scalar", key].value == at * 0.5
            assert found["string", key].value == str(at)
            assert found["string", key].namespace == key
            assert found["image", key].value.data[0, 0] == at
        assert len(events) == 3 * 3 * len(KEYS)
    outside = {path.name for path in tmp_path.iterdir()}
    assert outside == {"run"}


NO_KEYS: list[tuple[Any, str]] = [(3, "int 3; write '3'"), (None, "NoneType None"), (b"k", "bytes b'k'"), ((1, 2), "tuple")]
WAYS: dict[str, tuple[str, Callable[[al.MultiLogger, Any], None]]] = {
    "log_scalar": ("scalar", lambda log, key: log.log_scalar(key, 0.5)),
    "log_scalar, a sum": ("scalar", lambda log, key: log.log_scalar(key, 0.5, reduce="sum")),
    "log": ("scalar", lambda log, key: log.log({key: 0.5})),
    "log, text": ("string", lambda log, key: log.log({key: "text"})),
    "log, under a namespace": ("scalar", lambda log, key: log.log({key: 0.5}, namespace="ns")),
    "log_string": ("string", lambda log, key: log.log_string(key, "x")),
    "log_image": ("image", lambda log, key: log.log_image(key, RED)),
    "log_config": ("config", lambda log, key: log.log_config({}, key=key)),
}


@pytest.mark.parametrize(("key", "got"), NO_KEYS, ids=["int", "None", "bytes", "tuple"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_key_that_is_no_text_is_told_and_costs_its_value_alone(tmp_path: Path, key: Any, got: str, way: str) -> None:
    kind, log_it = WAYS[way]

    async def body(log: al.MultiLogger) -> None:
        for step in range(3):
            log.log_scalar("loss", 0.5)
            log_it(log, key)
            await log.write(step)
        assert log.statistics()["invalid"] == 3
        assert log.statistics()["discarded"] == 0

    run = await recorded(tmp_path / "run", body)
    assert run.series("loss").step.tolist() == [0, 1, 2]
    told = list(run.events(key="invalid"))
    assert [one.step for one in told] == [0, 1, 2]
    assert told[0].value.startswith(f"{kind} ")
    assert repr(key) in told[0].value.partition(": expected ")[0]
    assert f"expected a str as its key, got {got}" in told[0].value
    assert len(run) == 6


@pytest.mark.parametrize("way", WAYS)
async def test_a_strict_logger_raises_a_key_that_is_no_text(tmp_path: Path, way: str) -> None:
    kind, log_it = WAYS[way]

    async def body(log: al.MultiLogger) -> None:
        with pytest.raises(al.InvalidValue, match="expected a str as its key, got int 3") as caught:  # noqa: PT012
            log_it(log, 3)
            await log.write(0)
        assert (caught.value.key, caught.value.kind) == ("3", kind)
        log.log_scalar("loss", 0.5)
        await log.write(1)

    assert len(await recorded(tmp_path / "run", body, strict=True)) == 1


async def test_a_number_as_key_is_never_taken_for_its_text(tmp_path: Path) -> None:
    """Under one of the two the other's values would be lost, and nobody told."""

    async def body(log: al.MultiLogger) -> None:
        for step in range(5):
            log.log_scalar(1, 0.5)  # type: ignore[arg-type]
            log.log_scalar("1", 0.25)
            await log.write(step)

    run = await recorded(tmp_path / "run", body)
    assert run.series("1").value.tolist() == [0.25] * 5
    assert len(list(run.events(key="invalid"))) == 5


async def test_a_key_that_cant_be_hashed_is_told_at_once(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_scalar(["k"], 0.5)  # type: ignore[arg-type]
        log.log_scalar("loss", 0.5)
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    (told,) = run.events(key="invalid")
    assert "expected a str as its key, got list ['k']" in told.value
    assert len(run.series("loss")) == 1


async def test_a_key_whose_text_has_half_a_pair_is_recorded_escaped(tmp_path: Path) -> None:
    """A file name as the operating system gives it."""

    async def body(log: al.MultiLogger) -> None:
        for step in range(3):
            log.log_scalar("\udcff.png", 0.5)
            log.log_string("\udcff.png", "x")
            await log.write(step)

    run = await recorded(tmp_path / "run", body)
    assert [event.key for event in run.events()] == ["\\udcff.png"] * 6
    assert run.damage == []


@pytest.mark.parametrize(("keys", "namespace"), [(("a", 3), None), ((None,), None), (("a",), 3)])
async def test_a_row_handle_wants_text_for_keys_and_namespace(tmp_path: Path, keys: Any, namespace: Any) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        with pytest.raises(al.InvalidValue, match="expected a str as"):
            log.row(*keys, namespace=namespace)
        with pytest.raises(al.InvalidValue, match="'phase': expected one of train, valid, test"):
            log.row("a", phase="training")  # type: ignore[arg-type]


async def test_a_child_wants_text_for_its_namespace(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        with pytest.raises(al.InvalidValue, match="namespace: expected a str as its namespace, got int 3"):
            log.child(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [None, 3, [("a", 1.0)], "text"], ids=["None", "int", "pairs", "text"])
async def test_what_is_no_mapping_is_told(tmp_path: Path, values: Any) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log(values)
        log.log_scalar("loss", 0.5)
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    (told,) = run.events(key="invalid")
    assert told.value.startswith(f"mapping: expected a mapping of keys to values, got {type(values).__name__}")
    assert len(run) == 2


@pytest.mark.parametrize("mapping_first", [True, False])
@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_text_is_taken_by_log_and_refused_by_log_scalar(tmp_path: Path, recorder: str, mapping_first: bool) -> None:
    """Whichever comes first, and also under keys that held numbers a moment ago."""

    async def body(log: al.MultiLogger) -> None:
        for step in range(20):
            texts = step % 5 == 4
            given = {"a": 1.0, "b": "text" if texts else 2.0, "c": (lambda: "made") if texts else 3.0}
            if mapping_first:
                log.log(given)
            log.log_scalar("d", "text" if texts else 4.0)
            if not mapping_first:
                log.log(given)
            await log.write(step)
        assert log.statistics()["invalid"] == 4

    run = await recorded(tmp_path / "run", body, recorder=recorder)
    assert [event.value for event in run.events(kind="string", key="b")] == ["text"] * 4
    assert [event.value for event in run.events(kind="string", key="c")] == ["made"] * 4
    assert [event.value.partition(", got ")[2] for event in run.events(key="invalid")] == [
        "str 'text'; log_string takes text"
    ] * 4
    assert [len(run.series(key)) for key in "abcd"] == [20, 16, 16, 16]


async def test_a_strict_logger_counts_a_refused_write_once(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread", strict=True) as log:
        log.log({"a": 1.0, "b": None})
        with pytest.raises(al.InvalidValue):
            await log.write(0)
        assert log.statistics()["discarded"] == 2
        log.log({"a": 1.0, "b": None})
        with pytest.raises(al.InvalidValue):
            log.write_nowait(0)
        assert log.statistics()["discarded"] == 4


async def test_the_step_after_the_last_is_refused_by_the_write(tmp_path: Path) -> None:
    last = al.State(2**63 - 1)

    async def body(log: al.MultiLogger) -> None:
        row = log.row("r")
        row(last, 1.0)
        for _ in range(3):  # also on the quick path
            log.log_scalar("loss", 0.5)
            await log.write(last)
        wrong = "state 'step': expected a whole number of 64 bits, got 9223372036854775808"
        log.log_scalar("loss", 0.5)
        with pytest.raises(al.InvalidValue, match=wrong):
            await log.write(last.next())
        with pytest.raises(al.InvalidValue, match=wrong):
            row(last.next(), 1.0)
        with pytest.raises(al.InvalidValue, match=wrong):
            log.at(last.next())
        log.log_scalar("loss", 0.5)
        with pytest.raises(al.InvalidValue, match=wrong):
            log.write_nowait(last.next())

    run = await recorded(tmp_path / "run", body)
    assert run.series("loss").step.tolist() == [2**63 - 1] * 3
    assert len(run.series("r")) == 1


@pytest.mark.parametrize("state", ["1", None, 1.5, 2**63, object()], ids=["text", "none", "fraction", "too wide", "object"])
async def test_a_step_that_is_no_whole_number_is_refused(tmp_path: Path, state: Any) -> None:
    async def body(log: al.MultiLogger) -> None:
        for _ in range(3):  # also on the quick path
            log.log_scalar("loss", 0.5)
            await log.write(0)
        log.log_scalar("loss", 0.5)
        with pytest.raises(al.InvalidValue, match="state 'step': expected a whole number"):
            await log.write(state)
        assert log.statistics()["discarded"] == 1
        log.log_scalar("loss", 0.5)
        await log.write(1)

    run = await recorded(tmp_path / "run", body)
    assert run.series("loss").step.tolist() == [0, 0, 0, 1]


# -- directories -------------------------------------------------------------------------------------------------------


async def refused(path: Path, error: type[Exception], *words: str) -> None:
    log = al.MultiLogger(path)
    with pytest.raises(error) as caught:
        async with log:
            pass
    for word in (str(path), *words):
        assert word in str(caught.value)


async def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    await refused(tmp_path / "run", RunUnwritable, "a file is in the way")
    await refused(tmp_path / "run" / "below", RunUnwritable, "a file is in the way")
    assert (tmp_path / "run").read_text() == "mine"


async def test_a_directory_that_cant_be_written_is_refused() -> None:
    await refused(Path("/proc/nowhere/run"), RunUnwritable, "can't be written")


async def test_a_foreign_run_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("[1, 2]")
    await refused(tmp_path / "run", RunUnwritable, "run.json is not one of ours")


async def test_a_run_in_use_by_this_process_is_refused(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        await refused(tmp_path / "run", RunInUse, "is in use")
        log.log_scalar("x", 0.5)
        await log.write(0)
    assert len(al.read(tmp_path / "run")) == 1


async def test_a_run_in_use_by_another_process_is_refused_until_it_ends(tmp_path: Path) -> None:
    program = """
log = al.MultiLogger(path)
log.log_scalar("x", 0.5); log.write_nowait(0)
print("open", flush=True)
sys.stdin.read()
log.close()
"""
    process = await asyncio.to_thread(scripts.start, program, tmp_path / "run")
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "open\n"
    await refused(tmp_path / "run", RunInUse, f"process {process.pid}")
    await asyncio.to_thread(process.communicate, timeout=20)
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        log.log_scalar("x", 0.5)
        await log.write(1)
    assert al.read(tmp_path / "run").series("x").step.tolist() == [0, 1]
