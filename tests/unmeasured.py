"""The environment of a child that a test interrupts.

Coverage's tracer loses a KeyboardInterrupt raised in it, or keeps its own lock for ever: not what the test asks about.
"""

import os
from typing import Final

UNMEASURED: Final = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}
