"""Stands in for a vendor's SDK on a worker's path: takes every call, and does with it what STANDIN says.

raise, exit, hang: as soon as something is called. print: to standard output, and everything goes well. absent: no such module.
"""

import os
import sys
import time
from typing import Any

DEED = os.environ.get("STANDIN", "absent")
if DEED == "absent":
    raise ModuleNotFoundError(f"No module named {__name__!r}", name=__name__)


class Anything:
    """Whatever is asked of it, it is or does."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        pass

    def __setitem__(self, name: Any, value: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Any:
        if DEED == "raise":
            raise RuntimeError("the vendor's library is broken")
        if DEED == "exit":
            sys.exit("the vendor's library has had enough")
        while DEED == "hang":
            time.sleep(0.1)
        print("the vendor's library has much to say " * 100, flush=True)
        return self


class Error(Exception):
    pass


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return _ERRORS if name == "errors" else Anything()


class _Errors:
    def __getattr__(self, name: str) -> Any:
        return type(name, (Error,), {})


_ERRORS = _Errors()
