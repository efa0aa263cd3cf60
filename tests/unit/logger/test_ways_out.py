"""What can't be recorded is told with what was expected, what came, and, where it can be guessed, what would make it right."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import asynclog as al
from asynclog.values import Mesh, Rollout
from tests.unit.logger.recording import recorded

zeros = np.zeros
RED = zeros((3, 4, 5), np.uint8)
TONE = zeros(9, np.float32)
POINTS = zeros((9, 3), np.float32)
CORNERS, FACES = np.eye(3), np.array([[0, 1, 2]])
Logs = Callable[[al.MultiLogger], None]


def scalar(value: Any) -> Logs:
    return lambda log: log.log_scalar("k", value)


def image(value: Any, **params: Any) -> Logs:
    return lambda log: log.log_image("k", value, **params)


def audio(value: Any, **params: Any) -> Logs:
    return lambda log: log.log_audio("k", value, **params)


def video(value: Any, **params: Any) -> Logs:
    return lambda log: log.log_video("k", value, **params)


def points(value: Any, **params: Any) -> Logs:
    return lambda log: log.log_point_cloud("k", value, **params)


def mesh(value: Any, faces: Any = FACES, **params: Any) -> Logs:
    return lambda log: log.log_mesh("k", value, faces=faces, **params)


def rollout(**fields: Any) -> Logs:
    return lambda log: log.log_rollout("k", {"messages": [], **fields})


# what is logged, what it says was expected, what it says came, and the way out
WAYS: dict[str, tuple[Logs, str, str, str]] = {
    "scalar: one number in an array": (scalar(zeros(1)), "no dimensions", "shape (1,)", "value.item() is a number"),
    "scalar: one number in a tensor": (scalar(torch.zeros(1, 1)), "no dimensions", "shape (1, 1)", "value.item() is a number"),
    "scalar: one number in a list": (scalar([0.5]), "a number", "list [0.5]", "value[0] is a number"),
    "scalar: many": (scalar(zeros(3)), "no dimensions", "shape (3,)", "log_tensor or log_histogram take arrays"),
    "scalar: text": (scalar("0.5"), "a number", "str '0.5'", "log_string takes text"),
    "scalar: complex": (scalar(1j), "a number", "complex 1j", "abs(value), value.real and value.imag are numbers"),
    "scalar: too large": (scalar(2**63), "-2**63 to 2**63 - 1", str(2**63), "log_string(str(value)) keeps it exact"),
    "scalar: too large of numpy": (scalar(np.uint64(2**63)), "-2**63 to 2**63 - 1", str(2**63), "float(value) rounds it"),
    "scalar: beyond all dtypes": (scalar(-(2**70)), "-2**63 to 2**63 - 1", str(-(2**70)), "float(value) rounds it"),
    "scalar: a date": (scalar(np.datetime64(0, "ns")), "a number", "datetime64[ns]", "astype('int64') makes it a number"),
    "scalar: a value": (scalar(al.Image(RED)), "a number", "Image", "log_image takes it"),
    "image: HCW": (image(zeros((8, 3, 9))), "(C, H, W)", "(8, 3, 9)", "transpose(1, 0, 2) makes it (C, H, W)"),
    "image: HWC as CHW": (image(zeros((8, 9, 3)), layout="CHW"), "(H, W, C)", "layout 'CHW'", "it is taken as HWC"),
    "image: CHW as HWC": (image(zeros((3, 8, 9)), layout="HWC"), "(H, W, C)", "layout 'HWC'", "it is taken as CHW"),
    "image: a layout in small letters": (image(RED, layout="chw"), "a layout among HW", "'chw'", "write 'CHW'"),
    "image: a batch": (image(zeros((2, 3, 4, 5))), "(C, H, W)", "(2, 3, 4, 5)", "a batch, which log_images takes"),
    "images: one": (lambda log: log.log_images("k", RED[0]), "a batch", "(4, 5)", "one image, which log_image takes"),
    "image: flattened": (image(zeros(784)), "(H, W)", "(784,)", "reshape(28, 28)"),
    "image: two channels": (image(zeros((2, 8, 9))), "C of 1, 3 or 4", "(2, 8, 9)", "value[:1] is the first as grey"),
    "image: two channels, last": (image(zeros((8, 9, 2))), "C of 1, 3 or 4", "(8, 9, 2)", "value[..., :1] is the first"),
    "image: complex": (image(zeros((4, 5), complex)), "numbers", "complex128", "abs() or np.angle() make it real"),
    "image: bytes": (image(b"\x89PNG"), "an array of numbers", "bytes", "np.frombuffer(value, dtype) are its numbers"),
    "image: ragged": (image([[1.0, 2.0], [3.0]]), "an array of numbers", "list", "all of its rows must be of one length"),
    "image: a mask of floats": (image(RED, masks={"m": zeros((4, 5))}), "whole numbers or bool", "'m'", "astype(int)"),
    "image: words for a mask": (
        image(RED, masks={"m": zeros((4, 5), int)}, mask_labels={"m": ["sky"]}),
        "as mask_labels",
        "{'m': ['sky']}",
        "",
    ),
    "audio: a batch": (audio(zeros((4, 2, 900))), "(C, T)", "(4, 2, 900)", "a batch, which log_audios takes"),
    "audio: (T, C) as CT": (audio(zeros((900, 2)), layout="CT"), "(C, T)", "layout 'CT'", "it is taken as TC"),
    "audio: (C, T) as TC": (audio(zeros((2, 900)), layout="TC"), "(T, C)", "layout 'TC'", "it is taken as CT"),
    "audio: an image": (audio(zeros((90, 90))), "at most 32 channels", "(90, 90)", "an image or a tensor?"),
    "audio: a number": (audio(0.5), "(T,)", "shape ()", "which log_scalar takes"),
    "audio: a channel": (audio(TONE, channel=1), "a channel among 0 to 0", "channel=1", '"mean" hears them all'),
    "spectrogram: of another": (
        lambda log: log.log_spectrogram("k", zeros((513, 90))),
        "at most 32 channels",
        "(513, 90)",
        "an image or a tensor?",
    ),
    "video: CTHW": (video(zeros((3, 8, 9, 9))), "(T, C, H, W)", "(3, 8, 9, 9)", "transpose(1, 0, 2, 3) makes it (T, C, H, W)"),
    "video: THCW": (video(zeros((8, 9, 3, 9))), "(T, C, H, W)", "(8, 9, 3, 9)", "transpose(0, 2, 1, 3) makes it"),
    "video: RGBA": (video(zeros((8, 9, 9, 4))), "C of 1 or 3", "(8, 9, 9, 4)", "value[..., :3] leaves it out"),
    "video: RGBA, first": (video(zeros((8, 4, 9, 9))), "C of 1 or 3", "(8, 4, 9, 9)", "value[:, :3] leaves it out"),
    "video: a batch": (video(zeros((2, 8, 3, 9, 9))), "(T, C, H, W)", "(2, 8, 3, 9, 9)", "which log_videos takes"),
    "video: an image": (video(zeros((9, 9))), "(T, H, W)", "(9, 9)", "an image, which log_image takes"),
    "video: THWC as TCHW": (video(zeros((8, 9, 9, 3)), layout="TCHW"), "C of 1 or 3", "'TCHW'", "it is taken as THWC"),
    "points: flat": (points(zeros((9, 2))), "(N, 3)", "(9, 2)", "np.pad(points, ((0, 0), (0, 1))) gives them a z of 0"),
    "points: with intensity": (points(zeros((9, 4))), "(N, 3)", "(9, 4)", "points[:, :3] are points"),
    "points: one": (points(zeros(3)), "(N, 3)", "(3,)", "points[None] is a cloud of this one point"),
    "points: not their layout": (points(POINTS, layout="3N"), "(N, 3)", "layout '3N'", "it is taken as N3"),
    "points: a layout in small letters": (points(POINTS, layout="n3"), "a layout among", "'n3'", "write 'N3'"),
    "points: colors turned": (points(POINTS, colors=zeros((3, 9))), "colors (9, 3)", "(3, 9)", "colors.T has them as rows"),
    "points: labels of floats": (points(POINTS, labels=zeros(9)), "whole numbers", "float64", "labels.astype(int)"),
    "points: boxes without angles": (points(POINTS, boxes=zeros((2, 6))), "(K, 9)", "(2, 6)", "angles take 0, 0, 0"),
    "mesh: no faces": (mesh(CORNERS, None), "vertices and faces=", "ndarray", "which log_point_cloud takes"),
    "mesh: vertices turned": (mesh(zeros((3, 8))), "vertices (n, 3)", "(3, 8)", "vertices.T has them as rows"),
    "mesh: flat": (mesh(zeros((8, 2))), "vertices (n, 3)", "(8, 2)", "gives them a z of 0"),
    "mesh: faces of floats": (mesh(CORNERS, zeros((1, 3))), "faces as whole numbers", "float64", "faces.astype(int)"),
    "mesh: quads": (mesh(CORNERS, [[0, 1, 2, 0]] * 2), "faces (n, 3)", "(2, 4)", "two triangles of each"),
    "mesh: normals": (mesh(CORNERS, normals=zeros((2, 3))), "as many normals as vertices, 3", "2", ""),
    "mesh: whole normals": (mesh(CORNERS, normals=[[0, 0, 1]] * 3), "normals as floating point", "int64", ""),
    "histogram: complex": (lambda log: log.log_histogram("k", [1j]), "numbers", "complex128", "abs() or np.angle()"),
    "histogram: text": (lambda log: log.log_histogram("k", ["a"]), "an array of numbers", "list ['a']", ""),
    "tensor: sparse": (
        lambda log: log.log_tensor("k", torch.eye(3).to_sparse()),
        "an array",
        "Tensor",
        "to_dense() makes it one",
    ),
    "tensor: dates": (
        lambda log: log.log_tensor("k", zeros(3, "M8[s]")),
        "an array of numbers",
        "datetime64[s]",
        "astype('int64')",
    ),
    "tensor: objects": (
        lambda log: log.log_tensor("k", np.array([1, 2], object)),
        "an array of numbers",
        "object",
        "astype(float)",
    ),
    "tensor: masked": (
        lambda log: log.log_tensor("k", np.ma.masked_array([1, 2], [0, 1])),
        "an array of numbers",
        "filled(…) gives it one",
        "",
    ),
    "tensor: a kind of narrow float": (
        lambda log: log.log({"k": al.Tensor(zeros(3, np.uint8), "float7")}),
        "a dtype among bfloat16",
        "'float7'",
        "None says that numpy has it",
    ),
    "tensor: bits of another width": (
        lambda log: log.log({"k": al.Tensor(zeros(3, np.uint8), "bfloat16")}),
        "the bits of bfloat16 as uint16",
        "uint8",
        "",
    ),
    "rollout: logprobs of the response": (
        rollout(tokens=[1, 2, 3, 4], logprobs=[-0.5, -0.25]),
        "as many logprobs as tokens, 4",
        "2",
        "np.pad(logprobs, (2, 0)) puts zeros for the prompt in front",
    ),
    "rollout: a batch": (
        rollout(tokens=zeros((2, 9), int)),
        "tokens (T,)",
        "(2, 9)",
        "log each sample as a rollout of its own",
    ),
    "rollout: a row": (rollout(tokens=zeros((1, 9), int)), "tokens (T,)", "(1, 9)", "tokens.reshape(-1) is so"),
    "rollout: tokens of floats": (rollout(tokens=zeros(9)), "tokens as whole numbers", "float64", ""),
    "rollout: its reward": (rollout(reward="good"), "float or None as reward", "str 'good'", ""),
    "rollout: its messages": (lambda log: log.log({"k": Rollout("hi")}), "as messages", "str 'hi'", ""),  # type: ignore[arg-type]
    "record: its level": (lambda log: log.log_record("k", "m", level="INFO"), "int as level", "str 'INFO'", ""),  # type: ignore[arg-type]
    "string: bytes": (lambda log: log.log_string("k", b"x"), "a str", "bytes b'x'", "decode() makes it one"),
    "string: a number": (lambda log: log.log_string("k", 3), "a str", "int 3", "log_scalar takes numbers"),
    "string: a date": (
        lambda log: log.log_string("k", datetime(2026, 1, 1, tzinfo=UTC)),
        "a str",
        "datetime",
        "str(value) is one",
    ),
    "record: a number": (lambda log: log.log_record("k", 3), "a str as its message", "int 3", "str(value) is one"),
    "config: pairs": (lambda log: log.log_config([("lr", 1)], key="k"), "a mapping", "list", "dict(value) makes one"),
    "config: a list": (lambda log: log.log_config([1], key="k"), "a mapping", "list [1]", "write {'name': value}"),
}


@pytest.mark.parametrize("name", WAYS)
async def test_a_wrong_value_is_told_with_the_way_out(tmp_path: Path, name: str) -> None:
    logs, expected, got, way = WAYS[name]
    kind = name.partition(":")[0]

    async def body(log: al.MultiLogger) -> None:
        with pytest.raises(al.InvalidValue) as caught:  # noqa: PT012
            with log.namespace("net"):
                logs(log)
            await log.write(0)
        error = caught.value
        assert error.kind.removesuffix("_cloud").startswith(kind.removesuffix("s"))
        assert (error.namespace, error.key) == ("net", "k")
        assert expected in error.expected
        assert got in error.got
        assert (way in (error.hint or "")) if way else error.hint is None
        assert str(error).startswith(f"{error.kind} 'net/k': expected ")

    await recorded(tmp_path / "run", body, strict=True)


async def test_faces_that_point_at_no_vertex_are_told_when_somebody_looks(tmp_path: Path) -> None:
    """On the loop no number is looked at; and the mesh is read back as it was logged."""

    async def body(log: al.MultiLogger) -> None:
        log.log_mesh("k", CORNERS, faces=FACES + 1)
        await log.write(0)

    (event,) = (await recorded(tmp_path / "run", body, strict=True)).events()
    assert event.value == Mesh(CORNERS, FACES + 1)
    with pytest.raises(al.InvalidValue, match=r"faces within 0 to 2, got 1 to 3; faces - 1, if they were counted from 1"):
        event.value.canonical()


async def test_a_picture_of_0_to_255_in_floating_point_needs_no_scale(tmp_path: Path) -> None:
    """It is recorded as it is, and shown whole."""
    given = np.arange(256, dtype=np.float32).reshape(16, 16)

    async def body(log: al.MultiLogger) -> None:
        log.log_image("k", given, keep_resolution=True)
        await log.write(0)

    (event,) = (await recorded(tmp_path / "run", body, strict=True)).events()
    assert (event.value.data == given).all()
    assert (event.value.canonical()[0] == given).all()
