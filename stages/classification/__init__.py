"""The stages where the label config asks what whole recordings are; `stages/run.py` calls the one of that name."""
