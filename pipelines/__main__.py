"""The command line: a function for each command, in `pipelines/cli`, calls the pipeline of that name.

Modules are imported inside the commands, so that `labeltrail --help` and a sync with nothing to do stay fast.
"""

from __future__ import annotations

import sys

from pipelines.cli.commands import app
from storage import printable
from storage.errors import LabeltrailError, translate_disk_errors
from storage.network import loopback


def main() -> None:
    """Run a command; an error a person can act on becomes its text and exit code, a bug keeps its traceback."""
    loopback.bypass_proxies()
    try:
        with translate_disk_errors():
            app()
    except LabeltrailError as error:
        if "--json" in sys.argv:
            print(printable.dump_json({"version": 1, "error": error.to_json()}))
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
