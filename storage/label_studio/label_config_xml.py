"""Parses a label config's XML as Label Studio 1.23.2 does, and rewrites it for imports.

Label Studio's page ignores the case of tags and attributes; its server accepts no document type, no XML declaration
and no deeply nested XML. What either of them does not accept is an error here.
"""

from __future__ import annotations

import difflib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from storage.errors import InputError
from storage.printable import shortened
from storage.text.json_text import DEEPEST

CURE = "mend the label config, then run the command again"
LONGEST = 1_000_000  # characters of a label config
# A name that is this similar to a known one is a typo, which the page would ignore.
ALIKE = 0.8

# A variable that Label Studio's page replaces from the task data.
VARIABLE = re.compile(r"\$[\w[\].{}]+")

# Attributes that are used here, by tag.
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "TimeSeries": ("name", "value", "valueType", "timeColumn", "timeFormat", "sep"),
    "Channel": ("column",),
    "TimeSeriesLabels": ("name", "toName", "value"),
    "Label": ("value", "alias"),
    "Choices": ("name", "toName", "value", "choice", "perRegion"),
    "Choice": ("value", "alias"),
}
TAGS = {name.lower(): name for name in (*ATTRIBUTES, "MultiChannel")}
# Other tags of Label Studio with similar names.
OTHER_TAGS = frozenset({"labels", "timelinelabels", "timeseriesoverview"})


@dataclass(frozen=True)
class Tag:
    """An XML tag.

    Attributes:
        kind: its name in lower case.
        attributes: values by name in lower case.
        children: tags inside it.
    """

    kind: str
    attributes: Mapping[str, str]
    children: tuple[Tag, ...]

    def get(self, name: str, default: str = "") -> str:
        """An attribute's value."""
        return self.attributes.get(name, default)

    def inside(self, *kinds: str) -> Iterator[Tag]:
        """All tags of these kinds below this one, in document order."""
        for child in self.children:
            if child.kind in kinds:
                yield child
            yield from child.inside(*kinds)

    def all(self) -> Iterator[Tag]:
        """This tag and all below it."""
        yield self
        for child in self.children:
            yield from child.all()


class _NoDoctype(ET.TreeBuilder):
    """Builds a tree and refuses a document type, which could define entities."""

    def doctype(self, name: str, *_: str | None) -> None:
        raise ValueError(f"it has a document type (<!DOCTYPE {name}>), which Label Studio refuses")


def read(xml: str, where: str) -> Tag:
    """The root tag.

    Raises:
        InputError: it is no XML that Label Studio accepts, or has a duplicate attribute or a typo.
    """
    root = _tree(xml, where)
    if _depth(root) > DEEPEST:
        why = f"its tags are nested more than {DEEPEST} deep"
        raise InputError("the label config cannot be used", where=where, why=why, cure=CURE)
    tag = _tag(root, where)
    for inner in tag.all():
        _check_names(inner, where)
    return tag


def _tree(xml: str, where: str) -> ET.Element:
    if len(xml) > LONGEST:
        why = f"it has {len(xml):,} characters, {LONGEST:,} at most"
        raise InputError("the label config is too long", where=where, why=why, cure=CURE)
    if re.match(r"\s*<\?xml\b", xml):
        cure = "delete the first line of the label config, <?xml ..?>: Label Studio takes none"
        raise InputError("the label config has an XML declaration", where=where, cure=cure)
    try:
        return ET.fromstring(xml, ET.XMLParser(target=_NoDoctype(insert_comments=True)))
    except (ET.ParseError, ValueError, LookupError) as error:
        raise InputError("the label config is not XML", where=where, why=str(error), cure=CURE) from error


def _depth(root: ET.Element) -> int:
    """Depth of the tree, up to one more than allowed."""
    level, depth = [root], 0
    while level and depth <= DEEPEST:
        level, depth = [child for tag in level for child in tag], depth + 1
    return depth


def _tag(element: ET.Element, where: str) -> Tag:
    attributes: dict[str, str] = {}
    for name, value in element.attrib.items():
        if name.lower() in attributes:
            why = f"<{element.tag}> has {name} twice: Label Studio reads names in any case"
            raise InputError("the label config cannot be used", where=where, why=why, cure=CURE)
        attributes[name.lower()] = value
    # A comment's tag is a function.
    children = tuple(_tag(child, where) for child in element if isinstance(child.tag, str))
    return Tag(str(element.tag).lower(), attributes, children)


def _check_names(tag: Tag, where: str) -> None:
    """Check names for typos: Label Studio's page ignores unknown attributes."""
    if tag.kind not in TAGS and tag.kind not in OTHER_TAGS:
        _check_spelling(f"<{tag.kind}>", tag.kind, TAGS, where)
    known = {name.lower(): name for name in ATTRIBUTES.get(TAGS.get(tag.kind, ""), ())}
    for name in sorted(tag.attributes.keys() - known.keys()):
        _check_spelling(f"{name} in <{TAGS.get(tag.kind, tag.kind)}>", name, known, where)


def _check_spelling(what: str, name: str, known: Mapping[str, str], where: str) -> None:
    close = difflib.get_close_matches(re.sub(r"[^a-z]", "", name), known, n=1, cutoff=ALIKE)
    if close:
        why = f"{shortened(what)} is unknown to Label Studio: is {known[close[0]]} meant?"
        raise InputError("the label config has a typo", where=where, why=why, cure=CURE)


# -- rewriting ------------------------------------------------------------------------------------


def by_address(xml: str) -> str:
    """The label config with recordings by address, rather than in the task data."""
    root = _tree(xml, "")
    for tag in root.iter():
        if isinstance(tag.tag, str) and tag.tag.lower() == "timeseries":
            for name in [name for name in tag.attrib if name.lower() == "valuetype"]:
                del tag.attrib[name]
            tag.set("valueType", "url")
    return _text(root)


def dynamic_key(xml: str, where: str) -> str:
    """Key of the task data with dynamic labels (`value="$labels"` of the control tag); "" where there is none."""
    kinds = ("timeserieslabels", "choices")
    values = [tag.get("value") for tag in read(xml, where).inside(*kinds)]
    return next((value[1:] for value in values if VARIABLE.fullmatch(value)), "")


def shown_keys(xml: str, where: str) -> list[str]:
    """Keys of the task data that tags show, such as `$csv` and `$video`, in the order of the label config."""
    values = (tag.get("value") for tag in read(xml, where).all() if "toname" not in tag.attributes)
    return list(dict.fromkeys(value[1:] for value in values if re.fullmatch(r"\$\w+", value)))


def with_labels(xml: str, labels: Sequence[Mapping[str, str]]) -> str:
    """The label config with these labels in place of dynamic ones (`value="$labels"`).

    Args:
        xml: the label config.
        labels: attributes of each.
    """
    root = _tree(xml, "")
    for tag in root.iter():
        kind = tag.tag.lower() if isinstance(tag.tag, str) else ""
        name = next((name for name in tag.attrib if name.lower() == "value"), "")
        if kind in ("timeserieslabels", "choices") and VARIABLE.fullmatch(tag.attrib.get(name, "")):
            del tag.attrib[name]
            for label in labels:
                ET.SubElement(tag, "Choice" if kind == "choices" else "Label", dict(label))
    ET.indent(root)
    return _text(root)


def _text(root: ET.Element) -> str:
    return ET.tostring(root, encoding="unicode") + "\n"
