"""Sums in, the figures of a dashboard out, each with the counts that it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from emdr_stream.analytics.courses import CourseFigures
from emdr_stream.analytics.figures import ClientSums, Period, SessionFigures, Sums
from emdr_stream.analytics.measures import per_hour, share


class Scope(StrEnum):
    """Whose figures they are."""

    CLIENT = "client"
    THERAPIST = "therapist"
    """Of the clients whom a therapist's token names."""
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of so many `sessions` of so many `clients`. Shares are of 0..1, None below a minute of data.

    `outside_window`: of the seconds with an estimated state; `sight`, `alarmed`, `paused`: of all seconds. `sud_gain`:
    points by which SUD fell within a session, the mean of `sud_pairs` sessions. `ack_mean_s` of `acks`.
    """

    sessions: int
    clients: int
    hours: float
    sight: float | None
    outside_window: float | None
    alarmed: float | None
    paused: float | None
    sets: int
    pauses: int
    client_stops: int
    alerts: int
    severe_alerts: int
    alerts_per_hour: float | None
    acks: int
    ack_mean_s: float | None
    ack_max_s: float | None
    sud_pairs: int
    sud_gain: float | None


@dataclass(frozen=True, slots=True)
class PeriodFigures:
    since_ms: int
    until_ms: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class ClientFigures:
    user: str
    newest_ms: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Sessions that began within [`since_ms`, `until_ms`) and are summed up, which takes half a minute from their end.

    `clients`: those with the newest session first, at most as many as were asked for; empty for one client.
    `sessions` and `courses`: of one client, newest session first; empty for many.
    """

    scope: Scope
    since_ms: int
    until_ms: int
    figures: Figures
    alert_kinds: Mapping[str, int]
    periods: Sequence[PeriodFigures]
    clients: Sequence[ClientFigures] = ()
    sessions: Sequence[SessionFigures] = ()
    courses: Sequence[CourseFigures] = ()


def figures_of(sums: Sums) -> Figures:
    return Figures(
        sessions=sums.sessions,
        clients=sums.clients,
        hours=sums.seconds / 3_600,
        sight=share(sums.seen, sums.seconds),
        outside_window=share(sums.hyperarousal + sums.hypoarousal, sums.scored),
        alarmed=share(sums.alarmed, sums.seconds),
        paused=share(sums.paused, sums.seconds),
        sets=sums.sets,
        pauses=sums.pauses,
        client_stops=sums.client_stops,
        alerts=sums.alerts,
        severe_alerts=sums.severe,
        alerts_per_hour=per_hour(sums.alerts, sums.seconds),
        acks=sums.acks,
        ack_mean_s=sums.ack_s_sum / sums.acks if sums.acks else None,
        ack_max_s=sums.ack_s_max,
        sud_pairs=sums.sud_pairs,
        sud_gain=sums.sud_gain / sums.sud_pairs if sums.sud_pairs else None,
    )


def periods_of(periods: Sequence[Period]) -> list[PeriodFigures]:
    return [PeriodFigures(period.since_ms, period.until_ms, figures_of(period.sums)) for period in periods]


def clients_of(clients: Sequence[ClientSums]) -> list[ClientFigures]:
    return [ClientFigures(client.user, client.newest_ms, figures_of(client.sums)) for client in clients]
