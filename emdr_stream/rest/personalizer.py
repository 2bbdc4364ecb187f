"""A client in, what the records say of them out: their sets and sessions, what is believed of them, what others show.

The database is asked a few questions; all reckoning is done in a thread, beside the loop. What other clients show is
learnt anew every ten minutes at most, from their newest sessions, and never holds the client's own. It lies in memory
for that long; of an erased client nowhere.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from emdr_stream.personalization.arms import Part
from emdr_stream.personalization.gathering import Applied, Event, Sight, Span, session_of, sets_of, spans_of
from emdr_stream.personalization.learner import Known, Priors, known_of, priors_of
from emdr_stream.personalization.outcomes import Answers, SessionOutcome, SetOutcome
from emdr_stream.personalization.profile import Profile, profile_of
from emdr_stream.personalization.setting import Setting
from emdr_stream.rest.idempotency import Asking
from emdr_stream.store.client_history import (
    KeptEvent,
    KeptSight,
    KeptSpan,
    events_of,
    sessions_of,
    sessions_of_others,
    sights_of,
)
from emdr_stream.store.decisions import ACCEPTED, REJECTED, KeptDecision, decisions_of_user, locks_of

POOL_S: Final = 600.0
"""How long what other clients show is taken for what they show now."""
POOL_SESSIONS: Final = 200
_BUDGET_S: Final = 5.0
"""For the questions about one client; nobody's live session waits for them."""
_POOL_BUDGET_S: Final = 15.0
_MOST_DECISIONS: Final = 2_000


@dataclass(frozen=True, slots=True)
class History:
    """What is kept of one client, oldest first. `locked`: parts that proposals leave alone."""

    user: str
    sets: Sequence[SetOutcome]
    sessions: Sequence[SessionOutcome]
    events: dict[str, list[Event]]
    decisions: Sequence[KeptDecision]
    locked: frozenset[Part]

    def profile(self) -> Profile:
        answers = [each.answer for each in self.decisions]
        said = Answers(
            accepted=answers.count(ACCEPTED),
            rejected=answers.count(REJECTED),
            locked=tuple(sorted(part.value for part in self.locked)),
        )
        return profile_of(self.sets, self.sessions, said)


@dataclass(slots=True)
class _Pool:
    """Sets of all clients' newest sessions, and when (in seconds, monotonic) they were read."""

    sets: dict[str, list[SetOutcome]] = field(default_factory=dict)
    read_s: float | None = None


class Personalizer:
    """For one worker. `clock` in seconds, monotonic."""

    def __init__(self, records: Asking, clock: Callable[[], float]) -> None:
        self._records = records
        self._clock = clock
        self._pool = _Pool()
        self._pooling = asyncio.Lock()
        self._forgotten = 0

    async def history(self, user: str) -> History:
        """Raises StoreUnavailable."""
        ask = self._records.ask
        sessions = await ask(sessions_of(user), _BUDGET_S)
        names = [each.session_id for each in sessions]
        events = by_session(await ask(events_of(names), _BUDGET_S))
        decisions = await ask(decisions_of_user(user, _MOST_DECISIONS))
        locked = await ask(locks_of(user))
        applied = _applied(decisions)
        sets = await self._sets(events, applied, _BUDGET_S)
        outcomes = [
            session_of(s.session_id, s.ts_ms, s.hours, s.levels, events.get(s.session_id, [])) for s in sessions
        ]
        parts = frozenset(Part(each) for each in locked)
        return History(
            user, [each for name in names for each in sets.get(name, [])], outcomes, events, decisions, parts
        )

    async def known(self, history: History) -> Known:
        """What is believed of a client, with what others show behind it. Raises StoreUnavailable."""
        others = await self._others()
        return await asyncio.to_thread(_known, history, others)

    def forget(self) -> None:
        """Somebody was erased: what others show is read anew before it is used again."""
        self._pool = _Pool()
        self._forgotten += 1

    async def _others(self) -> dict[str, list[SetOutcome]]:
        async with self._pooling:
            while self._pool.read_s is None or self._clock() - self._pool.read_s > POOL_S:
                begun, forgotten = self._clock(), self._forgotten
                found = await self._read_others()
                if forgotten == self._forgotten:  # else it may hold who was erased meanwhile
                    self._pool = _Pool(found, begun)
            return self._pool.sets

    async def _read_others(self) -> dict[str, list[SetOutcome]]:
        """Everybody's: the client's own are taken out where they are used, for whoever that is."""
        ask = self._records.ask
        found = await ask(sessions_of_others("", POOL_SESSIONS), _POOL_BUDGET_S)
        users = {session: user for user, session in found}
        events = by_session(await ask(events_of(list(users)), _POOL_BUDGET_S))
        pool: dict[str, list[SetOutcome]] = {}
        for session, sets in (await self._sets(events, {}, _POOL_BUDGET_S)).items():
            pool.setdefault(users[session], []).extend(sets)
        return pool

    async def _sets(
        self, events: dict[str, list[Event]], applied: dict[str, list[Applied]], budget_s: float
    ) -> dict[str, list[SetOutcome]]:
        spans = [(session, span) for session, each in events.items() for span in spans_of(each)]
        sights = await self._records.ask(sights_of([_kept_span(name, span) for name, span in spans]), budget_s)
        seen = {(name, span.start_ms): _sight(sight) for (name, span), sight in zip(spans, sights, strict=True)}
        return await asyncio.to_thread(_all_sets, events, seen, applied)


def by_session(events: Sequence[KeptEvent]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for each in events:
        found.setdefault(each.session_id, []).append(Event(each.kind, each.ts_ms, each.fields))
    return found


def setting_from(fields: object) -> Setting:
    """A setting as it was kept."""
    return msgspec.convert(fields, Setting)


def _applied(decisions: Sequence[KeptDecision]) -> dict[str, list[Applied]]:
    """Accepted proposals by session, from when they were made on: they are applied before the answer is kept."""
    found: dict[str, list[Applied]] = {}
    for each in decisions:
        if each.answer == ACCEPTED:
            setting = setting_from(each.proposal["setting"])
            found.setdefault(each.session_id, []).append(Applied(each.ts_ms, setting))
    return found


def applied_in(history: History, session_id: str) -> Sequence[Applied]:
    """Proposals that were accepted in one session."""
    return _applied(history.decisions).get(session_id, [])


def _all_sets(
    events: dict[str, list[Event]], seen: dict[tuple[str, int], Sight], applied: dict[str, list[Applied]]
) -> dict[str, list[SetOutcome]]:
    def of(session: str) -> list[SetOutcome]:
        def sight_of(span: Span) -> Sight:
            return seen.get((session, span.start_ms), Sight())

        return sets_of(session, events[session], sight_of, applied=applied.get(session, ()))

    return {session: of(session) for session in events}


def _known(history: History, others: dict[str, list[SetOutcome]]) -> Known:
    priors = priors_of([sets for user, sets in others.items() if user != history.user], Priors())
    return known_of(history.sets, priors)


def _kept_span(session: str, span: Span) -> KeptSpan:
    return KeptSpan(session, span.start_ms, span.end_ms, span.after_from_ms, span.after_until_ms)


def _sight(kept: KeptSight) -> Sight:
    return Sight(peak=kept.peak, after=kept.after, attention=kept.attention, alarmed=kept.alarmed)
