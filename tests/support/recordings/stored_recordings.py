"""Recordings that are stored in another form, because Label Studio's page would misread their own."""

from __future__ import annotations

from tests.support.recordings.recording_cases import DECIMALS, GAP, NAN, PLAIN, SECONDS, T0, WHOLE, Case, xml

STORED = {
    "quoted names": Case(b'"time","x","y"\n0,1,2\n1,3,4\n', stored=PLAIN, values=WHOLE),
    "quotes everywhere": Case(
        b'"time","x","y"\r\n"0","1","2"\r\n"1","3","4"\r\n', stored=PLAIN, values=WHOLE
    ),
    "quoted numbers far below": Case(
        b"time,x,y\n" + b"".join(b"%d,1,2\n" % n for n in range(5)) + b'5,"1","2"\n',
        stored=b"time,x,y\n" + b"".join(b"%d,1,2\n" % n for n in range(6)),
        values=([0, 1, 2, 3, 4, 5], [1] * 6, [2] * 6),
    ),
    "a quote in a note": Case(
        b'time,x,y,note\n0,1,2,5" pipe\n1,3,4,"a, b"\n',
        stored=b'time,x,y,note\n0,1,2,"5"" pipe"\n1,3,4,"a, b"\n',
        values=WHOLE,
    ),
    "trailing separators": Case(b"time,x,y\n0,1,2,\n1,3,4,\n", stored=PLAIN, values=WHOLE),
    "trailing separators further down": Case(b"time,x,y\n0,1,2\n1,3,4,\n", stored=PLAIN, values=WHOLE),
    "one row long, one short": Case(
        b"time,x,y\n0,1,2,\n1,3\n", stored=b"time,x,y\n0,1,2\n1,3,\n", values=([0, 1], [1, 3], [2, NAN])
    ),
    "short rows": Case(b"time,x,y\n0,1\n1,3,4\n", stored=b"time,x,y\n0,1,\n1,3,4\n", values=GAP),
    "rows without a cell": Case(b"time,x,y\n0,1,2\n1,3,4\n,,\n,,\n", stored=PLAIN, values=WHOLE),
    "a blank line below the header": Case(b"time,x,y\n\n0,1,2\n1,3,4\n", stored=PLAIN, values=WHOLE),
    "a blank line above the header": Case(b"\n\ntime,x,y\n0,1,2\n1,3,4\n", stored=PLAIN, values=WHOLE),
    "two empty cells at the start": Case(
        b"y,x,time\n,,0\n4,3,1\n", stored=b"time,y,x\n0,,\n1,4,3\n", values=([0, 1], [NAN, 3], [NAN, 4])
    ),
    "two empty cells at the start, no times": Case(
        b"x,y,z\n,,0\n3,4,1\n",
        xml("x", "y", "z", time=None),
        stored=b"z,x,y\n0,,\n1,3,4\n",
        values=([0, 1], [NAN, 3], [NAN, 4], [0, 1]),
    ),
    "empty cells at the start and no full column": Case(
        b"x,y,z\n,,0\n3,4,\n",
        xml("x", "y", "z", time=None),
        stored=b",x,y,z\n0,,,0\n1,3,4,\n",
        values=([0, 1], [NAN, 3], [NAN, 4], [0, NAN]),
    ),
    "words for missing values": Case(
        b"time,x,y\n0,1,NaN\n1,3,4\n2,null,n/a\n",
        stored=b"time,x,y\n0,1,\n1,3,4\n2,,\n",
        values=([0, 1, 2], [1, 3, NAN], [NAN, 4, NAN]),
    ),
    "nothing but words in the first row": Case(
        b"time,x,y\n2026-01-01 00:00:00,NaN,NaN\n2026-01-01 00:00:01,3,4\n",
        SECONDS,
        stored=b"time,x,y\n2026-01-01 00:00:00,,\n2026-01-01 00:00:01,3,4\n",
        values=([T0, T0 + 1000], [NAN, 3], [NAN, 4]),
    ),
    "no header and words in the first row": Case(
        b"NaN,2\n3,4\n", xml("0", "1", time=None), stored=b",2\n3,4\n", values=([0, 1], [NAN, 3], [2, 4])
    ),
    "true and false": Case(
        b"time,x,y\n0,True,2\n1,FALSE,4\n",
        stored=b"time,x,y\n0,1,2\n1,0,4\n",
        values=([0, 1], [1, 0], [2, 4]),
    ),
    "blanks around cells": Case(b"time, x, y\n0, 1, 2\n1, 3, 4\n", stored=PLAIN, values=WHOLE),
    "blanks around stamps": Case(
        b"time ,x,y\n 2026-01-01 00:00:00 ,1,2\n 2026-01-01 00:00:01 ,3,4\n",
        SECONDS,
        stored=b"time,x,y\n2026-01-01 00:00:00,1,2\n2026-01-01 00:00:01,3,4\n",
        values=([T0, T0 + 1000], *WHOLE[1:]),
    ),
    "Excel's line": Case(b"sep=;\r\ntime;x;y\r\n0;1;2\r\n1;3;4\r\n", stored=PLAIN, values=WHOLE),
    "semicolons for commas": Case(b"time;x;y\n0;1;2\n1;3;4\n", stored=PLAIN, values=WHOLE),
    "commas for semicolons": Case(PLAIN, xml(sep=";"), stored=PLAIN.replace(b",", b";"), values=WHOLE),
    "tabs for commas": Case(b"time\tx\ty\n0\t1\t2\n1\t3\t4\n", stored=PLAIN, values=WHOLE),
    "columns lined up by blanks": Case(
        b"  time    x   y\n  0.00    1   2\n 10.00    3   4\n",
        stored=b"time,x,y\n0.00,1,2\n10.00,3,4\n",
        values=([0, 10], *WHOLE[1:]),
    ),
    "decimal commas": Case(
        b"time;x;y\n0;1,25;-,5\n0,5;3;4\n", stored=b"time,x,y\n0,1.25,-.5\n0.5,3,4\n", values=DECIMALS
    ),
    "decimal commas between semicolons": Case(
        b"time;x;y\n0;1,25;-,5\n0,5;3;4\n",
        xml(sep=";"),
        stored=b"time;x;y\n0;1.25;-.5\n0.5;3;4\n",
        values=DECIMALS,
    ),
    "decimal commas in quotes": Case(
        b'time,x,y\n0,"1,25","-,5"\n"0,5",3,4\n', stored=b"time,x,y\n0,1.25,-.5\n0.5,3,4\n", values=DECIMALS
    ),
    "three decimals behind a comma": Case(
        b"time;x;y\n0,000;1,250;-0,500\n0,500;3,000;4,000\n",
        stored=b"time,x,y\n0.000,1.250,-0.500\n0.500,3.000,4.000\n",
        values=DECIMALS,
    ),
    "UTF-16": Case(PLAIN.decode().encode("utf-16"), stored=PLAIN, values=WHOLE),
    "UTF-16 without a mark": Case(PLAIN.decode().encode("utf-16-be"), stored=PLAIN, values=WHOLE),
    "Windows-1252": Case(
        "time,x,y,Größe in °C\n0,1,2,5\n1,3,4,6\n".encode("cp1252"),
        stored="time,x,y,Größe in °C\n0,1,2,5\n1,3,4,6\n".encode(),
        values=WHOLE,
    ),
    "old Macintosh line ends": Case(PLAIN.replace(b"\n", b"\r"), stored=PLAIN, values=WHOLE),
    "a column twice that nobody needs": Case(
        b"time,x,z,y,z\n0,1,5,2,6\n1,3,5,4,6\n",
        stored=b"time,x,z,y,z_2\n0,1,5,2,6\n1,3,5,4,6\n",
        values=WHOLE,
    ),
    "a column that differs by its case": Case(
        b"time,X,x,y\n0,5,1,2\n1,5,3,4\n", stored=b"time,X_2,x,y\n0,5,1,2\n1,5,3,4\n", values=WHOLE
    ),
    "columns called by numbers, in other places": Case(
        b"time,0,1\n0,1,2\n1,3,4\n", xml("0", "1"), stored=b"0,1,time\n1,2,0\n3,4,1\n", values=WHOLE
    ),
    "one column": Case(b"x\n1\n3\n", xml("x", time=None), stored=b"x,\n1,\n3,\n", values=([0, 1], [1, 3])),
    "tabs and an empty cell at the end": Case(
        b"time\tz\tx\n0\t5\t\n1\t6\t3\n",
        xml("x", sep="tab"),
        stored=b"time\tx\tz\n0\t\t5\n1\t3\t6\n",
        values=([0, 1], [NAN, 3]),
    ),
    "Z for the zone": Case(
        b"time,x,y\n2026-01-01T00:00:00.250Z,1,2\n2026-01-01T00:00:01.250Z,3,4\n",
        xml(time_format="%Y-%m-%dT%H:%M:%S.%L%Z"),
        stored=b"time,x,y\n2026-01-01T00:00:00.250+00:00,1,2\n2026-01-01T00:00:01.250+00:00,3,4\n",
        values=([T0 + 250, T0 + 1250], *WHOLE[1:]),
    ),
    "a zone that timeFormat does not have": Case(
        b"time,x,y\n2026-01-01T01:00:00.000250+01:00,1,2\n2026-01-01T01:00:01.000250+01:00,3,4\n",
        xml(time_format="%Y-%m-%dT%H:%M:%S.%f"),
        stored=b"time,x,y\n2026-01-01T00:00:00.000250,1,2\n2026-01-01T00:00:01.000250,3,4\n",
        values=([T0, T0 + 1000], *WHOLE[1:]),
    ),
    "four digits of a second": Case(
        b"time,x,y\n2026-01-01 00:00:00.1234,1,2\n2026-01-01 00:00:01.1234,3,4\n",
        xml(time_format="%Y-%m-%d %H:%M:%S.%f"),
        stored=b"time,x,y\n2026-01-01 00:00:00.123400,1,2\n2026-01-01 00:00:01.123400,3,4\n",
        values=([T0 + 123, T0 + 1123], *WHOLE[1:]),
    ),
    "six digits for three": Case(
        b"time,x,y\n2026-01-01 00:00:00.123000,1,2\n2026-01-01 00:00:01.123000,3,4\n",
        xml(time_format="%Y-%m-%d %H:%M:%S.%L"),
        stored=b"time,x,y\n2026-01-01 00:00:00.123,1,2\n2026-01-01 00:00:01.123,3,4\n",
        values=([T0 + 123, T0 + 1123], *WHOLE[1:]),
    ),
    "JSON's first letter": Case(
        b'{"a",time,x,y\n0,0,1,2\n1,1,3,4\n', stored=b'"{""a""",time,x,y\n0,0,1,2\n1,1,3,4\n', values=WHOLE
    ),
}
