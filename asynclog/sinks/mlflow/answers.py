"""What MLflow's client raises, as what a sink says: later, never, or neither."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Final

from asynclog.errors import InvalidConfiguration, SinkRejected, SinkUnavailable

_PASSING: Final = frozenset({401, 403, 408, 429})
"""Who may not now, takes too long or asks too often may do so later: credentials are renewed."""
_SERVER_ERRORS: Final = 500


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises SinkUnavailable for a server that is down, busy or failing, for a locked database and for credentials that don't
    serve, SinkRejected for what MLflow refuses for good."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except MlflowException as error:
        if _may_pass(error.get_http_status_code()):
            raise SinkUnavailable(f"MLflow can't be reached {doing}: {error}") from error
        raise SinkRejected(f"MLflow refuses {doing}: {error}") from error
    except RequestException as error:
        if error.response is None or _may_pass(error.response.status_code):
            raise SinkUnavailable(f"MLflow can't be reached {doing}: {error}") from error
        raise SinkRejected(f"MLflow refuses {doing}: {error}") from error


def _may_pass(status: int) -> bool:
    return status >= _SERVER_ERRORS or status in _PASSING


def require_mlflow() -> None:
    """Raises InvalidConfiguration, naming the extra."""
    try:
        import_module("mlflow")
        import_module("PIL")
    except ModuleNotFoundError as error:
        raise InvalidConfiguration(f"the sink MLflow needs {error.name}: pip install 'asynclog-stream[mlflow]'") from error
