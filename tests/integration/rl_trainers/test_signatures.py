"""Every method takes what the trainer's own takes: the same names, in the same order, with the same defaults."""

import inspect
from typing import Any

import pytest

from asynclog.integrations import prime_rl, tinker, verl
from tests.integration.rl_trainers import recorded


def taken(function: Any) -> str:
    """The arguments that a caller of the trainer's own can give; what is ours comes by name alone, and has a default."""
    found = []
    for one in inspect.signature(function).parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY:
            assert one.default is not one.empty, f"{function}: {one.name} must be given"
        elif one.kind is one.VAR_KEYWORD:
            found.append(f"**{one.name}")
        else:
            found.append(one.name if one.default is one.empty else f"{one.name}={one.default!r}")
    return ", ".join(found)


def cases() -> Any:
    for name, methods in recorded.VERL.items():
        yield from ((getattr(verl, name), method, said) for method, said in methods.items())
    yield from ((verl.Backend, method, said) for method, said in recorded.VERL_BACKEND.items())
    yield from ((prime_rl.Monitor, method, said) for method, said in recorded.PRIME_RL_MONITOR.items())
    yield from ((prime_rl.SyncMonitor, method, said) for method, said in recorded.PRIME_RL_SYNC_MONITOR.items())
    for ours in (tinker.AsynclogLogger, tinker.Logger):
        yield from ((ours, method, said) for method, said in recorded.TINKER["Logger"].items())  # type: ignore[attr-defined]
    yield from ((tinker.MultiplexLogger, method, said) for method, said in recorded.TINKER["MultiplexLogger"].items())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("owner", "method", "said"), list(cases()), ids=lambda one: getattr(one, "__name__", str(one))[:40])
def test_a_method_takes_what_the_trainers_own_takes(owner: Any, method: str, said: str) -> None:
    ours = taken(getattr(owner, method))
    assert ours == said or (method == "__init__" and ours == f"{said}=None"), f"{owner.__name__}.{method}({ours})"


def test_setup_logging_takes_what_the_cookbooks_takes() -> None:
    assert taken(tinker.setup_logging) == recorded.TINKER["setup_logging"]


def test_a_monitors_methods_are_awaited_where_prime_rls_are() -> None:
    methods = recorded.PRIME_RL_MONITOR.keys() - {"__init__"}
    assert all(inspect.iscoroutinefunction(getattr(prime_rl.Monitor, name)) for name in methods)
    assert not any(inspect.iscoroutinefunction(getattr(prime_rl.SyncMonitor, name)) for name in recorded.PRIME_RL_SYNC_MONITOR)


def test_every_backend_of_verl_is_known_by_name() -> None:
    assert set(recorded.VERL_BACKENDS) < set(verl.Tracking.supported_backend)
