"""python -m tests.conformance.inputs [--write]: measure, and print the page or write it."""

import asyncio
import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance.inputs.measure import measured, others_measured
from tests.conformance.inputs.page import PAGE, markdown


def main() -> None:
    logging.getLogger("asynclog").setLevel(logging.ERROR)
    with TemporaryDirectory() as directory:
        outcomes = asyncio.run(measured(Path(directory)))
        text = markdown(outcomes, asyncio.run(others_measured(Path(directory))))
    if "--write" in sys.argv[1:]:
        PAGE.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
