"""Rows of the audit log go in, in their order, a verdict on the chain of hashes comes out; pure.

A chain alone shows what was changed or taken out in the middle. Rows cut off at its end, and a log that was written
anew from the first row on, show only against an anchor: a count and a hash that were noted somewhere else before.

An entry about a person who was erased is empty: its hash is taken on trust, if a later entry says that it was emptied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from emdr_stream.store import rows
from emdr_stream.store.base import AuditVerdict

EMPTIED: Final = '{"erased":true}'
"""The body of an entry whose person was erased."""
ERASURE: Final = {"action": "user.erase"}
"""What the entry has that tells of an erasure; its `entries` are the ranges of numbers that were emptied."""


class _Erasure(msgspec.Struct):
    action: str = ""
    entries: list[tuple[int, int]] = []


_READ: Final = msgspec.json.Decoder(_Erasure).decode


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
        """Rows that are sound so far, as far as they can be."""
        self._unexplained: dict[int, bytes] = {}
        """Empty rows of which no later one has told yet, each with the hash before it."""
        self.emptied = 0
        self._met = self._is_anchor()

    def take(self, row: Mapping[str, Any]) -> bool:
        """Whether the chain holds up to this row. `row`: the columns of `audit_log`."""
        number = self.number + 1
        if row["id"] != number or row["prev_hash"] != self._head or not self._holds(number, row):
            self._first_bad = number
            return False
        self.number, self._head = number, row["hash"]
        self._met = self._met or self._is_anchor()
        return True

    def verdict(self) -> AuditVerdict:
        anchored = self._met or self._has_no_anchor()
        if self._unexplained:
            first, head = min(self._unexplained.items())
            return AuditVerdict(first - 1, head.hex(), first, anchored, self.emptied)
        return AuditVerdict(self.number, self._head.hex(), self._first_bad, anchored, self.emptied)

    def _holds(self, number: int, row: Mapping[str, Any]) -> bool:
        """Whether the row is what its hash says, or was emptied."""
        link = (number, row["ts_ms"], row["session_id"], row["user_id"], row["epoch"], row["body"])
        if row["hash"] == rows.link_hash(self._head, *link):
            self._explain(row["body"])
            return True
        if row["body"] != EMPTIED or row["session_id"] or row["user_id"]:
            return False
        self._unexplained[number] = self._head
        self.emptied += 1
        return True

    def _explain(self, body: str) -> None:
        """Take an entry that tells of an erasure."""
        if not self._unexplained or ERASURE["action"] not in body:
            return
        try:
            told = _READ(body)
        except msgspec.MsgspecError:
            return
        if told.action == ERASURE["action"]:
            for first, last in told.entries:
                for number in [known for known in self._unexplained if first <= known <= last]:
                    del self._unexplained[number]

    def _is_anchor(self) -> bool:
        """Whether the row that was taken last is the one that was noted."""
        anchor = self._anchor
        if anchor.head is None:
            return anchor.rows is not None and self.number >= anchor.rows
        return anchor.head == self._head.hex() and anchor.rows in {None, self.number}

    def _has_no_anchor(self) -> bool:
        return self._anchor == Anchor()
