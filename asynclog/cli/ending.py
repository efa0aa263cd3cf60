"""How a command ends that can't go on: an error in a line, Ctrl-C and a closed pipe without a word."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec

import typer
from rich.text import Text

from asynclog.cli.screen import errors, safe
from asynclog.errors import AsynclogError

TROUBLE: Final = 2
_LONGEST: Final = 4000  # a message may list twenty names
INTERRUPTED: Final = 130  # what shells give for a process that SIGINT ended
_Arguments = ParamSpec("_Arguments")


def ends_well(command: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """The command, with its errors turned into exit codes: 2 for trouble, 130 for Ctrl-C."""

    @wraps(command)
    def guarded(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read our output has read enough; without this, the interpreter complains once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (AsynclogError, ImportError, OSError) as error:
            errors.print(Text.assemble(("error: ", "bold red"), safe(_message(error), _LONGEST)), soft_wrap=True)
            raise typer.Exit(TROUBLE) from error

    return guarded


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
