"""Aim: a run in a repo, which its SDK and its pages read."""

from asynclog.sinks.aim.sink import Aim

__all__ = ["Aim"]
