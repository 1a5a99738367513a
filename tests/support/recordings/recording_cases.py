"""Recordings as people have them, by what becomes of each: taken as it is, stored otherwise, or refused.

Every refused one has the change that its cure asks for, made: with it, the recording is taken. The tests of the
reader and of Label Studio's page share this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from storage.label_studio import label_config
from storage.label_studio.label_config import LabelConfig


def xml(
    *channels: str, time: str | None = "time", sep: str = "", time_format: str = "", value: str = "$csv"
) -> str:
    """A label config for these columns."""
    names = {"timeColumn": time, "sep": sep, "timeFormat": time_format}
    attributes = "".join(f" {name}={quoteattr(text)}" for name, text in names.items() if text)
    columns = "".join(f"<Channel column={quoteattr(name)}/>" for name in channels or ("x", "y"))
    control = '<TimeSeriesLabels name="label" toName="ts"><Label value="A"/></TimeSeriesLabels>'
    series = f'<TimeSeries name="ts" value="{value}" valueType="url"{attributes}>{columns}</TimeSeries>'
    return f"<View>{control}{series}</View>"


@dataclass(frozen=True)
class Case:
    """A recording, its label config, and what becomes of it.

    Attributes:
        raw: the file.
        config: the label config's XML.
        stored: the bytes that are stored in its place; None where it stays as it is, or is refused.
        values: what both the reader and the page hold: times, and each channel's numbers, None for a missing one.
        row, what, cure: of a refused one; parts of the sentences.
        followed: of a refused one, file and label config after the cure.
        misread: of a refused one, whether the page would show an error or other numbers.
    """

    raw: bytes
    config: str = xml()
    stored: bytes | None = None
    values: tuple[list[float], ...] | None = None
    row: int | None = None
    what: str = ""
    cure: str = ""
    followed: tuple[bytes, str] | None = None
    misread: bool = True

    @property
    def parsed(self) -> LabelConfig:
        """The label config."""
        return label_config.parse(self.config)


PLAIN = b"time,x,y\n0,1,2\n1,3,4\n"
NAN = float("nan")
GAP = ([0, 1], [1, 3], [NAN, 4])
WHOLE = ([0, 1], [1, 3], [2, 4])
DECIMALS = ([0, 0.5], [1.25, 3], [-0.5, 4])
SECONDS = xml(time_format="%Y-%m-%d %H:%M:%S")
T0 = 1767225600000  # 2026-01-01 00:00:00 UTC, in milliseconds

AS_IT_IS = {
    "plain": Case(PLAIN, values=WHOLE),
    "Windows line ends": Case(PLAIN.replace(b"\n", b"\r\n"), values=WHOLE),
    "byte order mark": Case(b"\xef\xbb\xbf" + PLAIN, values=WHOLE),
    "no line end at the end": Case(PLAIN[:-1], values=WHOLE),
    "index of pandas": Case(b",time,x,y\n0,0,1,2\n1,1,3,4\n", values=WHOLE),
    "blank lines below": Case(b"time,x,y\n0,1,2\n\n1,3,4\n \n\n", values=WHOLE),
    "an empty cell at the end": Case(b"time,x,y\n0,1,\n1,3,4\n", values=GAP),
    "an empty cell in the middle": Case(b"time,y,x\n0,,1\n1,4,3\n", values=GAP),
    "an empty cell at the start": Case(b"y,time,x\n,0,1\n4,1,3\n", values=GAP),
    "trailing separators in all lines": Case(b"time,x,y,\n0,1,2,\n1,3,4,\n", values=WHOLE),
    "quoted notes": Case(b'time,x,y,note\n0,1,2,"walk, fast"\n1,3,4,"say ""so"""\n', values=WHOLE),
    "quoted notes without separators": Case(b'time,"note",x,y\n0,"a",1,2\n1,"b",3,4\n', values=WHOLE),
    "blanks and an empty cell": Case(
        b"time x y\n0 1 2\n1  4\n", xml(sep="space"), values=([0, 1], [1, NAN], [2, 4])
    ),
    "semicolons": Case(b"time;x;y\n0;1;2\n1;3;4\n", xml(sep=";"), values=WHOLE),
    "tabs": Case(b"time\tx\ty\n0\t1\t2\n1\t3\t4\n", xml(sep="tab"), values=WHOLE),
    "tabs and an empty cell": Case(b"time\ty\tx\n0\t\t1\n1\t4\t3\n", xml(sep="\\t"), values=GAP),
    "blanks": Case(b"time x y\n0 1 2\n1 3 4\n", xml(sep="space"), values=WHOLE),
    "a separator that is guessed": Case(b"time;x;y\n0;1;2\n1;3;4\n", xml(sep="auto"), values=WHOLE),
    "names in capitals": Case(b"TIME,X,Y\n0,1,2\n1,3,4\n", values=WHOLE),
    "numbers in many forms": Case(
        b"time,x,y\n-1e1,+.5,5.\n 1 ,1E+03,\t-0\n", values=([-10, 1], [0.5, 1000], [5, 0])
    ),
    "no times": Case(b"x,y\n1,2\n3,4\n", xml(time=None), values=WHOLE),
    "no header": Case(b"1,2\n3,4\n", xml("0", "1", time=None), values=WHOLE),
    "no header but times": Case(
        b"0,1,2\n1,3,4\n".replace(b"0,1,2", b"0.0,1,2"), xml("1", "2", time="0"), values=WHOLE
    ),
    "a column called by a number beyond all places": Case(
        b"time,7,y\n0,1,2\n1,3,4\n", xml("7", "y"), values=WHOLE
    ),
    "stamps": Case(
        b"time,x,y\n2026-01-01 00:00:00,1,2\n2026-01-01 00:00:01,3,4\n",
        SECONDS,
        values=([T0, T0 + 1000], *WHOLE[1:]),
    ),
    "a fraction of one digit": Case(
        b"time,x,y\n2026-01-01 00:00:00.5,1,2\n2026-01-01 00:00:01.25,3,4\n",
        xml(time_format="%Y-%m-%d %H:%M:%S.%L"),
        values=([T0 + 500, T0 + 1250], *WHOLE[1:]),
    ),
    "microseconds": Case(
        b"time,x,y\n2026-01-01 00:00:00.000250,1,2\n2026-01-01 00:00:01.000999,3,4\n",
        xml(time_format="%Y-%m-%d %H:%M:%S.%f"),
        values=([T0, T0 + 1000], *WHOLE[1:]),
    ),
    "a zone": Case(
        b"time,x,y\n2026-01-01T01:00:00.25+01:00,1,2\n2026-01-01T01:00:01.250+01:00,3,4\n",
        xml(time_format="%Y-%m-%dT%H:%M:%S.%L%Z"),
        values=([T0 + 250, T0 + 1250], *WHOLE[1:]),
    ),
    "months and halves of days": Case(
        b"time,x,y\nJan 1 2026 12:00:00 AM,1,2\nJan 1 2026 12:00:01 am,3,4\n",
        xml(time_format="%b %-d %Y %I:%M:%S %p"),
        values=([T0, T0 + 1000], *WHOLE[1:]),
    ),
    "milliseconds since 1970": Case(
        b"time,x,y\n1767225600000,1,2\n1767225600250,3,4\n",
        xml(time_format="%Q"),
        values=([T0, T0 + 250], *WHOLE[1:]),
    ),
    "stamps of digits": Case(
        b"time,x,y\n20260101000000,1,2\n20260101000001,3,4\n",
        xml(time_format="%Y%m%d%H%M%S"),
        values=([T0, T0 + 1000], *WHOLE[1:]),
    ),
    "a column called True": Case(b"time,x,y,true\n0,1,2,0\n1,3,4,1\n", values=WHOLE),
}
