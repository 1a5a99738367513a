"""The project's label config: Label Studio's XML, in git as `data/label_config.xml`.

It defines the channels of a recording, the format of its times, the kind of labels (regions: `<TimeSeriesLabels>`;
choices for the whole recording: `<Choices>`), and the labels. Format: https://labelstud.io/tags/timeseries
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from storage.errors import InputError
from storage.files import read_text
from storage.label_studio import label_config_xml, page_times
from storage.label_studio.label_config_xml import CURE, TAGS, VARIABLE, Tag
from storage.printable import shortened

PATH = Path("data/label_config.xml")

# Kind of task: regions in a recording (segmentation), or labels of the whole recording.
Task = Literal["segmentation", "binary", "multiclass", "multilabel"]

# Directives of d3-time-format that define a time unambiguously, and that the page reads.
DIRECTIVES = tuple(letter for letter in "YymdejbBaAHIpMSLfZ%" if letter in page_times.DIRECTIVES)

# Directives for the same part of a time as another one.
SAME_PART = {"e": "d", "L": "f"}

MOST_LABELS = 1000  # classes of a label config
LONGEST_LABEL = 1000  # characters of a class's name
SHOWN = 5  # names that an error lists

SEPARATORS = {"comma": ",", "tab": "\t", "space": " ", "\\t": "\t"}


@dataclass(frozen=True)
class LabelConfig:
    """The format of recordings, and their labels.

    Attributes:
        task: kind of task, from the control tag, the number of choices and whether several may be made.
        object_tag: name of the `<TimeSeries>` tag; regions and choices carry it as `to_name`.
        control_tag: name of the `<TimeSeriesLabels>` or `<Choices>` tag; regions and choices carry it as `from_name`.
        data_key: key of the task data that holds the recording (`$csv` is `csv`).
        inline: the task data holds the columns themselves (`valueType="json"`), not an address.
        time_column: column of times; None counts the rows 0..n-1.
        time_format: d3-time-format of the times; None means numbers.
        sep: column separator of the CSV.
        channels: columns, in the order of the config.
        labels: class names, in the order of the config: the alias of a label or choice where it has one, which is
            what Label Studio writes into annotations.
        several: names of all `<Choices>` tags that allow several choices.
        shown_as: labels with an alias, by the value that Label Studio shows for them.
        controls: names of all control tags.
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
    shown_as: Mapping[str, str] = field(default_factory=dict, hash=False)
    controls: frozenset[str] = frozenset()

    @property
    def result_kind(self) -> Literal["regions", "choices"]:
        """Kind of labels: regions in a recording, or choices for the whole of it."""
        return "regions" if self.task == "segmentation" else "choices"

    def has_choices(self, tag: object) -> bool:
        """Whether the choices of this control tag are the labels."""
        return self.result_kind == "choices" and tag == self.control_tag

    def label_of(self, name: object) -> str | None:
        """The label for a name in an annotation, which may be its alias or its value."""
        if not isinstance(name, str):
            return None
        return name if name in self.labels else self.shown_as.get(name)


def parse(xml: str, where: str = str(PATH)) -> LabelConfig:
    """Read a label config.

    Raises:
        InputError: it is no XML that Label Studio accepts, or unsuitable: not exactly one `<TimeSeries>` and one
            control
            tag for it, no channel, no labels or too many, too long, duplicate, dynamic or nested ones, or times that
            the page cannot read.
    """
    root = label_config_xml.read(xml, where)
    series = list(root.inside("timeseries"))
    if len(series) != 1:
        why = f"it has {len(series)} <TimeSeries> tags"
        raise InputError("a label config needs one <TimeSeries>", where=where, why=why, cure=CURE)
    tag = series[0]
    name = tag.get("name")
    control = _control(root, name, where)
    # <MultiChannel> only groups channels in one plot.
    channels = tuple(c.get("column") for c in tag.inside("channel"))
    options = list(control.inside("choice" if control.kind == "choices" else "label"))
    labels = tuple(option.get("alias") or option.get("value") for option in options)
    _check_names("channel", channels, where)
    _check_labels(control, options, labels, where)
    value = tag.get("value")
    _check_data_key(value, where)
    _check_times(tag, where)
    sep = tag.get("sep", ",")
    return LabelConfig(
        task=_task(control, labels),
        object_tag=name,
        control_tag=control.get("name"),
        data_key=value[1:],
        inline=tag.get("valuetype", "url") == "json",
        time_column=tag.get("timecolumn") or None,
        time_format=tag.get("timeformat") or None,
        sep=SEPARATORS.get(sep, sep),
        channels=channels,
        labels=labels,
        several=frozenset(tag.get("name") for tag in root.inside("choices") if _takes_several(tag)),
        shown_as={a.get("value"): a.get("alias") for a in options if a.get("alias") and a.get("value")},
        controls=frozenset(tag.get("name") for tag in root.all() if "toname" in tag.attributes),
    )


def _control(root: Tag, series: str, where: str) -> Tag:
    """The control tag of the recording: for regions, or else for choices for the whole recording."""

    def of(kind: str) -> list[Tag]:
        return [tag for tag in root.inside(kind) if series in tag.get("toname").split(",")]

    regions = of("timeserieslabels")
    # `perRegion` choices describe regions.
    choices = [tag for tag in of("choices") if tag.get("perregion").lower() != "true"]
    if len(regions) == 1 or (not regions and len(choices) == 1):
        control = (regions or choices)[0]
        if any(next(choice.inside("choice"), None) for choice in control.inside("choice")):
            raise InputError("nested choices cannot be classes", where=where, cure=CURE)
        return control
    why = f"it has {len(regions)} of the first and {len(choices)} of the second"
    what = "a label config needs one <TimeSeriesLabels>, or one <Choices> for whole recordings"
    raise InputError(what, where=where, why=why, cure=CURE)


def _task(control: Tag, labels: tuple[str, ...]) -> Task:
    if control.kind != "choices":
        return "segmentation"
    if _takes_several(control):
        return "multilabel"
    return "binary" if len(labels) == 2 else "multiclass"


def _takes_several(choices: Tag) -> bool:
    return choices.get("choice", "single").startswith("multiple")


# -- checks ---------------------------------------------------------------------------------------


def _check_names(what: str, values: tuple[str, ...], where: str) -> None:
    """Check that there are names, none of them empty or a duplicate."""
    if not values or "" in values:
        raise InputError(f"the label config has no {what}, or one without a name", where=where, cure=CURE)
    if len(set(values)) < len(values):
        duplicates = sorted({value for value in values if values.count(value) > 1})[:SHOWN]
        names = ", ".join(map(shortened, duplicates))
        raise InputError(f"the label config names a {what} twice: {names}", where=where, cure=CURE)


def _check_labels(control: Tag, options: list[Tag], labels: tuple[str, ...], where: str) -> None:
    """Check that the config alone defines the classes, and that their names are unique."""
    dynamic = [control.get("value")] if VARIABLE.fullmatch(control.get("value")) else []
    if control.kind == "choices":  # of a label its own value is written, whatever is shown for it
        dynamic += [a.get("value") for a in options if not a.get("alias") and VARIABLE.search(a.get("value"))]
    if dynamic:
        raise InputError(
            f"the label config leaves its labels to the task data: {shortened(dynamic[0])}",
            where=where,
            why="a model has the same classes for every recording",
            cure=f"write them into <{TAGS[control.kind]}> as tags, each with a value of its own; "
            "labeltrail import does it where an export comes along that names them",
        )
    if len(labels) > MOST_LABELS:
        why = f"it has {len(labels):,}, {MOST_LABELS:,} at most"
        raise InputError("the label config has too many labels", where=where, why=why, cure=CURE)
    longest = max(labels, key=len, default="")
    if len(longest) > LONGEST_LABEL:
        why = f"{shortened(longest, 40)}, {LONGEST_LABEL:,} at most"
        raise InputError("a label of the label config is too long", where=where, why=why, cure=CURE)
    _check_names("label", labels, where)
    for option in options:
        shown = option.get("value")
        if shown in labels and option.get("alias") not in ("", shown):
            why = f"{shortened(shown)} is the value of one label and what annotations call another"
            raise InputError("two labels of the label config have one name", where=where, why=why, cure=CURE)


def _check_data_key(value: str, where: str) -> None:
    if not re.fullmatch(r"\$\w+", value):
        more = f"{shortened(value)} is more than the name of a key: letters, digits and _"
        why = more if value.startswith("$") else ""
        what = '<TimeSeries value="..."> must name a key of the task data'
        raise InputError(what, where=where, why=why, cure=CURE)


def _check_times(tag: Tag, where: str) -> None:
    """Check that times and their column are unambiguous, on the page and here."""
    kind = tag.get("valuetype", "url")
    if kind not in ("url", "json"):
        why = f"it is {shortened(kind)!r}, and Label Studio's page takes url or json, in small letters"
        raise InputError("the valueType of <TimeSeries> is unknown", where=where, why=why, cure=CURE)
    time_format = tag.get("timeformat")
    _check_time_format(time_format, where)
    if time_format and not tag.get("timecolumn"):
        why = "there is a timeFormat and no timeColumn, and without one rows are counted 0, 1, 2"
        raise InputError("the label config names no time column", where=where, why=why, cure=CURE)


def _check_time_format(time_format: str, where: str) -> None:
    letters = [letter for letter in re.findall(r"%[-_0]?(.)", time_format) if letter != "%"]
    parts = [SAME_PART.get(letter, letter) for letter in letters]
    repeated = [letter for letter, part in zip(letters, parts, strict=True) if parts.count(part) > 1]
    if repeated:
        raise InputError(
            f"the timeFormat {shortened(time_format)!r} says a part of the time twice",
            where=where,
            why=f"it has %{' and %'.join(repeated)}",
            cure="write the times of the recordings without the second one, and set timeFormat on <TimeSeries> so",
        )
    unknown = [m for m in re.findall(r"%[-_0]?(.?)", time_format) if m not in DIRECTIVES]
    if not unknown or time_format in ("%s", "%Q"):
        return
    alone = f"%{unknown[0]} must stand alone" if unknown[0] in ("s", "Q") else ""
    why = alone or f"%{unknown[0]} is none of %{' %'.join(DIRECTIVES)}, nor %s or %Q alone"
    cure = "write the times of the recordings in another form and set timeFormat on <TimeSeries> to it"
    if unknown[0] == "z":
        cure = "write %Z for %z in timeFormat: Label Studio's page reads +0100, +01:00 and Z so"
    what = f"the timeFormat {shortened(time_format)!r} does not define a time"
    raise InputError(what, where=where, why=why, cure=cure)


def load(path: Path = PATH) -> LabelConfig:
    """Read `data/label_config.xml`.

    Raises:
        InputError: the file does not exist, or is invalid as in `parse`.
    """
    try:
        xml = read_text(path, f"write {path} in UTF-8, then run the command again")
    except FileNotFoundError as error:
        what = "this project has no label config yet"
        raise InputError(what, where=str(path), cure="labeltrail import PATH --label-config FILE") from error
    return parse(xml, str(path))


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
    kind = "TimeSeriesLabels" if task == "segmentation" else "Choices"
    control = ET.SubElement(view, kind, name=control_tag, toName=object_tag)
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
        # Show the whole recording; Label Studio's default is the first quarter.
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
