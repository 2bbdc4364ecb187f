"""The archive and a question in; a dashboard, insights or trends out: few reads each, whatever lies in the store."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from emdr_stream.analytics import insights, trends
from emdr_stream.analytics.courses import courses
from emdr_stream.analytics.dashboard import Dashboard, Scope, clients_of, figures_of, periods_of
from emdr_stream.analytics.figures import SessionFigures
from emdr_stream.analytics.insights import Insight
from emdr_stream.analytics.trends import Trend
from emdr_stream.store.archive import MOST_ROWS, MOST_SESSIONS, Archive, Span

DAYS: Final = 7
SHOWN_CLIENTS: Final = 50


@dataclass(frozen=True, slots=True)
class Question:
    """Who and when: `scope` client has one user, therapist those of a token, service everybody (None).

    `until_ms` is not part of it; `days`: length of a period.
    """

    scope: Scope
    users: Sequence[str] | None
    since_ms: int
    until_ms: int
    days: int = DAYS

    @property
    def span(self) -> Span:
        return Span(self.users, self.since_ms, self.until_ms)

    @property
    def before(self) -> Span:
        """As long a time before it."""
        return Span(self.users, max(0, 2 * self.since_ms - self.until_ms), self.since_ms)


async def dashboard(archive: Archive, question: Question, most_clients: int = SHOWN_CLIENTS) -> Dashboard:
    """Raises StoreUnavailable; ValueError for too many periods."""
    span = question.span
    periods = await archive.periods(span, question.days)
    found = Dashboard(
        scope=question.scope,
        since_ms=question.since_ms,
        until_ms=question.until_ms,
        figures=figures_of(await archive.sums(span)),
        alert_kinds=await archive.kinds(span),
        periods=periods_of(periods),
    )
    if question.scope is not Scope.CLIENT:
        return replace(found, clients=clients_of(await archive.clients(span, most_clients)))
    user = _user(question)
    sessions = await sessions_within(archive, user, question.since_ms, question.until_ms)
    outcomes = await archive.outcomes(user, question.since_ms, MOST_ROWS)
    rated = courses(sessions, [outcome for outcome in outcomes if outcome.ts_ms < question.until_ms])
    return replace(found, sessions=sessions, courses=rated)


async def insights_of(archive: Archive, question: Question) -> list[Insight]:
    """Of a client: the newest sessions against those before, and courses. Of many: this time against the one before."""
    if question.scope is Scope.CLIENT:
        user = _user(question)
        sessions = await sessions_within(archive, user, question.since_ms, question.until_ms)
        outcomes = await archive.outcomes(user, question.since_ms, MOST_ROWS)
        rated = courses(sessions, [outcome for outcome in outcomes if outcome.ts_ms < question.until_ms])
        return await asyncio.to_thread(insights.of_client, sessions, rated)
    before = await archive.clients(question.before, MOST_ROWS)
    now = await archive.clients(question.span, MOST_ROWS)
    # Beside the loop: differences are counted pair by pair.
    return await asyncio.to_thread(insights.of_clients, before, now)


async def trends_of(archive: Archive, question: Question) -> list[Trend]:
    """Of a client session by session, of many period by period."""
    if question.scope is Scope.CLIENT:
        found = await sessions_within(archive, _user(question), question.since_ms, question.until_ms)
        return await asyncio.to_thread(trends.of_sessions, found)
    periods = await archive.periods(question.span, question.days)
    return await asyncio.to_thread(trends.of_periods, periods)


async def sessions_within(archive: Archive, user: str, since_ms: int, until_ms: int) -> list[SessionFigures]:
    """The newest MOST_SESSIONS sessions that began within the time, newest first."""
    found = await archive.sessions(user, (until_ms, ""), MOST_SESSIONS)
    return [session for session in found if session.began_ms >= since_ms]


def _user(question: Question) -> str:
    if question.users is None or len(question.users) != 1:
        raise ValueError("figures of a client are of one client")
    return question.users[0]
