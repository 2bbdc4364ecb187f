"""Rows of the audit log go in, in their order, a verdict on the chain of hashes comes out; pure.

A chain alone shows what was changed or taken out in the middle. Rows cut off at its end, and a log that was written
anew from the first row on, show only against an anchor: a count and a hash that were noted somewhere else before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emdr_stream.store import rows
from emdr_stream.store.base import AuditVerdict


@dataclass(frozen=True, slots=True)
class Anchor:
    """What an earlier check had told: so many rows, the last of them with this hash. Either may be unknown."""

    rows: int | None = None
    head: str | None = None


class ChainCheck:
    """Follows one chain from its first row; `take` each row until it says that one is bad."""

    def __init__(self, anchor: Anchor | None = None) -> None:
        self._anchor = anchor or Anchor()
        self._head = rows.GENESIS
        self._first_bad: int | None = None
        self.number = 0
        """Rows that are sound so far."""
        self._met = self._is_anchor()

    def take(self, row: Mapping[str, Any]) -> bool:
        """Whether the chain holds up to this row. `row`: the columns of `audit_log`."""
        number = self.number + 1
        link = (number, row["ts_ms"], row["session_id"], row["user_id"], row["epoch"], row["body"])
        expected = rows.link_hash(self._head, *link)
        if row["id"] != number or row["prev_hash"] != self._head or row["hash"] != expected:
            self._first_bad = number
            return False
        self.number, self._head = number, expected
        self._met = self._met or self._is_anchor()
        return True

    def verdict(self) -> AuditVerdict:
        return AuditVerdict(self.number, self._head.hex(), self._first_bad, self._met or self._has_no_anchor())

    def _is_anchor(self) -> bool:
        """Whether the row that was taken last is the one that was noted."""
        anchor = self._anchor
        if anchor.head is None:
            return anchor.rows is not None and self.number >= anchor.rows
        return anchor.head == self._head.hex() and anchor.rows in {None, self.number}

    def _has_no_anchor(self) -> bool:
        return self._anchor == Anchor()
