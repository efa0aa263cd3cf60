"""Makes the golden vectors in ``frames/``: python -m tests.conformance.make_frames

Each ``NAME.alog`` is a stream of frames made from fixed inputs; ``NAME.json`` beside it says what a decoder of any language is
to find there: each frame's header and content, and the records they come to. Whole numbers that may need more than 53 bits
are strings, and so are numbers that are not finite. Vectors are never changed, only added: today's reader must read what
an earlier writer wrote.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from asynclog.errors import DamagedFrame
from asynclog.values import Audio, Config, Histogram, Image, PointCloud, Tensor, Text, Value
from asynclog.wire.codec import compressed, raw_payload
from asynclog.wire.frame import Frame, pack_meta
from asynclog.wire.layout import Flag, Kind
from asynclog.wire.schema import Schema, Series, series_frame
from asynclog.wire.segment import Damage, Scanner
from asynclog.wire.stream import StreamDecoder
from tests.frames import START_NS, encoded, event, footer, heartbeat, rows, segment, sparse, sparse_record

DIRECTORY = Path(__file__).parent / "frames"
LOSS, SEEN = Series("train", "", "loss"), Series("train", "data", "seen", "q", "sum")
PLAIN = Schema(1, (LOSS,))
FULL = Schema(2, (LOSS, SEEN), due=True, elapsed=True, axes=("samples", "policy_version"))


def opened(*frames: Frame, **meta: Any) -> list[Frame]:
    facts = {"rank": 0, "host": "here", "pid": 7, "routes": ["csv", "board"], "always": 2, "wall_ns": START_NS}
    return [segment(0, **facts, **meta), *frames]


def large_array() -> list[Frame]:
    data = np.arange(300, dtype="<u2")
    whole = event("large", Tensor(data), seq=2, parts=[0, 1])
    payload = data.tobytes()
    parts = [Frame(Kind.BLOB, seq=at, time=START_NS, payload=payload[320 * at : 320 * at + 320]) for at in (0, 1)]
    return opened(*parts, Frame(Kind.EVENT, seq=2, time=START_NS + 1, count=1, meta_bytes=whole.meta_bytes))


def media() -> list[Frame]:
    values: list[Value] = [
        Image(np.arange(12, dtype="u1").reshape(3, 2, 2), caption="träin"),
        Audio(np.array([[0.0, 0.5, -1.0]], "<f4"), 16_000),
        Histogram(np.arange(4, dtype="<i8"), -1.0, 1.0, 9, 0.25, 0.5, nans=1, below=1, above=1),
        PointCloud(np.zeros((2, 3), "<f4"), np.full((2, 3), 255, "u1")),
        Tensor(np.array(2.5, ">f8")),
        Text("some text"),
        Config({"lr": 0.001, "layers": [64, 64], "name": None}),
    ]
    return opened(*(event(f"v{at}", one, seq=at, time=at + 1, step=at) for at, one in enumerate(values)))


def whole_segment() -> list[Frame]:
    index = np.array([(320, 0, START_NS + 1)], [("offset", "<u8"), ("seq", "<u8"), ("time", "<i8")]).tobytes()
    gap = {"reason": "disk full", "from_seq": 1, "to_seq": 3, "events": 5}
    return opened(
        PLAIN.frame(0, START_NS),
        rows(PLAIN, [(0.5,), (0.25,)], seq=0, step=10),
        Frame(Kind.GAP, seq=4, time=START_NS + 3, meta_bytes=pack_meta(gap)),
        heartbeat(4, START_NS + 4),
        event("note", "späte Größe ☃", seq=4, time=5, step=12, namespace="gan/critic", phase="valid", due=1),
        Frame(Kind.INDEX, seq=5, time=START_NS + 6, count=1, payload=index),
        footer(5),
    )


STREAMS: dict[str, tuple[str, Callable[[], list[Frame]]]] = {
    "heartbeat": ("The smallest frame: a header and nothing else.", lambda: [heartbeat(3)]),
    "rows": ("Rows of one column.", lambda: opened(PLAIN.frame(0, START_NS), rows(PLAIN, [(0.5,), (float("nan"),)], step=-1))),
    "rewound": (
        "An epoch that began by going back to a checkpoint: by phase the last step that holds of what came before it.",
        lambda: opened(
            PLAIN.frame(0, START_NS),
            rows(PLAIN, [(0.5,)], seq=0, step=801),
            epoch=1,
            rewound_to={"train": 800, "valid": 80},
        ),
    ),
    "rows-full": (
        "Rows with all that a schema may ask for: due mask, elapsed time, axes, whole numbers that a float can't hold.",
        lambda: opened(
            FULL.frame(0, START_NS),
            rows(
                FULL, [(-0.0, 2**60 + 1), (float("inf"), -1)], step=7, epoch=3, level="epoch",
                prefixes=[(2**63, 0.5, 64.0, 1.0), (1, 1.5, 128.0, 2.0)],
            ),
        ),
    ),
    "sparse": (
        "Numbers whose series are named one by one; the last record's series was never named.",
        lambda: opened(
            series_frame([7, 9], [LOSS, Series("valid", "", "f1", "d", "mean")], 0, START_NS),
            sparse(
                [
                    sparse_record(1, 1, [7, 9], [0.5, 0.25], due=1, elapsed=2.0), sparse_record(2, 2, [9], [0.75]),
                    sparse_record(3, 3, [1], [1.0], due=2),
                ]
            ),
        ),
    ),
    "events": ("Numbers and text that came as events.", lambda: opened(
        event("x", 1.5, seq=0, step=1, axes={"samples": 64.0}, elapsed_s=0.0, level="fit"),
        event("n", 2**60 + 1, seq=1, step=2, due=3),
        event("s", "text", seq=2, step=3, due=0),
    )),
    "media": ("A value of each kind that has arrays, and settings.", media),
    "parts": ("An array in two BLOB parts, and the event that lists them.", large_array),
    "segment": ("A finished segment with every kind of note.", whole_segment),
    "later": (
        "Frames of a later version: unknown kinds are passed over, unless they must be understood.",
        lambda: [
            heartbeat(0), Frame(99, seq=0, time=START_NS, payload=b"later"),
            Frame(99, seq=0, time=START_NS, payload=b"later", flags=Flag.MUST_UNDERSTAND), heartbeat(1),
        ],
    ),
    "zstd": (
        "Rows, shuffled and compressed. A newer zstd may make other bytes of the same rows.",
        lambda: opened(PLAIN.frame(0, START_NS), compressed(rows(PLAIN, [(at / 8,) for at in range(32)]))),
    ),
}  # fmt: skip
# What another version of a library may encode differently is only decoded.
DECODED_ONLY = {"zstd"}

DAMAGED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "damaged-body": ("One bit of the rows' payload differs.", lambda data: data[:392] + bytes([data[392] ^ 4]) + data[393:]),
    "damaged-header": ("The rows' header begins with zeros.", lambda data: data[:320] + bytes(32) + data[352:]),
    "truncated": ("The last frame is cut.", lambda data: data[:-64]),
}


def streams() -> dict[str, tuple[str, bytes]]:
    """Name to (what it is, bytes)."""
    made = {name: (about, b"".join(map(encoded, frames()))) for name, (about, frames) in STREAMS.items()}
    whole = made["segment"][1]
    return made | {name: (about, spoil(whole)) for name, (about, spoil) in DAMAGED.items()}


def description(about: str, data: bytes) -> dict[str, Any]:
    """What a decoder is to find in a stream."""
    found = list(Scanner().scan(data, final=True))
    decoder = StreamDecoder()
    events: list[Any] = []
    for frame in found:
        if isinstance(frame, Frame):
            try:
                record = decoder.feed(frame)
            except DamagedFrame:
                continue
            if record is not None:
                events += [plain(one._asdict()) for one in record.part.events()]
    return {
        "about": about,
        "bytes": len(data),
        "frames": [_frame(one) for one in found if isinstance(one, Frame)],
        "damage": [
            {"at": one.at, "length": one.length, "reason": one.reason} for one in found if isinstance(one, Damage)
        ],
        "missing": decoder.missing,
        "events": events,
    }  # fmt: skip


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "kind": Kind(frame.kind).name,
        "flags": frame.flags,
        "seq": str(frame.seq),
        "schema": frame.schema,
        "time_ns": str(frame.time),
        "count": frame.count,
        "meta": plain(frame.meta),
        "payload": raw_payload(frame).hex(),
    }


def plain(found: Any) -> Any:
    """Anything a record may hold, in JSON's terms."""
    if isinstance(found, Value):
        return {"params": plain(found.params()), "arrays": plain(found.arrays())}
    if isinstance(found, np.ndarray):
        return {"dtype": found.dtype.str, "shape": list(found.shape), "hex": found.tobytes().hex()}
    if isinstance(found, dict) or hasattr(found, "items"):
        return {str(name): plain(one) for name, one in found.items()}
    if isinstance(found, list | tuple):
        return [plain(one) for one in found]
    if isinstance(found, bool) or found is None or isinstance(found, str):
        return found
    if isinstance(found, int):
        return found if abs(found) < 2**53 else str(found)
    return found if np.isfinite(found) and str(found) != "-0.0" else str(found)


def main() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for name, (about, data) in streams().items():
        path = DIRECTORY / f"{name}.alog"
        if path.exists():
            continue
        path.write_bytes(data)
        text = json.dumps(description(about, data), indent=1, ensure_ascii=False)
        path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
