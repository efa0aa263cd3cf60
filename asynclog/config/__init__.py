"""Loggers from configuration: a mapping, or a YAML file that may inherit from others.

logger_modules(config)    a Route a module, each in a process of its own
load(path)                a YAML file as a mapping
"""

from asynclog.config.files import load
from asynclog.config.routes import logger_modules

__all__ = ["load", "logger_modules"]
