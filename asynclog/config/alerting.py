"""Alerts from words: rules and actions as mappings.

rules:   [{use: above, series: grad_norm, limit: 100, points: 5}, {use: ended}]
actions: {slack: {use: webhook, url: "{env:SLACK_WEBHOOK_URL}"}, console: {use: terminal}}
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from asynclog.config.fitting import unfit
from asynclog.errors import InvalidConfiguration
from asynclog.logger.naming import described

RULES: Final = ("Above", "Below", "Ended", "Jump", "NotFinite", "Silent")
ACTIONS: Final = ("Terminal", "Webhook")


def alerts(rules: Sequence[Any], actions: Mapping[str, Any] | None = None, *, name: str = "alerts") -> Any:
    """An ``Alerts``. rules: each a Rule, a mapping with its class under ``use`` and its settings, or the class's name alone.
    actions: by name, each an action or such a mapping. Raises InvalidConfiguration."""
    from asynclog.sinks import Alerts

    made = [_made(f"rules[{at}]", one, RULES) for at, one in enumerate(rules)]
    done = None if actions is None else {at: _made(f"actions.{at}", one, ACTIONS) for at, one in actions.items()}
    return Alerts(made, done, name=name)


def _made(where: str, given: Any, known: Sequence[str]) -> Any:
    from asynclog.sinks import alerts as module

    if isinstance(given, str):
        given = {"use": given}
    if not isinstance(given, Mapping):
        return given
    settings = dict(given)
    use = settings.pop("use", None)
    if not isinstance(use, str):
        raise InvalidConfiguration(f"{where}: expected use: one of {', '.join(known)}, got {described(given)}")
    names = {_plain(one): one for one in known}
    if _plain(use) not in names:
        close = get_close_matches(_plain(use), list(names), 1)
        way = f"; did you mean {names[close[0]]!r}?" if close else ""
        raise InvalidConfiguration(f"{where}.use: expected one of {', '.join(known)}, got {use!r}{way}")
    make: Callable[..., Any] = getattr(module, names[_plain(use)])
    for argument, why in unfit(make, settings):
        raise InvalidConfiguration(f"{where}.{argument}: {why}")
    return make(**settings)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
