"""Runs a stage as a program: `python -m stages.train`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module

from storage.errors import LabeltrailError
from storage.label_studio import label_config
from storage.network import loopback
from storage.repo import integrity


def run(main: Callable[[], None], whole: str = "", *, labels: bool = False) -> None:
    """Call `main`; an error a person can act on becomes its text and exit code, a bug keeps its traceback.

    This is the one place where a stage asks what kind of task it has, and whether what it reads is what git names.

    Args:
        main: the stage, where the label config asks for regions; or whatever it asks for.
        whole: the module whose `main` is the stage where the label config asks what whole recordings are.
        labels: it reads the labels, so their bytes are hashed.
    """
    loopback.spare()
    try:
        integrity.require_listings()
        if labels:
            integrity.require_labels()
        if whole and label_config.load().task != "segmentation":
            main = import_module(whole).main
        main()
    except LabeltrailError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
