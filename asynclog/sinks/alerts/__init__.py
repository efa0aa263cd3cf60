"""Alerts: rules on values, on silence and on a run's end, and what is done when one is broken."""

from asynclog.sinks.alerts.actions import Action, Terminal
from asynclog.sinks.alerts.alert import Alert
from asynclog.sinks.alerts.rules import Above, Below, Ended, Jump, NotFinite, Rule, Silent, ValueRule
from asynclog.sinks.alerts.sink import Alerts
from asynclog.sinks.alerts.webhook import Webhook, slack

__all__ = [
    "Above",
    "Action",
    "Alert",
    "Alerts",
    "Below",
    "Ended",
    "Jump",
    "NotFinite",
    "Rule",
    "Silent",
    "Terminal",
    "ValueRule",
    "Webhook",
    "slack",
]
