"""Two versions of a model in, what they differ in out: from the records of a shadow, or of sessions shared out."""

import argparse
import asyncio
import re
import time
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import groupby
from math import isfinite
from typing import Any, Final

from rich.markup import escape

from emdr_stream.cli.command import Subparsers, console, new_parser, table
from emdr_stream.cli.database import database
from emdr_stream.cli.model_steps import Registry
from emdr_stream.errors import ConfigurationError
from emdr_stream.inference.comparison import Alarm, Course, Estimate, Line, compare, compare_groups
from emdr_stream.inference.manifest import EMOTION_SAFETY
from emdr_stream.inference.promotion import is_safety
from emdr_stream.store.model_events import ShadowSecond, shadow_seconds, shared_seconds
from emdr_stream.store.postgres import PostgresStore

_PATIENCE_S: Final = 60.0
_UNITS_S: Final = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}
_GROUP_LINES: Final = {
    "seen": "share of seconds with a good signal",
    "risk": "mean risk",
    "alarmed": "share of seconds at advise or above",
}
_EXAMPLES: Final = """  emdr-stream models compare emotion_safety 2 3               3 stood as a shadow beside 2
  emdr-stream models compare emotion_safety 2 3 --since 14d
  emdr-stream models compare face_expression 1 2              2 had a share of the sessions

Alarms and pauses are those that each version would have given by itself, had nobody resumed anything. The intervals are
bootstrapped over sessions. exit status: 0 compared, 1 nothing to compare"""


def add_action(actions: Subparsers) -> argparse.ArgumentParser:
    says = "compare a version with the one that it stood beside, with the uncertainty of each figure"
    parser = new_parser(actions, "compare", says, _EXAMPLES)
    parser.add_argument("name", metavar="NAME", help="model")
    parser.add_argument("first", metavar="A", help="version in use then")
    parser.add_argument("second", metavar="B", help="version beside it")
    parser.add_argument("--since", default="30d", metavar="TIME", help="how far back, such as 12h, 30d or 8w (30d)")
    return parser


def run(registry: Registry, args: argparse.Namespace) -> int:
    """Print the comparison. Raises ConfigurationError, or StoreUnavailable where there is no database to ask."""
    since_ms = int(time.time() * 1_000) - _seconds(args.since) * 1_000
    return asyncio.run(_run(registry, args.name, (args.first, args.second), since_ms))


async def _run(registry: Registry, name: str, versions: tuple[str, str], since_ms: int) -> int:
    async with database(registry.environment) as url:
        store = PostgresStore(url, timeout_s=_PATIENCE_S, connections=1)
        try:
            shadowed = await store.ask(shadow_seconds(name, versions, since_ms))
            shared = [] if shadowed or is_safety(name) else await store.ask(shared_seconds(name, versions, since_ms))
        finally:
            await store.aclose()
    if shadowed:
        courses = courses_of(shadowed)
        _show(name, versions, compare(courses), _shadow_words(courses, shadowed))
        return 0
    groups = {version: {session: row for session, of, row in shared if of == version} for version in versions}
    if all(groups.values()):
        one, other = (groups[version] for version in versions)
        lines = [compare_groups(_known(one, key), _known(other, key), what) for key, what in _GROUP_LINES.items()]
        _show(name, versions, lines, _group_words(one.keys(), other.keys()))
        return 0
    begin = f"shadow {name} {versions[1]}" if name == EMOTION_SAFETY else f"share {name} {versions[1]} 10%"
    print(
        f"nothing to compare: since then no session was scored by {name} {versions[0]} with {versions[1]} beside it "
        f"(begin with `emdr-stream models {begin}`)"
    )
    return 1


def _known(sessions: Mapping[str, Mapping[str, Any]], key: str) -> list[float]:
    """What is known of each session: without a baseline there is no risk, which is not a risk of none."""
    return [row[key] for row in sessions.values() if row[key] is not None]


def _group_words(one: Set[str], other: Set[str]) -> str:
    both = len(one & other)
    told = f"{len(one)} sessions had the first, {len(other)} the second"
    return f"{told}; {both} of them had both, one after the other" if both else told


def courses_of(seconds: Iterable[ShadowSecond]) -> list[Course]:
    """Seconds, sorted by session, as sessions."""
    return [_course(session, list(own)) for session, own in groupby(seconds, key=lambda second: second.session_id)]


def _course(session: str, own: Sequence[ShadowSecond]) -> Course:
    shadows = [second.shadow for second in own]
    return Course(
        session=session,
        seconds=float(sum(each["rows"] > each["failed"] for each in shadows)),
        risk_apart=sum(each["risk_apart"] for each in shadows),
        crisis_apart=sum(each["crisis_apart"] for each in shadows),
        agreed=sum(each["agreed"] for each in shadows),
        first=_alarms(own, "beside_alarms"),
        second=_alarms(own, "alarms"),
    )


def _alarms(own: Sequence[ShadowSecond], name: str) -> tuple[Alarm, ...]:
    return tuple(
        Alarm(at_ms / 1_000.0, bool(pauses)) for second in own for at_ms, pauses in second.shadow.get(name, ())
    )


def _shadow_words(courses: Sequence[Course], seconds: Sequence[ShadowSecond]) -> str:
    hours = sum(course.seconds for course in courses) / 3_600.0
    failed = sum(second.shadow["failed"] for second in seconds)
    told = f"{len(courses)} sessions, {hours:.2f} h scored by both"
    return f"{told}; the shadow failed on {failed} rows" if failed else told


def _show(name: str, versions: tuple[str, str], lines: Sequence[Line], about: str) -> None:
    grid = table(["", f"{name} {versions[0]}", f"{name} {versions[1]}", "difference"])
    for line in lines:
        apart = _told(line.difference, sign=line.first is not None)
        grid.add_row(*map(escape, (line.what, _told(line.first), _told(line.second), apart)))
    out = console()
    out.print(about, markup=False)
    out.print(grid)
    out.print("95 % intervals over sessions; one that holds 0 shows no difference", markup=False)


def _told(estimate: Estimate | None, *, sign: bool = False) -> str:
    if estimate is None:
        return ""
    if not isfinite(estimate.value):
        return "–"
    if not isfinite(estimate.low):
        return f"{estimate.value:.3g} (of too few sessions for an interval)"
    form: Any = (lambda value: f"{value:+.3g}") if sign else (lambda value: f"{value:.3g}")
    return f"{form(estimate.value)} ({form(estimate.low)} to {form(estimate.high)})"


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if found is None:
        raise ConfigurationError(f"--since: give a number of hours, days or weeks, such as 12h, 30d or 8w; not {text}")
    return int(found[1]) * _UNITS_S[found[2]]
