"""Series as one name of visible characters: "phase/namespace/key".

Vendors' servers and schemas refuse control characters. They are percent-encoded, and so is a "%" that would read as such a
code: no two names become one. Where a vendor's names have a longest, the end of a longer one becomes its digest.
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from asynclog.sinks.naming import flat_name

_CODED: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]|%(?=[0-9A-F]{2})")
_DIGEST_BYTES: Final = 8


@lru_cache(1 << 16)
def series_name(phase: str, namespace: str, key: str) -> str:
    """The name of a series."""
    return coded(f"{phase}/{flat_name(namespace, key)}")


def coded(text: str) -> str:
    """The text without control characters."""
    return _CODED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


@lru_cache(1 << 16)
def shortened(name: str, longest: int) -> str:
    """The name in at most ``longest`` bytes of UTF-8, more than 20; its end a digest of all of it where it is longer."""
    encoded = name.encode()
    if len(encoded) <= longest:
        return name
    digest = blake2b(encoded, digest_size=_DIGEST_BYTES).hexdigest()
    return f"{encoded[: longest - len(digest) - 1].decode(errors='ignore')}~{digest}"
