"""Runs a stage as a program: `python -m stages.train`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module

from storage import label_config, loopback
from storage.errors import LabeltrailError


def run(main: Callable[[], None], whole: str = "") -> None:
    """Call `main`; an error a person can act on becomes its text and exit code, a bug keeps its traceback.

    This is the one place where a stage asks what kind of task it has.

    Args:
        main: the stage, where the label config asks for regions; or whatever it asks for.
        whole: the module whose `main` is the stage where the label config asks what whole recordings are.
    """
    loopback.spare()
    try:
        if whole and label_config.load().task != "segmentation":
            main = import_module(whole).main
        main()
    except LabeltrailError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
