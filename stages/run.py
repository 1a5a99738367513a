"""Runs a stage as a program: `python -m stages.train`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from storage.errors import LabeltrailError
from storage.network import loopback
from storage.repo import integrity


def run(main: Callable[[], None], *, labels: bool = False) -> None:
    """Call `main`; an error a person can act on becomes its text and exit code, a bug keeps its traceback.

    This is the one place where a stage checks that what it reads is what git names.

    Args:
        main: of the stage.
        labels: it reads the labels, so their bytes are hashed.
    """
    loopback.bypass_proxies()
    try:
        integrity.require_listings()
        if labels:
            integrity.require_labels()
        main()
    except LabeltrailError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
