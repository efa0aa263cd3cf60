"""The tables of docs/reference/config.md, made of the models: ``python -m tests.unit.config.reference`` writes them anew."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from asynclog.config import schema
from asynclog.config.captured import CaptureSettings
from asynclog.config.fitting import parameters
from asynclog.config.lookup import maker_named
from asynclog.config.models import ArtifactSettings, JournalSettings, Limit, LoggerSettings, LoggingSection, Policy, SinkEntry
from asynclog.config.tracked import RoutinesSection
from asynclog.sinks import __all__ as sinks

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "config.md"
BEGIN, END = "<!-- keys:start -->\n", "<!-- keys:end -->\n"
PARTS: dict[str, tuple[type[BaseModel], str]] = {
    "The logger": (LoggerSettings, ""),
    "`limit`": (Limit, "A number alone is `every`."),
    "`journal`": (JournalSettings, ""),
    "`capture`": (CaptureSettings, "`true` is all of it, as it stands here; `false`, the default, is none."),
    "`sinks`": (SinkEntry, "Whatever else stands in an entry are the sink's arguments. A name alone is `{use: NAME}`."),
    "`route`": (Policy, ""),
    "`artifacts`": (ArtifactSettings, ""),
    "`routines`": (RoutinesSection, "`Routines(log, **al.config.parse(path).routines.arguments())` are made of it."),
    "`logging`": (LoggingSection, ""),
}


def tables() -> str:
    """Markdown."""
    return "\n".join([*_parts(), *_sinks()])


def _parts() -> Iterator[str]:
    found = schema()["$defs"]
    whole = {**found, "LoggerSettings": schema()}
    for title, (model, word) in PARTS.items():
        yield f"### {title}\n"
        if word:
            yield f"{word}\n"
        yield "| key | | default | |\n| --- | --- | --- | --- |"
        shape = whole[model.__name__]
        properties = shape.get("properties") or next(one for one in shape["anyOf"] if "properties" in one)["properties"]
        # A model's fields begin with those of what it derives from: ml-starter's names, which most don't need.
        for name, one in sorted(properties.items(), key=lambda pair: pair[0].startswith("write_")):
            field = model.model_fields.get(name, FieldInfo(default=None))  # base_config is gone when the models look
            default = "needed" if field.is_required() else _default(field.default)
            yield f"| `{name}` | {_type(one)} | {default} | {one.get('description', field.description or '')} |"
        yield ""


def _sinks() -> Iterator[str]:
    yield "### Arguments of sinks\n"
    yield "Those of [each sink](sinks.md), under the name that `use` gives, in any case.\n"
    yield "| `use` | arguments |\n| --- | --- |"
    entry = next(one for one in schema()["$defs"]["SinkEntry"]["anyOf"] if "allOf" in one)
    of = {one["if"]["properties"]["use"]["const"]: one["then"] for one in entry["allOf"]}
    for name in sorted(sinks, key=str.lower):
        then = of[name.lower()]
        told = [
            f"`{at}`{'' if at in then['required'] else f' = {_default(one.default)}'}"
            for at, one in parameters(maker_named(name)).items()
        ]
        yield f"| `{name.lower()}` | {', '.join(told) or 'none'} |"
    yield ""


def _default(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "none"
    return "none" if value in (None, [], ()) else f"`{json.dumps(value)}`".replace('"', "")


def _type(one: dict[str, Any]) -> str:
    if "anyOf" in one:
        several = dict.fromkeys(_type(inner) for inner in one["anyOf"] if inner.get("type") != "null")
        return " or ".join(several)
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        title = next(title for title, (model, _) in PARTS.items() if model.__name__ == name)
        word = "a number or a mapping" if name == "Limit" else "a name or a mapping" if name == "SinkEntry" else "a mapping"
        word = "true, false or a mapping" if name == "CaptureSettings" else word
        return f"{word}: {title}" if title != "`sinks`" else word
    if "const" in one:
        return f"`{one['const']}`"
    if "enum" in one:
        several = [f"`{inner}`" for inner in one["enum"]]
        return "a kind" if "scalar" in one["enum"] else " or ".join(several)
    kind = one.get("type")
    if kind == "array":
        inner = _type(one["items"])
        return f"list of {'kinds' if inner == 'a kind' else 'sinks' if inner.startswith('a name') else inner}"
    low = (
        f" ≥ {one['minimum']:,}" if "minimum" in one else f" > {one['exclusiveMinimum']:,}" if "exclusiveMinimum" in one else ""
    )
    high = (
        f", ≤ {one['maximum']:,}"
        if "maximum" in one
        else f", < {one['exclusiveMaximum']:,}"
        if "exclusiveMaximum" in one
        else ""
    )
    words = {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false", "object": "a mapping"}
    return words.get(kind or "", "anything") + low + high


def page() -> str:
    """The page as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    return re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{tables()}\n{END}", text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
