"""The application: its commands."""

from typing import Final

import typer

from asynclog.cli.artifacts import artifacts
from asynclog.cli.cat import cat
from asynclog.cli.config import config
from asynclog.cli.demo import demo
from asynclog.cli.diff import diff
from asynclog.cli.ending import ends_well
from asynclog.cli.export import export
from asynclog.cli.ls import ls
from asynclog.cli.repair import repair
from asynclog.cli.show import show
from asynclog.cli.stats import stats
from asynclog.cli.sync import sync
from asynclog.cli.tail import tail
from asynclog.cli.verify import verify

app: Final = typer.Typer(
    help="Look at what asynclog has recorded: runs, their numbers, media and state of health.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, ls, cat, show, diff, tail, sync, verify, repair):
    app.command()(ends_well(command))
app.add_typer(export, name="export")
app.add_typer(config, name="config")
app.add_typer(artifacts, name="artifacts")
app.command()(ends_well(stats))
