"""Records in, batches of them out, the weightier first; bounded, and what the bounds cost is counted by kind."""

import itertools
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from emdr_stream.store.base import Record, RecordKind

DROPPABLE: Final = frozenset({RecordKind.SECOND})
"""Kinds that come last, and of which the oldest go first when nothing takes them for long."""


class RecordQueue:
    """At most `seconds` rows of seconds and `others` of all other kinds. `dropped`: the oldest, that had to go."""

    def __init__(self, seconds: int, others: int) -> None:
        self._seconds: deque[Record] = deque()
        self._others: deque[Record] = deque()
        self._bounds = {id(self._seconds): seconds, id(self._others): others}
        self.dropped: Counter[RecordKind] = Counter()

    def __len__(self) -> int:
        return len(self._seconds) + len(self._others)

    def put(self, record: Record) -> None:
        """Take a record behind the others."""
        lane = self._lane(record)
        if len(lane) >= self._bounds[id(lane)]:
            self.dropped[lane.popleft().kind] += 1
        lane.append(record)

    def put_back(self, records: Sequence[Record]) -> None:
        """Take records that were taken from the front back to it, as far as there is room."""
        for record in reversed(records):
            lane = self._lane(record)
            if len(lane) < self._bounds[id(lane)]:
                lane.appendleft(record)
            else:
                self.dropped[record.kind] += 1

    def take(self, others: int, seconds: int) -> list[Record]:
        """The oldest records: so many others if there are any, otherwise so many rows of seconds."""
        lane, most = (self._others, others) if self._others else (self._seconds, seconds)
        taken = list(itertools.islice(lane, most))
        for _ in taken:
            lane.popleft()
        return taken

    def _lane(self, record: Record) -> deque[Record]:
        return self._seconds if record.kind in DROPPABLE else self._others
