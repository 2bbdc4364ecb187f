"""Requests about sessions that are over in, figures, insights, trends, exports and a session's report out."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from emdr_stream.analytics.dashboard import Dashboard, Scope
from emdr_stream.analytics.estimates import Sure
from emdr_stream.analytics.figures import Outcome
from emdr_stream.analytics.insights import InsightKind
from emdr_stream.analytics.trends import Trend
from emdr_stream.analytics.words import Language, worded
from emdr_stream.progress.course import LONGEST_TARGET, RatingsError, rating
from emdr_stream.progress.measures import Measure
from emdr_stream.reports.asking import DAYS, SHOWN_CLIENTS, Question, dashboard, insights_of, trends_of
from emdr_stream.rest.operation import THERAPIST_AND_SERVICE, Asked, Call, NoQuery, Operation, Told
from emdr_stream.rest.problems import ProblemCode, refuse
from emdr_stream.store.archive import DAY_MS
from emdr_stream.wire.values import Name

_LATEST_MS: Final = 4_102_444_800_000
_BACK_MS: Final = 90 * DAY_MS
_FUTURE_MS: Final = 300_000
"""A clock that runs ahead by so much is none that lies."""
Moment = Annotated[int, Meta(ge=0, le=_LATEST_MS, description="milliseconds since the Unix epoch")]


class SpanQuery(Asked, frozen=True, kw_only=True):
    """Of one client, or of all whom the token names; sessions that began within the time (90 days)."""

    user: Annotated[Name | None, Meta(description="this client alone; else all of yours")] = None
    # Unset and not null: msgspec reads the text "null" as None in a query.
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    days: Annotated[int, Meta(ge=1, le=366, description="length of a period")] = DAYS


class DashboardQuery(SpanQuery, frozen=True, kw_only=True):
    clients: Annotated[int, Meta(ge=0, le=500, description="clients that are listed, at most")] = SHOWN_CLIENTS


class InsightsRequest(Asked, frozen=True, kw_only=True):
    """As the query of the dashboard. `language`: of the sentences."""

    user: Name | None = None
    since: Moment | None = None
    until: Moment | None = None
    language: Language = Language.EN


class InsightTold(Told, frozen=True, kw_only=True):
    """`text`: the sentence; the other fields are those that it was made of (docs/analytics.md)."""

    kind: InsightKind
    subject: str
    target: str
    unit: str
    of: str
    sure: Sure
    better: bool | None
    numbers: Mapping[str, float | None]
    text: str


class Insights(Told, frozen=True, kw_only=True):
    """What matters most first. Times in milliseconds."""

    scope: Scope
    since: int
    until: int
    insights: tuple[InsightTold, ...]


class Trends(Told, frozen=True, kw_only=True):
    """Of one client a step is a session, of many a period of `days`."""

    scope: Scope
    since: int
    until: int
    days: int
    trends: tuple[Trend, ...]


class OutcomeRequest(Asked, frozen=True, kw_only=True):
    """The result of a questionnaire, or a rating from outside a session. `target`: the memory, empty for PCL-5."""

    measure: Measure
    value: float
    ts: Moment | None = None
    target: Annotated[str, Meta(max_length=LONGEST_TARGET)] = ""


class OutcomeKept(Told, frozen=True, kw_only=True):
    user: str
    measure: Measure
    value: float
    ts: int
    target: str


async def show_dashboard(call: Call[None, DashboardQuery]) -> Dashboard:
    """Figures of a client, of a therapist's clients, or of the service."""
    query = call.query
    question = _question(call, query.user, query.since, query.until, query.days)
    try:
        return await dashboard(call.parts.archive, question, query.clients)
    except ValueError as problem:
        raise refuse(str(problem), "days") from None


async def show_insights(call: Call[InsightsRequest, NoQuery]) -> Insights:
    """What changed, how sure that is, and what cannot be said."""
    body = call.body
    question = _question(call, body.user, body.since, body.until, DAYS)
    found = await insights_of(call.parts.archive, question)
    told = tuple(
        InsightTold(
            kind=insight.kind,
            subject=insight.subject,
            target=insight.target,
            unit=insight.unit,
            of=insight.of,
            sure=insight.sure,
            better=insight.better,
            numbers=insight.numbers,
            text=worded(insight, body.language),
        )
        for insight in found
    )
    return Insights(scope=question.scope, since=question.since_ms, until=question.until_ms, insights=told)


async def show_trends(call: Call[None, SpanQuery]) -> Trends:
    """Curves over sessions or periods, each with its slope."""
    query = call.query
    question = _question(call, query.user, query.since, query.until, query.days)
    try:
        found = await trends_of(call.parts.archive, question)
    except ValueError as problem:
        raise refuse(str(problem), "days") from None
    return Trends(
        scope=question.scope,
        since=question.since_ms,
        until=question.until_ms,
        days=question.days,
        trends=tuple(found),
    )


async def keep_outcome(call: Call[OutcomeRequest, NoQuery]) -> OutcomeKept:
    """Keep it; the same measure, target and time again replaces it."""
    user, body, now_ms = call.check_user(call.path["user"]), call.body, call.parts.wall_ms()
    ts_ms = now_ms if body.ts is None else body.ts
    if ts_ms > now_ms + _FUTURE_MS:
        raise refuse("`ts` lies in the future", "ts")
    try:
        checked = rating(body.measure, 0, body.value, body.target, "body")
    except RatingsError as problem:
        raise refuse(str(problem), "value") from None
    outcome = Outcome(user, checked.measure, checked.value, ts_ms, checked.target, call.principal.sub)
    await call.parts.archive.keep_outcome(outcome)
    deed = {"action": call.operation, "by": call.principal.sub, "role": call.principal.role.value}
    call.parts.registry.audit({**deed, "measure": checked.measure.value, "ts": ts_ms}, user=user)
    return OutcomeKept(user=user, measure=checked.measure, value=checked.value, ts=ts_ms, target=checked.target)


def _question(
    call: Call[Any, Any],
    user: str | None,
    since_ms: int | UnsetType | None,
    until_ms: int | UnsetType | None,
    days: int,
) -> Question:
    """Whom the caller may ask about, and when. Raises Problem(not_found) and Problem(invalid_field)."""
    until = until_ms if isinstance(until_ms, int) else call.parts.wall_ms()
    since = since_ms if isinstance(since_ms, int) else max(0, until - _BACK_MS)
    if since >= until:
        raise refuse("`since` must be before `until`", "since")
    if user is not None:
        return Question(Scope.CLIENT, [call.check_user(user)], since, until, days)
    clients = call.principal.clients
    if "*" in clients:
        return Question(Scope.SERVICE, None, since, until, days)
    return Question(Scope.THERAPIST, sorted(clients), since, until, days)


OPERATIONS: Final = (
    Operation(
        name="analytics.dashboard",
        method="GET",
        path="/v1/analytics/dashboard",
        summary="Figures of a client, of your clients or of the service, with the counts that they rest on.",
        roles=THERAPIST_AND_SERVICE,
        handle=show_dashboard,
        query=DashboardQuery,
        answer=Dashboard,
        problems=frozenset({ProblemCode.NOT_FOUND}),
    ),
    Operation(
        name="analytics.insights",
        method="POST",
        path="/v1/analytics/insights",
        summary="What changed, in plain language, with the numbers behind it and how sure it is.",
        roles=THERAPIST_AND_SERVICE,
        handle=show_insights,
        body=InsightsRequest,
        answer=Insights,
        problems=frozenset({ProblemCode.NOT_FOUND}),
    ),
    Operation(
        name="analytics.trends",
        method="GET",
        path="/v1/analytics/trends",
        summary="Curves over a client's sessions, or over periods of many clients, each with its slope.",
        roles=THERAPIST_AND_SERVICE,
        handle=show_trends,
        query=SpanQuery,
        answer=Trends,
        problems=frozenset({ProblemCode.NOT_FOUND}),
    ),
    Operation(
        name="analytics.outcome",
        method="POST",
        path="/v1/users/{user}/outcomes",
        summary="Keep the result of a questionnaire, or a rating from outside a session.",
        roles=THERAPIST_AND_SERVICE,
        handle=keep_outcome,
        body=OutcomeRequest,
        answer=OutcomeKept,
        acts=True,
    ),
)
