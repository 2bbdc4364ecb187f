"""Takes an alert entry, gives its cursor for watchers, and reads a cursor back; cursors sort as text."""

import re
from typing import Final

from emdr_stream.broker.base import AlertEntry
from emdr_stream.errors import ErrorCode, ProtocolError

_CURSOR: Final = re.compile(r"([0-9]{13})\.([^\x00-\x20]{1,128})\.([0-9]{6,12})", re.ASCII)


def make_cursor(entry: AlertEntry) -> str:
    """`<13 digits of milliseconds>.<session id>.<6 digits of alert_seq>`; a session id may hold dots itself."""
    return f"{entry.ts_ms:013d}.{entry.session_id}.{entry.alert_seq:06d}"


def parse_cursor(text: str) -> tuple[int, str, int]:
    """Give (ts_ms, session_id, alert_seq). Raises ProtocolError (invalid_field) for what `make_cursor` never made."""
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise ProtocolError(
            ErrorCode.INVALID_FIELD,
            "resume_after is no cursor of ours: send the cursor of the last alert that was taken, or leave it out",
            param="resume_after",
        )
    return int(found[1]), found[2], int(found[3])
