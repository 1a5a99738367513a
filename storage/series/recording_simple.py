"""Long files that become plain by taking quotes away, or by another separator: rewritten whole, not row by row.

What comes out is to the byte what going through the rows writes (storage/series/recording_rewrite.py), ten times
faster. Spreadsheets and R write such files: quotes around names or all cells, semicolons.
"""

from __future__ import annotations

import re

from storage.label_studio.label_config import LabelConfig
from storage.series import recording_layout, recording_rewrite
from storage.series.recording_layout import Layout, separator
from storage.series.recording_rewrite import Plan
from storage.series.recording_scan import Scan

# Signs that stripping takes away at the ends of cells, and those that do so only there.
BLANKS = re.compile(rb"[\t\v\f\x1c-\x1f]")


def simplify(raw: bytes, config: LabelConfig) -> tuple[bytes, tuple[str, ...]] | None:
    """The file as it would be stored, and what is other in it; None where it has to be gone through row by row."""
    if b"\0" in raw or not raw.isascii() or (b"\r" in raw and raw.count(b"\r") != raw.count(b"\r\n")):
        return None
    layout = recording_layout.find(raw, config)
    if isinstance(layout, list) or layout.header != 1 or layout.has_sep_line or layout.sep is None:
        return None
    body = _body(raw[raw.find(b"\n") + 1 :], layout.sep, separator(config))
    plan = _plan(layout, config, b'"' in raw[raw.find(b"\n") + 1 :])
    if body is None or plan is None:
        return None
    return recording_rewrite.line_of_cells(plan.names, separator(config)).encode() + body, plan.changes


def _plan(layout: Layout, config: LabelConfig, quoted: bool) -> Plan | None:
    """What is written above the rows, where all columns stay in their places under their names."""
    found = Scan(layout, config, rows=1, quoted=int(quoted), empty=[0] * len(layout.names))
    plan = recording_rewrite.plan(found)
    same = (
        isinstance(plan, Plan)
        and plan.names == layout.names
        and plan.order == tuple(range(len(layout.names)))
    )
    return plan if isinstance(plan, Plan) and same else None


def _body(body: bytes, sep: str, wanted: str) -> bytes | None:
    """The rows without quotes and with the wanted separator; None where a cell would become another by that."""
    body = body.replace(b"\r\n", b"\n")
    mark, new = sep.encode(), wanted.encode()
    blanks = (b" " + mark, mark + b" ", b" \n", b"\n ", b"\n\n")
    if (mark + new).isspace() or any(part in body for part in blanks) or BLANKS.search(body):
        return None
    if not body or body[:1] in b" \n" or body[-1:] == b" ":
        return None
    if b'"' in body:
        # Cells that are quoted as a whole, and hold no separator.
        cell = re.compile(rb'(?:\A|(?<=[\n%b]))"[^"\n%b]*"(?=[\n%b]|\Z)'.replace(b"%b", re.escape(mark)))
        if len(cell.findall(body)) * 2 != body.count(b'"') or b'" ' in body or b' "' in body:
            return None
        body = body.replace(b'"', b"")
    if mark != new and new in body:
        return None
    return body.replace(mark, new) if body.endswith(b"\n") else body.replace(mark, new) + b"\n"
