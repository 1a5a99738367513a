"""Recordings of which cells are refused: numbers that are none, and times that Label Studio's page cannot read."""

from __future__ import annotations

from tests.support.recordings.recording_cases import PLAIN, SECONDS, Case, xml

TZ = xml(time_format="%Y-%m-%dT%H:%M:%S.%f%Z")
BARE = xml(time_format="%Y-%m-%dT%H:%M:%S.%f")


def _stamped(first: str, second: str) -> bytes:
    return f"time,x,y\n{first},1,2\n{second},3,4\n".encode()


REFUSED_CELLS = {
    "a word": Case(
        b"time,x,y\n0,1,2\n1,word,4\n",
        row=3,
        what="'word' in channel 'x' is not a number",
        cure="write a number, or leave the cell empty",
        followed=(b"time,x,y\n0,1,2\n1,,4\n", xml()),
        misread=False,
    ),
    "overload": Case(
        b"time,x,y\n0,1,2\n1,OVL,4\n2,---,---\n",
        row=3,
        what="'OVL' in channel 'x' is not a number, but a placeholder for a missing value (and 2 more row(s)",
        cure="leave the cell empty where it is unknown",
        followed=(b"time,x,y\n0,1,2\n1,,4\n2,,\n", xml()),
        misread=False,
    ),
    "true and false among numbers": Case(
        b"time,x,y\n0,1,2\n1,True,4\n",
        row=3,
        what="'True' in channel 'x' is not a number",
        cure="write a number",
        followed=(PLAIN, xml()),
        misread=False,
    ),
    "an underscore": Case(
        b"time,x,y\n0,1_0,2\n",
        row=2,
        what="'1_0' in channel 'x' is not a number",
        cure="write a number",
        followed=(b"time,x,y\n0,10,2\n", xml()),
        misread=False,
    ),
    "infinite": Case(
        b"time,x,y\n0,inf,2\n1,1e39,4\n",
        row=2,
        what="channel 'x' is infinite (inf) (and 1 more row(s) like it)",
        cure="leave the cell empty",
        followed=(b"time,x,y\n0,,2\n1,,4\n", xml()),
        misread=False,
    ),
    "a thousand or three decimals": Case(
        b'time,x,y\n0,"1,000",2\n1,"1,001",4\n',
        row=2,
        what="'1,000' in channel 'x' may be a thousand or have three decimals",
        cure="write 1000 if the comma separates thousands, 1.000 if it is a decimal comma",
        followed=(b"time,x,y\n0,1000,2\n1,1001,4\n", xml()),
    ),
    "thousands": Case(
        b'time,x,y\n0,"1,234.5",2\n1,3,4\n',
        row=2,
        what="'1,234.5' in channel 'x' has thousands separators",
        cure="write 1234.5",
        followed=(b"time,x,y\n0,1234.5,2\n1,3,4\n", xml()),
    ),
    "thousands with points": Case(
        b"time;x;y\n0;1.234,5;2\n1;3;4\n",
        row=2,
        what="'1.234,5' in channel 'x' has thousands separators",
        cure="write 1234.5",
        followed=(b"time;x;y\n0;1234.5;2\n1;3;4\n", xml()),
    ),
    "thousands with apostrophes": Case(
        b"time;x;y\n0;1'000;2\n1;3;4\n",
        row=2,
        what="has thousands separators",
        cure="write 1000",
        followed=(b"time;x;y\n0;1000;2\n1;3;4\n", xml()),
    ),
    "commas and points": Case(
        b"time;x;y\n0;1,5;2\n1;3.5;4\n",
        row=2,
        what="channel 'x' has '1,5' here and '3.5' in line 3: commas and points",
        cure="write all decimals with a point",
        followed=(b"time;x;y\n0;1.5;2\n1;3.5;4\n", xml()),
    ),
    "a quote that is not closed": Case(
        b'time,x,y,note\n0,1,2,"walk\n1,3,4,b\n',
        row=2,
        what="its quotes do not pair up",
        cure='take the quote out, or double it ("")',
        followed=(b"time,x,y,note\n0,1,2,walk\n1,3,4,b\n", xml()),
        misread=False,
    ),
    "a line end in quotes": Case(
        b'time,x,y,note\n0,1,2,"a\nb"\n1,3,4,b\n',
        row=2,
        what="its quotes do not pair up",
        cure="the line end out of a quoted cell",
        followed=(b"time,x,y,note\n0,1,2,a b\n1,3,4,b\n", xml()),
    ),
    "no time": Case(
        b"time,x,y\n0,1,2\n,3,4\n",
        row=3,
        what="there is no time in 'time'",
        cure="write the time, or delete the row",
        followed=(PLAIN, xml()),
        misread=False,
    ),
    "an infinite time": Case(
        b"time,x,y\n0,1,2\ninf,3,4\n",
        row=3,
        what="the time 'inf' is infinite",
        cure="write the time, or delete the row",
        followed=(PLAIN, xml()),
        misread=False,
    ),
    "a time twice": Case(
        b"time,x,y\n0,1,2\n0,3,4\n",
        row=3,
        what="the time 0 is there twice",
        cure="keep one row for each time",
        followed=(PLAIN, xml()),
        misread=False,
    ),
    "time goes back": Case(
        b'"time",x,y\n1,1,2\n\n0,3,4\n',
        row=4,
        what="time goes back, from 1 to 0",
        cure="sort the rows by time",
        followed=(PLAIN, xml()),
    ),
    "stamps without a timeFormat": Case(
        b"time,x,y\n2026-01-01 00:00:00,1,2\n",
        row=2,
        what="the time '2026-01-01 00:00:00' is not a number",
        cure='set timeFormat on <TimeSeries> in the label config, as "%Y-%m-%d %H:%M:%S"',
        followed=(b"time,x,y\n2026-01-01 00:00:00,1,2\n", SECONDS),
    ),
    "stamps in another form": Case(
        _stamped("2026-01-01 00:00:00", "01/01/2026 0:01"),
        SECONDS,
        row=3,
        what="the time '01/01/2026 0:01' is not in the timeFormat",
        cure="write it so, or correct timeFormat",
        followed=(_stamped("2026-01-01 00:00:00", "2026-01-01 00:01:00"), SECONDS),
        misread=True,
    ),
    "mixed zones": Case(
        _stamped("2026-01-01T00:00:00+00:00", "2026-01-01T03:00:00+02:00"),
        xml(time_format="%Y-%m-%dT%H:%M:%S%Z"),
        row=3,
        what="the times are in different time zones: +00:00, +02:00",
        cure="write all times in one time zone",
        followed=(
            _stamped("2026-01-01T00:00:00+00:00", "2026-01-01T01:00:00+00:00"),
            xml(time_format="%Y-%m-%dT%H:%M:%S%Z"),
        ),
        misread=False,
    ),
    "microseconds before a zone": Case(
        _stamped("2026-01-01T00:00:00.000250+00:00", "2026-01-01T00:00:01.000250+00:00"),
        TZ,
        row=2,
        what="Label Studio's page cannot read the time '2026-01-01T00:00:00.000250+00:00'",
        cure="take %Z out of the label config's timeFormat: import writes the times in UTC",
        followed=(_stamped("2026-01-01T00:00:00.000250+00:00", "2026-01-01T00:00:01.000250+00:00"), BARE),
    ),
    "nanoseconds before a zone": Case(
        _stamped("2026-01-01T00:00:00.000000123+00:00", "2026-01-01T00:00:01.000000123+00:00"),
        TZ,
        row=2,
        what="cannot read the time",
        cure="write six digits of a second at the most, and take %Z out of the label config's timeFormat",
        followed=(_stamped("2026-01-01T00:00:00.000000+00:00", "2026-01-01T00:00:01.000000+00:00"), BARE),
    ),
    "nanoseconds": Case(
        _stamped("2026-01-01T00:00:00.000000123", "2026-01-01T00:00:01.000000123"),
        BARE,
        row=2,
        what="cannot read the time",
        cure="write six digits of a second at the most",
        followed=(_stamped("2026-01-01T00:00:00.000001", "2026-01-01T00:00:01.000001"), BARE),
    ),
    "a letter Z behind a fraction": Case(
        _stamped("2026-01-01T00:00:00.250Z", "2026-01-01T00:00:01.250Z"),
        xml(time_format="%Y-%m-%dT%H:%M:%S.%LZ"),
        row=2,
        what="cannot read the time",
        cure="take Z out of the label config's timeFormat",
        followed=(
            _stamped("2026-01-01T00:00:00.250Z", "2026-01-01T00:00:01.250Z"),
            xml(time_format="%Y-%m-%dT%H:%M:%S.%L"),
        ),
    ),
    "microseconds as milliseconds": Case(
        _stamped("2026-01-01 00:00:00.000250", "2026-01-01 00:00:01.000250"),
        xml(time_format="%Y-%m-%d %H:%M:%S.%L"),
        row=2,
        what="cannot read the time",
        cure="write %f for %L in the label config's timeFormat",
        followed=(
            _stamped("2026-01-01 00:00:00.000250", "2026-01-01 00:00:01.000250"),
            xml(time_format="%Y-%m-%d %H:%M:%S.%f"),
        ),
    ),
    "dots in dates": Case(
        _stamped("01.01.2026 00:00:00", "01.01.2026 00:00:01"),
        xml(time_format="%d.%m.%Y %H:%M:%S"),
        row=2,
        what="cannot read the time",
        cure="write dates with - for . and timeFormat so",
        followed=(
            _stamped("01-01-2026 00:00:00", "01-01-2026 00:00:01"),
            xml(time_format="%d-%m-%Y %H:%M:%S"),
        ),
    ),
    "seconds since 1970 with a fraction": Case(
        _stamped("1767225600.5", "1767225601.5"),
        xml(time_format="%s"),
        row=2,
        what="cannot read the time",
        cure="take timeFormat out of the label config",
        followed=(_stamped("1767225600.5", "1767225601.5"), xml()),
    ),
    "a time of day in digits": Case(
        _stamped("000000", "000001"),
        xml(time_format="%H%M%S"),
        row=2,
        what="cannot read the time",
        cure="write the times in another form",
        followed=(
            _stamped("2026-01-01 00:00:00.000", "2026-01-01 00:00:01.000"),
            xml(time_format="%Y-%m-%d %H:%M:%S.%L"),
        ),
    ),
}
