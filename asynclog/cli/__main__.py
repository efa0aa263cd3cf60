"""``python -m asynclog.cli``."""

from asynclog.cli import main

main()
