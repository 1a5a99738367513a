"""What dvc.yaml runs, `python -m stages.NAME`, and what several of them compute with."""

from storage import imports

imports.guard()
