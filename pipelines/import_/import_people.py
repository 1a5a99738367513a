"""Annotators of an export, mapped to accounts of the Label Studio in use; different people stay different.

An export names people by user ids of its server, or by e-mail address. A map (`--annotators`) comes first, then an
address with an account here. Others get a name of their own: their address, or `annotator-7@export`.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.errors import InputError
from storage.labels.export_checks import LONGEST_EMAIL
from storage.printable import shortened
from storage.s3.keys import CONTROL

FORM = "a line for each: the export's number or e-mail, a comma, the e-mail here; such as 7,ann@example.com"


@dataclass(frozen=True)
class Person:
    """An annotator.

    Attributes:
        name: as in label records: an e-mail address, or a placeholder for one.
        account: number of the account here; None where there is none.
        earlier: names that an earlier import may have given the person.
    """

    name: str
    account: int | None
    earlier: frozenset[str] = frozenset()


@dataclass
class People:
    """The people of an export.

    Attributes:
        users: accounts here: number by e-mail address.
        owner: address of the account whose token is used; annotations that name nobody are its own.
        given: `--annotators`: address here by number or address of the export.
        addresses: address by number, where the export has both; if it is of this Label Studio, also of its accounts.
        are_own: the export is of this Label Studio.
        count: annotations by person.
    """

    users: Mapping[str, int]
    owner: str
    given: Mapping[str, str]
    addresses: Mapping[str, str]
    are_own: bool = False
    count: Counter[Person] = field(default_factory=Counter)

    def of(self, annotation: Mapping[str, Any]) -> Person:
        """The annotator of an annotation."""
        number, email = identity(annotation.get("completed_by"))
        email = email or self.addresses.get(number, "")
        if not number and not email:
            return Person(self.owner, self.users.get(self.owner))
        placeholder = f"annotator-{number}@export" if number else ""
        name = self.given.get(email.lower()) or self.given.get(number) or email or placeholder
        known = {address.lower(): address for address in self.users}
        name = known.get(name.lower(), name)
        earlier = frozenset({email, known.get(email.lower(), email), placeholder} - {"", name})
        return Person(name, self.users.get(name), earlier)

    def strangers(self) -> list[Person]:
        """Annotators without an account here."""
        found = [person for person in self.count if person.account is None]
        return sorted(found, key=lambda person: person.name)

    def unused(self) -> list[str]:
        """Entries of the map that name nobody of the export."""
        names = {name.lower() for person in self.count for name in (person.name, *person.earlier)}
        return [name for name, email in self.given.items() if email.lower() not in names]


def addresses(annotations: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """E-mail address by number, of those of whom an export has both somewhere."""
    found = (identity(annotation.get("completed_by")) for annotation in annotations)
    return {number: email for number, email in found if number and email}


def identity(person: Any) -> tuple[str, str]:
    """Number and address of `completed_by`, "" where it has none."""
    if isinstance(person, dict):
        number, email = person.get("id"), person.get("email")
        return "" if number is None else str(number), email or ""
    if isinstance(person, str):
        return ("", person) if "@" in person else (person, "")
    return ("" if person is None else str(person)), ""


def read_map(path: Path) -> dict[str, str]:
    """Read `--annotators`: address here by number or address (in lower case) of the export.

    Args:
        path: a table of two columns in CSV, or a JSON object.

    Raises:
        InputError: it is neither, or names somebody twice; with the line.
    """
    what, cure = "the map of annotators cannot be read", f"write {FORM}"
    try:
        rows = _pairs(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        missing = "the map of annotators is not there"
        raise InputError(missing, where=str(path), cure="check the path") from error
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise InputError(what, where=str(path), why=str(error), cure=cure) from error
    found: dict[str, str] = {}
    for line, pair in rows:
        why = _problem(pair)
        if not why and pair[0].lower() in found:
            why = f"{shortened(pair[0])} is there twice"
        if why:
            raise InputError(what, where=f"{path}:{line}", why=why, cure=cure)
        found[pair[0].lower()] = pair[1]
    return found


def _pairs(text: str) -> list[tuple[int, list[Any]]]:
    if text.lstrip().startswith("{"):
        pairs: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)  # keeps duplicates
        return [(1, list(pair)) for pair in pairs]
    lines = enumerate(csv.reader(io.StringIO(text)), 1)
    rows = [(line, [cell.strip() for cell in row]) for line, row in lines if row]
    has_header = rows and len(rows[0][1]) == 2 and "@" not in rows[0][1][1]
    return rows[1:] if has_header else rows


def _problem(pair: list[Any]) -> str:
    """Why a line is invalid; "" where it is not."""
    if len(pair) != 2 or not all(isinstance(cell, str) and cell for cell in pair):
        return "it is no pair of texts"
    email = pair[1]
    if "@" not in email or len(email) > LONGEST_EMAIL or CONTROL.search(email):
        return f"{shortened(email)} is no e-mail address"
    return ""
