"""In: the text of a CSV or JSON file. Out: its ratings; errors name the line or the entry, and the field."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from emdr_stream.progress.course import Rating, RatingsError, rating
from emdr_stream.progress.measures import Measure

FIELDS: Final = ("measure", "session", "target", "value")
MOST_RATINGS: Final = 20_000


def ratings_of(text: str, measure: Measure | None = None) -> list[Rating]:
    """CSV with a head line, a JSON array, or a JSON object with `ratings`. `measure`: what rows that name none are of;
    rows of another are left out. Raises RatingsError."""
    begin = text.lstrip("\ufeff \t\r\n")
    rows = _json_rows(begin) if begin[:1] in ("[", "{") else _csv_rows(begin)
    found = []
    for number, (where, row) in enumerate(rows):
        if number >= MOST_RATINGS:
            raise RatingsError(f"there are more than {MOST_RATINGS} ratings: this is no file of one person")
        each = _rating(where, row, measure)
        if measure is None or each.measure is measure:
            found.append(each)
    return found


def _rating(where: str, row: Mapping[str, Any], measure: Measure | None) -> Rating:
    named = row.get("measure")
    if named in (None, ""):
        if measure is None:
            raise RatingsError(f"{where}: `measure` is missing: add it, or name one for all rows (--measure)")
        named = measure
    for field in ("session", "value"):
        if row.get(field) in (None, ""):
            raise RatingsError(f"{where}: `{field}` is missing: add it, or leave the row out")
    return rating(named, row["session"], row["value"], row.get("target") or "", where)


def _csv_rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
    try:
        heads = [str(head).strip().lower() for head in reader.fieldnames or ()]
        _check_fields("line 1", heads)
        missing = [field for field in ("session", "value") if field not in heads]
        if missing:
            raise RatingsError(f"line 1: no column `{missing[0]}`: the head line is session,measure,target,value")
        reader.fieldnames = heads
        for row in reader:
            where = f"line {reader.line_num}"
            if None in row or None in row.values():
                raise RatingsError(f"{where}: has not as many fields as the head line: one value for each column")
            yield where, {name: value.strip() for name, value in row.items()}
    except csv.Error as problem:
        raise RatingsError(f"line {reader.line_num}: is no CSV ({problem})") from None


def _json_rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        given = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise RatingsError(f"the file is no JSON ({problem})") from None
    rows = given.get("ratings") if isinstance(given, dict) else given
    if not isinstance(rows, list):
        raise RatingsError("`ratings` is missing: give an array of ratings, or an object with one")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise RatingsError(f"ratings[{number}]: is no object: write {{session, measure, target, value}}")
        _check_fields(f"ratings[{number}]", list(row))
        yield f"ratings[{number}]", row


def _check_fields(where: str, names: list[str]) -> None:
    for name in names:
        if name not in FIELDS:
            raise RatingsError(f"{where}: `{name}` is not known: the fields are {', '.join(FIELDS)}")
    if len(set(names)) != len(names):
        raise RatingsError(f"{where}: a field is named twice")
