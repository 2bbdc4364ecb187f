"""The place where a page ended in, an opaque cursor out; and back, or the problem that it is none."""

import base64
import binascii
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from emdr_stream.rest.operation import Asked
from emdr_stream.rest.problems import refuse

_MOST: Final = 200
Limit = Annotated[int, Meta(ge=1, le=_MOST, description="entries of a page, at most")]
Cursor = Annotated[str, Meta(min_length=1, max_length=400, description="`next` of the page before")]

PlaceMs = Annotated[int, Meta(ge=0, le=4_102_444_800_000)]
"""A time within a cursor, in ms of the Unix epoch: whoever makes cursors up gets no time that no database has."""


class Paged(Asked, frozen=True, kw_only=True):
    """Query parameters of a list that comes in pages: give `next` of one page as `after` of the next."""

    limit: Limit = 50
    after: Cursor | None = None


def cursor_of(*place: str | int) -> str:
    """The cursor behind an entry: the values by which the list is ordered."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(cursor: str | None, kind: Any) -> Any:
    """The values again, as the tuple type `kind`, whose numbers need bounds (`PlaceMs`); None without a cursor.

    Raises Problem(invalid_field).
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        return msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=kind)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError):
        raise refuse("`after` is no cursor: give `next` of the page before, as it is", "after") from None
