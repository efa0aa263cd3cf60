"""A value as one HTML file that holds all it shows: media as data URIs, what lies in space as a canvas that can be turned.

What a run holds is not trusted. Every text is escaped, numbers alone reach attributes, and the page's own policy lets no
script run but ours, known by its hash, and nothing be fetched.
"""

import base64
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

import numpy as np

from asynclog.encoding.artifact import artifact_line
from asynclog.encoding.bounds import note, obstacle
from asynclog.encoding.conversation import conversation
from asynclog.encoding.media import ENCODERS, checked, file_of, png, written
from asynclog.normal import plot, view
from asynclog.readers.export.markup import escape
from asynclog.sinks.summary import described
from asynclog.values import (
    Array,
    Artifact,
    Audio,
    Histogram,
    Hook,
    Image,
    Mesh,
    PointCloud,
    Record,
    Rollout,
    Spectrogram,
    Table,
    Tensor,
    Value,
    Video,
)

_MOST_ROWS: Final = 10_000
_MOST_TOKENS: Final = 20_000
_DEEPEST: Final = 40
_PARTS: Final = files("asynclog.readers.export")
_ROLES: Final = ("system", "user", "assistant", "tool")
_LEVELS: Final = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}


def page(value: Any, title: str = "", about: str = "") -> bytes:
    """A whole page, UTF-8. title: the value's name; about: a line on where it is from. Raises InvalidValue for what can't be
    shown; ImportError where the extra ``media`` is missing and needed."""
    with written(value, ".html", ENCODERS):
        body = fragment(value)
    script = _PARTS.joinpath("turntable.js").read_text(encoding="utf-8") if "<canvas" in body else ""
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'sha256-{known}'"
    name = escape(title or (value.kind if isinstance(value, Value) else "value"))
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{name}</title>\n<style>{_PARTS.joinpath('page.css').read_text(encoding='utf-8')}</style>\n</head>\n<body>",
        f"<header><h1>{name}</h1>{f'<p>{escape(about)}</p>' if about else ''}</header>\n<main>{body}</main>",
        f"<script>{script}</script>" if script else "",
        "</body>\n</html>\n",
    ]
    return "\n".join(parts).encode("utf-8", "backslashreplace")


def fragment(value: Any) -> str:
    """What the page's body shows of a value, as HTML, escaped."""
    if not isinstance(value, Rollout):
        # What doesn't fit its tokens is left away there; the messages are what one came for.
        checked(value)
    show = _SHOWN.get(type(value))
    return _nested(value) if show is None else show(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], most: int = _MOST_ROWS) -> str:
    """Rows as an HTML table, numbers to the right; of more than ``most`` the first ones, and how many there are."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in columns)
    lines = ["".join(map(_cell, row)) for row in rows[:most]]
    body = "".join(f"<tr>{line}</tr>\n" for line in lines)
    more = f'<p class="dim">the first {most:,} of {len(rows):,} rows</p>' if len(rows) > most else ""
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>{more}"


def _cell(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    shown = "" if value is None else escape(f"{value:.6g}" if isinstance(value, float) else str(value))
    return f'<td class="number">{shown}</td>' if number else f"<td>{shown}</td>"


def _uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _base64(array: Array, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()


def _figure(inner: str, words: str | None = None) -> str:
    below = f"<figcaption>{escape(words)}</figcaption>" if words else ""
    return f"<figure>{inner}{below}</figure>"


def _facts(value: Value, *leave: str) -> str:
    """Shape, dtype, range of its arrays, then its parameters."""
    said = {name: one for name, one in described(value.kind, value).items() if name not in ("kind", *leave)}
    return f"<details><summary>details</summary>{_nested(said)}</details>"


def _nested(value: Any, depth: int = 0) -> str:
    if isinstance(value, Mapping) and value and depth < _DEEPEST:
        return _list(f"<b>{escape(str(name))}</b> {_nested(one, depth + 1)}" for name, one in value.items())
    if isinstance(value, list | tuple) and depth < _DEEPEST and any(isinstance(one, Mapping | list | tuple) for one in value):
        return _list(_nested(one, depth + 1) for one in value)
    if isinstance(value, np.ndarray):
        return f"<span>array {escape(str(value.shape))} {escape(str(value.dtype))}</span>"
    return f"<span>{escape(str(value))}</span>"


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{one}</li>" for one in items) + "</ul>"


# -- pictures, sound, film ----------------------------------------------------------------------------------------------


def _image(value: Image) -> str:
    overlaid = value.boxes is not None or value.masks
    picture = value.overlaid(legend=False) if overlaid else value.canonical()
    words = [
        f'<li><i style="background:rgb({red},{green},{blue})"></i>{escape(word)}</li>'
        for (red, green, blue), word in (value.legend() if value.masks else ())
    ]
    legend = f'<ul class="legend">{"".join(words)}</ul>' if words else ""
    return _figure(f'<img alt="" src="{_uri("image/png", png(picture))}">', value.caption) + legend + _facts(value)


def _player(value: Audio) -> str:
    silent = obstacle(value, ".wav")
    if silent is not None:
        return f'<p class="dim">no player: it takes a .wav, {escape(silent)}</p>'
    return f'<audio controls src="{_uri("audio/wav", file_of(value, ".wav"))}"></audio>'


def _audio(value: Audio) -> str:
    waves = _uri("image/png", file_of(value, ".png"))
    return _figure(f'<img alt="waveform" src="{waves}">{_player(value)}') + _facts(value)


def _spectrogram(value: Spectrogram) -> str:
    sound = Audio(value.data, value.sample_rate, value.layout, value.sep_ms, value.most, value.channel)
    shown = _uri("image/png", file_of(value, ".png"))
    axes = f"0 to {value.sample_rate / 2:g} Hz, upwards"
    return _figure(f'<img class="wide" alt="spectrogram" src="{shown}">{_player(sound)}', axes) + _facts(value)


def _video(value: Video) -> str:
    film = _uri("video/mp4", file_of(value, ".mp4"))
    return _figure(f'<video controls autoplay muted loop src="{film}"></video>', note(value, ".mp4")) + _facts(value)


def _histogram(value: Histogram) -> str:
    bars = _uri("image/png", png(plot.bars(value.counts)))
    ends = f"{value.low:.6g} … {value.high:.6g}, heights as the root of counts"
    names = ("count", "mean", "std", "low", "high", "nans", "below", "above")
    rows = [(name, getattr(value, name)) for name in names]
    return _figure(f'<img alt="histogram" src="{bars}">', ends) + table(["", ""], rows)


def _tensor(value: Tensor) -> str:
    data = value.canonical()
    flat = data.ndim == 2 and data.dtype.kind in "biuf" and min(data.shape) > 1 and max(data.shape) <= 2048
    picture = _figure(f'<img class="sharp" alt="" src="{_uri("image/png", png(plot.heat(data)))}">') if flat else ""
    first = np.array2string(data, threshold=200, edgeitems=4, max_line_width=120)
    return f"{picture}{_nested(described(value.kind, value))}<pre>{escape(first)}</pre>"


# -- space --------------------------------------------------------------------------------------------------------------


def _canvas(**arrays: str) -> str:
    held = " ".join(f'data-{name}="{data}"' for name, data in arrays.items())
    tip = "drag or arrow keys turn it, the wheel or + and - bring it nearer, a double click puts it back"
    return _figure(f'<canvas width="600" height="600" tabindex="0" {held}></canvas>', tip)


def _cloud(value: PointCloud) -> str:
    points = value.canonical()
    held = {"points": _base64(points.xyz, "<f4"), "inks": _base64(view.tints(*points), "u1")}
    if value.boxes is not None:
        edges = view.box_edges(value.boxes)
        held["edges"] = _base64(edges[np.isfinite(edges).all(axis=(1, 2))], "<f4")
    words = ", ".join(sorted(set(map(str, value.box_labels or ()))))
    return _canvas(**held) + (f"<p>boxes: {escape(words)}</p>" if words else "") + _facts(value)


def _mesh(value: Mesh) -> str:
    mesh = value.canonical()
    assert mesh.normals is not None
    inks = np.full(mesh.vertices.shape, 205, np.uint8) if mesh.colors is None else mesh.colors
    held = {"points": mesh.vertices, "normals": mesh.normals}
    encoded = {name: _base64(np.nan_to_num(array), "<f4") for name, array in held.items()}
    return _canvas(**encoded, inks=_base64(inks, "u1"), faces=_base64(mesh.faces, "<i4")) + _facts(value)


# -- words --------------------------------------------------------------------------------------------------------------


def _table(value: Table) -> str:
    return table(value.columns, value.canonical())


def _rollout(value: Rollout) -> str:
    said = []
    for one in conversation(value):
        calls = "".join(f"<p class=call>{escape(name)}</p><pre>{escape(words)}</pre>" for name, words in one.calls)
        kind = one.role if one.role in _ROLES else "other"
        head = escape(one.role) + (f" <small>{escape(one.to)}</small>" if one.to else "")
        said.append(f'<section class="{kind}"><h2>{head}</h2><div class="said">{escape(one.text)}</div>{calls}</section>')
    worth = {"reward": value.reward, **dict(value.rewards)}
    rows: list[tuple[str, Any]] = [(name, one) for name, one in worth.items() if one is not None]
    single = {"advantage": value.advantage, "versions": value.versions, "group": value.group, "stop": value.stop}
    rows += [(name, one) for name, one in single.items() if one is not None and not isinstance(one, np.ndarray)]
    return "".join(said) + (table(["", ""], rows) if rows else "") + _tokens(value) + _facts(value, "messages")


def _tokens(value: Rollout) -> str:
    """Each token's number, on a colour from red, unlikely, to green, certain, where the policy chose it."""
    if value.tokens is None:
        return ""
    tokens, spans = value.tokens.reshape(-1), []
    for at, token in enumerate(tokens[:_MOST_TOKENS].tolist()):
        logprob, chosen = _at(value.logprobs, at), _at(value.loss_mask, at)
        told = {"token": at, "logprob": logprob, "advantage": _at(value.advantage, at), "version": _at(value.versions, at)}
        likely = logprob is not None and math.isfinite(logprob) and chosen != 0
        shade = f"p{min(9, int(10 * math.exp(min(0.0, logprob))))}" if likely and logprob is not None else "given"
        tip = ", ".join(f"{name} {one:g}" for name, one in told.items() if one is not None)
        spans.append(f'<span class="{shade}" title="{escape(tip)}">{escape(str(token))}</span>')
    more = f'<p class="dim">the first {_MOST_TOKENS:,} of {len(tokens):,}</p>' if len(tokens) > _MOST_TOKENS else ""
    key = "".join(f'<span class="p{one}">{one / 10:.1f}</span>' for one in range(0, 10, 3))
    return f'<h2>tokens</h2><p class="dim">by probability: {key}</p><p class="tokens">{" ".join(spans)}</p>{more}'


def _at(held: Any, at: int) -> float | None:
    if not isinstance(held, np.ndarray) or at >= held.size or held.dtype.kind not in "biuf":
        return None
    return float(held.reshape(-1)[at])


def _record(value: Record) -> str:
    level = _LEVELS.get(value.level, str(value.level))
    said = {"level": level, "logger": value.logger, "where": value.where, "fields": dict(value.fields)}
    trace = f"<pre>{escape(str(value.exception))}</pre>" if value.exception else ""
    return f'<p class="said">{escape(str(value.message))}</p>{_nested({name: one for name, one in said.items() if one})}{trace}'


_SHOWN: Final[dict[type, Callable[[Any], str]]] = {
    Image: _image,
    Audio: _audio,
    Spectrogram: _spectrogram,
    Video: _video,
    Histogram: _histogram,
    PointCloud: _cloud,
    Mesh: _mesh,
    Tensor: _tensor,
    Table: _table,
    Rollout: _rollout,
    Record: _record,
    Artifact: lambda value: f'<p class="said">{escape(artifact_line(value))}</p>',
    Hook: lambda value: f'<p class="said">{escape(value.name)}</p>',
    str: lambda value: f"<pre>{escape(value)}</pre>",
}


def when(step: int, time_ns: int) -> str:
    """Step and time of an event, for ``page``."""
    try:
        return f"step {step:,}, {datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, OSError, ValueError):
        return f"step {step:,}"
