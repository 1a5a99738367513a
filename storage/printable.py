"""Escapes untrusted text for a terminal, a log or a commit message.

A label, a series key, a person's name or a response may hold characters that move the cursor, change colours, forge
a line or reverse the order of letters. They are escaped (`\\x1b`, `\\n`, `\\u202e`) here, for every error, every line
of a command and JSON.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, TextIO

LONGEST = 200  # characters of a name
LONGEST_LINE = 4000  # characters of a line of an error: more than any path or command has

# Control characters (C0, DEL, C1), line and paragraph separators, marks that change the direction of text, characters
# that nobody sees, and halves of surrogate pairs. Joiners (U+200C, U+200D) stay: Persian and emoji need them.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def printable(text: str) -> str:
    """The text on one line, with control characters and invisible ones escaped."""
    return UNSAFE.sub(_escape, text)


def shortened(text: str, most: int = LONGEST) -> str:
    """The same, truncated to `most` characters, with the length of a longer text."""
    if len(text) <= most:
        return printable(text)
    return f"{printable(text[:most])}... ({len(text):,} characters)"


def block(text: str | Iterable[str], indent: str) -> str:
    """One text on one line, or several below each other with `indent`; each truncated to LONGEST_LINE."""
    lines = [text] if isinstance(text, str) else text
    return f"\n{indent}".join(shortened(line, LONGEST_LINE) for line in lines)


def argument(value: object) -> str:
    """A name or a path as one quoted word of a shell, for the commands in errors and `next` lines.

    Control characters are escaped within `$'...'`, as bash and zsh read them: a byte that is invalid in UTF-8 as
    `\\x80`, and therefore the character U+0080 as `\\u0080`.
    """
    text = str(value)
    if isinstance(value, PurePath) and text.startswith("-"):
        text = f"./{text}"  # not to be taken for an option
    if not UNSAFE.search(text):
        return shlex.quote(text)
    spelled = UNSAFE.sub(_shell_escape, text.replace("\\", "\\\\").replace("'", "\\'"))
    return f"$'{spelled}'"


def say(text: str, file: TextIO | None = None) -> None:
    """Print one line on standard output, or to `file`."""
    print(printable(text), file=file or sys.stdout)


def dump_json(value: Any) -> str:
    """JSON for output: readable letters, escaped control characters; NaN and infinite numbers are null."""
    try:
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except ValueError:
        finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
        text = json.dumps(finite, indent=1, sort_keys=True, ensure_ascii=False)
    # Strings in JSON have no raw line ends, so these are between values.
    return "\n".join(UNSAFE.sub(_json_escape, line) for line in text.split("\n"))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _shell_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # Python's surrogate for an undecodable byte
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if 0x80 <= code <= 0xFF else _escape(match)


def _json_escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]
