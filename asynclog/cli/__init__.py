"""The command line: ``asynclog demo | ls | cat | show | diff | tail | sync | verify | repair | export | stats
| config``."""

import sys


def main() -> None:
    """Run the command line; without its packages, say how to get them."""
    try:
        try:
            import rich  # noqa: F401
            import typer  # noqa: F401
        except ImportError:
            sys.exit("asynclog's commands need the packages of an extra: pip install 'asynclog-stream[cli]'")
        from asynclog.cli.app import app
    except KeyboardInterrupt:
        # Loading takes some tenths of a second, in which a hasty Ctrl-C would end in a traceback.
        sys.exit(130)
    app(prog_name="asynclog")
