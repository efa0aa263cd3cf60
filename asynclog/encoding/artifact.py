"""An artifact in words: which version it is, how large, and what its bytes are known by."""

from typing import Any, Final

from asynclog.values.artifact import Artifact

_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")
_SHORT: Final = 12
"""Digits of a digest that a person compares."""


def artifact_facts(value: Artifact) -> dict[str, Any]:
    """Name, version, digest and size, and what else there is to it."""
    found = {"name": value.name, "version": value.version, "digest": value.digest, "size_bytes": value.size_bytes}
    return found | {name: one for name, one in value.params().items() if name not in found}


def artifact_line(value: Artifact) -> str:
    """``best.pt:v3, 1.2 GiB, sha256 0952c3da4d2f``."""
    if value.target is not None:
        return f"{value.label} → {value.target}"
    files = "" if value.files is None else f" in {value.files} files"
    return f"{value.label}, {readable_bytes(value.size_bytes)}{files}, sha256 {value.digest[:_SHORT]}"


def readable_bytes(count: float) -> str:
    """``1.2 GiB``."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 else f"{count:.3g} {_UNITS[unit]}"
