"""Runs a stage as a program: `python -m stages.train`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from storage.errors import LabeltrailError


def run(main: Callable[[], None]) -> None:
    """Call `main`; an error a person can act on becomes its text and exit code, a bug keeps its traceback."""
    try:
        main()
    except LabeltrailError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
