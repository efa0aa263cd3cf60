"""How a store is reached, and what its answers mean for delivery."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from asynclog.errors import InvalidConfiguration, SinkRejected, SinkUnavailable

_RETRIES: Final = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
"""Whoever runs the sink tries again for as long as it takes; the library's own ten tries in three minutes are silence."""
_IN_THE_WAY: Final = ("os error 20", "os error 21")
"""Of a directory on disk, where "a" can't be a file beside "a/b": ENOTDIR, EISDIR."""
_NO_CREDENTIALS: Final = ("169.254.169.254", "metadata.google", "missing credentials", "no credentials")
"""Where the libraries look last for a machine's own credentials."""
_WAYS: Final[Mapping[str, str]] = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or config={'access_key_id': …, 'secret_access_key': …}; a public "
    "bucket takes config={'skip_signature': True}",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the path of a service account's key, or config={'service_account_path': …}",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or config={'account_name': …, 'account_key': …}",
}


_memory: dict[str, Any] = {}
"""Stores of this process's memory, which ends with it."""


def url_of(place: "str | Path") -> str:
    """A store's URL; of a plain path that of the directory."""
    text = str(place)
    return text if "://" in text else Path(text).expanduser().absolute().as_uri()


def open_store(url: str, config: Mapping[str, Any], client_options: Mapping[str, Any]) -> Any:
    """The store of a URL; nothing is asked of it yet. Raises InvalidConfiguration."""
    try:
        import obstore.exceptions
        from obstore.store import MemoryStore, from_url
    except ImportError as error:
        raise InvalidConfiguration("the sink ObjectStore needs obstore: pip install 'asynclog-stream[objectstore]'") from error
    try:
        if url.startswith("memory:"):
            return _memory.setdefault(url, MemoryStore())
        if url.startswith("file:"):
            return from_url(url, mkdir=True)
        # Which settings there are depends on the store, which the library itself tells by the URL.
        make: Any = from_url
        return make(url, config=dict(config), client_options=dict(client_options), retry_config=_RETRIES)
    except (obstore.exceptions.BaseError, ValueError, TypeError) as error:
        raise InvalidConfiguration(f"ObjectStore can't use {url!r}: {first_line(error)}") from error


@contextmanager
def translated(url: str, doing: str, *, opening: bool = False) -> Iterator[None]:
    """The library's errors as what they mean. opening: what is refused then is refused for good."""
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (BaseError, OSError) as error:
        text = first_line(error)
        if any(one in str(error) for one in _IN_THE_WAY):
            raise SinkRejected(f"{url} has something in the way {doing}: {text}") from error
        refused = isinstance(error, PermissionDeniedError | UnauthenticatedError)
        nobody = any(one in str(error).lower() for one in _NO_CREDENTIALS)
        if opening and (refused or nobody):
            way = _WAYS.get(url.partition(":")[0].removesuffix("a"), "see its documentation for credentials")
            why = "refuses its credentials" if refused else "has none to ask with"
            raise InvalidConfiguration(f"ObjectStore {url} {why}: {text}; {way}") from error
        raise SinkUnavailable(f"{url}, {doing}: {text}") from error


def first_line(error: BaseException) -> str:
    """What the library says, without its inner state."""
    return str(error).partition("\n")[0].strip() or type(error).__name__
