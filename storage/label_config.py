"""The project's label config: Label Studio's XML, kept in git as `data/label_config.xml`.

Read here once and used everywhere: which columns of a recording are channels, how its times are
written, what people are asked (*where* in a recording: `<TimeSeriesLabels>`; *what* the whole recording is:
`<Choices>`), and which answers there are. Format: https://labelstud.io/tags/timeseries
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from storage.errors import InputError
from storage.files import read_text
from storage.json_text import DEEPEST

PATH = Path("data/label_config.xml")

# What is asked of a recording: where things are in it, or what the whole of it is.
Task = Literal["segmentation", "binary", "multiclass", "multilabel"]

# Of d3-time-format's directives those from which a time follows, in a way that every language agrees on.
DIRECTIVES = tuple("YymdejbBaAHIpMSLfZz%")

SEPARATORS = {"comma": ",", "tab": "\t", "space": " ", "\\t": "\t"}


@dataclass(frozen=True)
class LabelConfig:
    """What a label config says about recordings and what is said of them.

    Attributes:
        task: what is asked; it follows from the control tag, and from how many choices there are and may be made.
        object_tag: name of the `<TimeSeries>` tag; regions and choices carry it as `to_name`.
        control_tag: name of the `<TimeSeriesLabels>` or `<Choices>` tag; regions and choices carry it as `from_name`.
        data_key: key of the task data that holds the recording (`$csv` is `csv`).
        inline: the task data holds the columns themselves (`valueType="json"`), not an address.
        time_column: column of times; None counts the rows 0..n-1.
        time_format: d3-time-format of the times; None means numbers.
        sep: column separator of the CSV.
        channels: columns, in the order of the config.
        labels: class names, in the order of the config; of a choice with an alias that.
        several: names of all `<Choices>` tags, the control tag or beside it, that take any number of choices.
    """

    task: Task
    object_tag: str
    control_tag: str
    data_key: str
    inline: bool
    time_column: str | None
    time_format: str | None
    sep: str
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    several: frozenset[str] = frozenset()


def parse(xml: str, where: str = str(PATH)) -> LabelConfig:
    """Read a label config.

    Raises:
        InputError: not XML, tags very deep in each other, no `<TimeSeries>` or more than one, no channel, neither
            one `<TimeSeriesLabels>` nor one `<Choices>` for it, no label or the same label twice, choices below
            choices, a timeFormat that no time follows from.
    """
    cure = "mend the label config, then run the command again"
    try:
        root = ET.fromstring(xml)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise InputError("the label config is not XML", where=where, why=str(error), cure=cure) from error
    if _is_deep(root):
        why = f"tags lie more than {DEEPEST} deep in each other"
        raise InputError("the label config cannot be used", where=where, why=why, cure=cure)
    series = root.findall(".//TimeSeries")
    if len(series) != 1:
        why = f"it has {len(series)} <TimeSeries> tags"
        raise InputError("a label config needs one <TimeSeries>", where=where, why=why, cure=cure)
    tag = series[0]
    name = tag.get("name", "")
    control = _control(root, name, where, cure)
    # <MultiChannel> only groups channels in one plot: the channels inside it are channels like others.
    channels = tuple(c.get("column", "") for c in tag.iter("Channel"))
    labels = _labels(control)
    for what, values in (("channel", channels), ("label", labels)):
        if not values or "" in values:
            raise InputError(f"the label config has no {what}, or one without a name", where=where, cure=cure)
        if len(set(values)) < len(values):
            twice = sorted({v for v in values if values.count(v) > 1})
            raise InputError(
                f"the label config names a {what} twice: {', '.join(twice)}", where=where, cure=cure
            )
    value = tag.get("value", "")
    if not value.startswith("$"):
        raise InputError('<TimeSeries value="..."> must name a key of the task data', where=where, cure=cure)
    sep = tag.get("sep", ",")
    _check_time_format(tag.get("timeFormat", ""), where)
    return LabelConfig(
        task=_task(control, labels),
        object_tag=name,
        control_tag=control.get("name", ""),
        data_key=value[1:],
        inline=tag.get("valueType", "url").lower() == "json",
        time_column=tag.get("timeColumn") or None,
        time_format=tag.get("timeFormat") or None,
        sep=SEPARATORS.get(sep, sep),
        channels=channels,
        labels=labels,
        several=frozenset(tag.get("name", "") for tag in root.iter("Choices") if _takes_several(tag)),
    )


def _is_deep(root: ET.Element) -> bool:
    level = [root]
    for _ in range(DEEPEST):
        level = [tag for outer in level for tag in outer]
    return bool(level)


def _control(root: ET.Element, series: str, where: str, cure: str) -> ET.Element:
    """The tag that asks about the recording: regions, or where nobody asks for them, choices for the whole."""

    def of(kind: str) -> list[ET.Element]:
        return [tag for tag in root.findall(f".//{kind}") if series in tag.get("toName", "").split(",")]

    regions = of("TimeSeriesLabels")
    # Choices that are made for each region describe regions.
    choices = [tag for tag in of("Choices") if tag.get("perRegion", "").lower() != "true"]
    if len(regions) == 1 or (not regions and len(choices) == 1):
        found = (regions or choices)[0]
        if any(choice.find("Choice") is not None for choice in found.iter("Choice")):
            raise InputError("choices below choices are no classes", where=where, cure=cure)
        return found
    why = f"it has {len(regions)} of the first and {len(choices)} of the second"
    what = "a label config needs one <TimeSeriesLabels>, or one <Choices> for whole recordings"
    raise InputError(what, where=where, why=why, cure=cure)


def _labels(control: ET.Element) -> tuple[str, ...]:
    """What may be answered, as it stands in annotations."""
    if control.tag == "Choices":
        return tuple(c.get("alias") or c.get("value") or "" for c in control.iter("Choice"))
    return tuple(c.get("value", "") for c in control.iter("Label"))


def _task(control: ET.Element, labels: tuple[str, ...]) -> Task:
    if control.tag != "Choices":
        return "segmentation"
    if _takes_several(control):
        return "multilabel"
    return "binary" if len(labels) == 2 else "multiclass"


def _takes_several(choices: ET.Element) -> bool:
    return choices.get("choice", "single").startswith("multiple")


def _check_time_format(time_format: str, where: str) -> None:
    unknown = [m for m in re.findall(r"%[-_0]?(.?)", time_format) if m not in DIRECTIVES]
    if not unknown or time_format in ("%s", "%Q"):
        return
    alone = f"%{unknown[0]} must stand alone" if unknown[0] in ("s", "Q") else ""
    why = alone or f"%{unknown[0]} is none of %{' %'.join(DIRECTIVES)}, nor %s or %Q alone"
    cure = "write the times of the recordings in another form and set timeFormat on <TimeSeries> to it"
    raise InputError(
        f"the timeFormat {time_format!r} does not say when it was", where=where, why=why, cure=cure
    )


def load(path: Path = PATH) -> LabelConfig:
    """Read `data/label_config.xml`.

    Raises:
        InputError: the file is not there, or `parse` refuses it.
    """
    try:
        xml = read_text(path, f"write {path} in UTF-8, then run the command again")
    except FileNotFoundError as error:
        raise InputError(
            "this project has no label config yet",
            where=str(path),
            cure="labeltrail import PATH --label-config FILE",
        ) from error
    return parse(xml, str(path))


def by_address(xml: str) -> str:
    """The same label config for recordings that are addressed: they lie in the bucket, not in the task data."""
    root = ET.fromstring(xml)
    for tag in root.iter("TimeSeries"):
        tag.set("valueType", "url")
    return ET.tostring(root, encoding="unicode") + "\n"


def render(
    channels: tuple[str, ...],
    labels: tuple[str, ...],
    time_column: str | None,
    *,
    control_tag: str = "label",
    object_tag: str = "ts",
    task: Task = "segmentation",
) -> str:
    """A label config for recordings with these columns; the task data key is `csv`."""
    view = ET.Element("View")
    asked = "TimeSeriesLabels" if task == "segmentation" else "Choices"
    control = ET.SubElement(view, asked, name=control_tag, toName=object_tag)
    if task != "segmentation":
        control.set("choice", "multiple" if task == "multilabel" else "single")
    for i, label in enumerate(labels):
        if task == "segmentation":
            ET.SubElement(control, "Label", value=label, background=colour(i))
        else:
            ET.SubElement(control, "Choice", value=label)
    series = ET.SubElement(view, "TimeSeries", name=object_tag, value="$csv", valueType="url")
    if time_column:
        series.set("timeColumn", time_column)
    if task != "segmentation":
        # Who judges the whole wants to see the whole; Label Studio begins with the first quarter.
        series.set("overviewWidth", "100%")
    plot = ET.SubElement(series, "MultiChannel", height="320")
    for i, channel in enumerate(channels):
        ET.SubElement(plot, "Channel", column=channel, legend=channel, strokeColor=colour(i))
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


def colour(index: int) -> str:
    """A colour for the class or channel with this index, the same in Label Studio and in the report."""
    palette = (
        "#2a78b5", "#e07b39", "#3f9e62", "#b5495b", "#7d5ba6", "#8c6d46",
        "#d277b0", "#5b6b7b", "#a8a032", "#32a0a8", "#d4a017", "#4b54c4",
    )  # fmt: skip
    return palette[index % len(palette)]
