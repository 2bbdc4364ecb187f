"""Figures in, insights out: what changed, how sure that is, or why nothing can be said; `words.py` says it.

Many things are looked at at once, so some will seem to have changed by chance: `likely` is one in ten. Nothing here is
a cause: a change beside another one is only beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from emdr_stream.analytics.courses import CourseFigures
from emdr_stream.analytics.estimates import Estimate, Sure, shift
from emdr_stream.analytics.figures import ClientSums, SessionFigures
from emdr_stream.analytics.measures import OF_CLIENTS, OF_SESSIONS, Look
from emdr_stream.progress.measures import SCALES
from emdr_stream.progress.signs import SignKind

Unit = TypeVar("Unit")

RECENT: Final = 4
"""The newest sessions, against all before them: the fewest of which an interval can be given."""


class InsightKind(StrEnum):
    DETERIORATION = "deterioration"
    STALL = "stall"
    ONE_WORSE = "one_worse_session"
    RELIABLE_CHANGE = "reliable_change"
    GOALS_MET = "goals_met"
    NOT_RELIABLE = "no_reliable_change"
    CHANGED = "changed"
    LITTLE = "changed_little"
    UNCHANGED = "no_change_seen"
    NOT_ENOUGH = "not_enough_data"


@dataclass(frozen=True, slots=True)
class Insight:
    """`subject`: what it is about, the name of a Look or of a measure; `target`: the memory, if it is of one; `unit` of
    the numbers; `of`: what was counted: sessions, clients or ratings. `better`: whether the change is one for the
    better, None where neither is. `numbers`: everything behind it, by name; None is what is not known."""

    kind: InsightKind
    subject: str
    unit: str
    of: str
    sure: Sure
    better: bool | None
    numbers: Mapping[str, float | None]
    target: str = ""


def of_client(sessions: Sequence[SessionFigures], courses: Sequence[CourseFigures]) -> list[Insight]:
    """The newest sessions against those before, and what the courses show; what matters most first."""
    ordered = sorted(sessions, key=lambda session: (session.began_ms, session.session_id))
    found = [insight for course in courses for insight in of_course(course)]
    return _ordered(found + _compared(ordered[:-RECENT], ordered[-RECENT:], OF_SESSIONS, "sessions"))


def of_clients(before: Sequence[ClientSums], after: Sequence[ClientSums]) -> list[Insight]:
    """The clients of a period against those of the period before it."""
    return _ordered(_compared([c.sums for c in before], [c.sums for c in after], OF_CLIENTS, "clients"))


def of_course(course: CourseFigures) -> list[Insight]:
    """What a course of ratings shows by itself; its sureness is that of the rule that found it."""
    values, scale = course.values, SCALES[course.measure]
    limit = scale.noise if scale.reliable_change is None else scale.reliable_change
    numbers: dict[str, float | None] = {
        "first": values[0],
        "last": values[-1],
        "gained": course.gained,
        "limit": limit,
        "ratings": float(len(values)),
        "first_session": float(course.sessions[0]),
        "last_session": float(course.sessions[-1]),
        "goals_met": float(len(course.goals)),
        "goals": float(len(scale.goals)),
    }

    def insight(kind: InsightKind, sure: Sure, better: bool | None) -> Insight:
        return Insight(kind, course.measure.value, "points", "ratings", sure, better, numbers, course.target)

    if len(values) < 2:
        return [insight(InsightKind.NOT_ENOUGH, Sure.NOT_ENOUGH, None)]
    return [insight(*told) for told in _told_of(course)]


def _told_of(course: CourseFigures) -> list[tuple[InsightKind, Sure, bool | None]]:
    signs = set(course.signs)
    found: list[tuple[InsightKind, Sure, bool | None]] = []
    if SignKind.DETERIORATION in signs:
        found.append((InsightKind.DETERIORATION, Sure.CLEAR, False))
    if SignKind.ONE_WORSE in signs:
        found.append((InsightKind.ONE_WORSE, Sure.UNCLEAR, False))
    if SignKind.STALL in signs:
        found.append((InsightKind.STALL, Sure.LIKELY, False))
    if len(course.goals) == len(SCALES[course.measure].goals):
        found.append((InsightKind.GOALS_MET, Sure.LIKELY, True))
    if course.reliable:
        found.append((InsightKind.RELIABLE_CHANGE, Sure.CLEAR, True))
    elif course.reliable is not None and not found:
        found.append((InsightKind.NOT_RELIABLE, Sure.UNCLEAR, None))
    return found


def _compared(
    before: Sequence[Unit], after: Sequence[Unit], looks: Mapping[Look, Callable[[Unit], float | None]], of: str
) -> list[Insight]:
    found = []
    for look, read in looks.items():
        first, second = ([v for unit in units if (v := read(unit)) is not None] for units in (before, after))
        found.append(_change(look, shift(first, second), of))
    return found


def _change(look: Look, estimate: Estimate, of: str) -> Insight:
    numbers: dict[str, float | None] = {
        "before": estimate.before,
        "after": estimate.after,
        "change": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n_before": float(estimate.n_before),
        "n_after": float(estimate.n_after),
    }
    change = estimate.value or 0.0
    better = (change > 0) == (look.better > 0) if look.better and change else None
    kind = _kind_of(look, estimate)
    return Insight(kind, look.name, look.unit, of, estimate.sure, better, numbers)


def _kind_of(look: Look, estimate: Estimate) -> InsightKind:
    if estimate.sure is Sure.NOT_ENOUGH:
        return InsightKind.NOT_ENOUGH
    if estimate.sure is Sure.UNCLEAR:
        return InsightKind.UNCHANGED
    return InsightKind.CHANGED if abs(estimate.value or 0.0) >= look.least else InsightKind.LITTLE


def _ordered(insights: Sequence[Insight]) -> list[Insight]:
    """Worsening first, then what is surest; what cannot be said last."""
    kinds, sureness = list(InsightKind), list(Sure)
    return sorted(insights, key=lambda i: (kinds.index(i.kind), sureness.index(i.sure), i.subject, i.target))
