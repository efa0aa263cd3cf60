"""One sample, in the process made for it: `python -m bench.child MODULE:FUNCTION DIRECTORY ARGUMENTS RESULT`.

The result goes to a file, since some libraries print whatever they like.
"""

import json
import sys
from importlib import import_module
from pathlib import Path


def main(target: str, directory: str, arguments: str, result: str) -> None:
    """Call the named function with the directory and the JSON object of arguments; write what it returns as JSON."""
    module, _, name = target.partition(":")
    function = getattr(import_module(module), name)
    Path(result).write_text(json.dumps(function(Path(directory), **json.loads(arguments))))


if __name__ == "__main__":
    main(*sys.argv[1:])
