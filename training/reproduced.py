"""In: the models as shipped, and as a training has made them anew. Out: whether they are the same models.

The stored answers decide: whoever answers the same rows alike is the same model, whatever the bytes. Figures of a
validation must agree, as the same sessions gave them; those of a test may be from fewer sessions, so there it is asked
whether the intervals meet, all but one in twenty.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from emdr_stream.inference.manifest import MANIFEST, current_versions

ANSWERS_TOLERANCE: Final = 1e-3
"""Of each number of the stored answers, relative where it is beyond 1. On one kind of processor a training gives the
same bytes. Another kind adds in another order, and a long training makes another model of that, as another seed would:
then the answers differ, and what the other lines say counts."""
VALIDATION_TOLERANCE: Final = 0.02
"""Relative where a figure is beyond 1: an alarm that sits on its threshold may go either way."""
APART_OF: Final = 20
"""One of so many test intervals may miss the shipped one: fewer sessions are other ones, and of 95 of 100 some miss."""
_LEANING: Final = {"median_time_to_alarm_s", "p95_time_to_alarm_s"}
"""Percentiles of few delays lean to the early side, and their resampled intervals with them."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """A model as it lay in the folder."""

    version: str
    manifest: Mapping[str, Any]
    vectors: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """One line of the comparison. `difference`: the largest one found, or how many intervals do not meet."""

    model: str
    what: str
    count: int
    difference: float
    allowed: float

    @property
    def same(self) -> bool:
        return self.difference <= self.allowed


def shipped_in(models: Path) -> dict[str, Shipped]:
    """The versions in use, by name; to be read before a training writes into the same folder."""
    found = {}
    for name, version in current_versions(models).items():
        folder = models / name / version
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        vectors = json.loads((folder / manifest["vectors"]).read_text(encoding="utf-8"))
        found[name] = Shipped(version, manifest, vectors)
    return found


def compared(shipped: Mapping[str, Shipped], made: Mapping[str, Shipped]) -> list[Compared]:
    """What was made against what was shipped, for each model that is in both."""
    lines = []
    for name in sorted(shipped.keys() & made.keys()):
        before, now = shipped[name], made[name]
        lines.append(_numbers(name, "stored answers", before.vectors, now.vectors, ANSWERS_TOLERANCE))
        if "validation" in before.manifest:
            lines.append(_numbers(name, "validation", _validation(before), _validation(now), VALIDATION_TOLERANCE))
        pairs = list(_intervals(before.manifest.get("metrics"), now.manifest.get("metrics")))
        if pairs:
            apart = sum(low > high_now or low_now > high for (low, high), (low_now, high_now) in pairs)
            allowed = len(pairs) // APART_OF
            lines.append(Compared(name, "test, intervals that do not meet", len(pairs), apart, allowed))
    return lines


def _validation(model: Shipped) -> object:
    """Shares and thresholds; the counts behind them would say the same, less readably."""
    said = model.manifest.get("validation", {})
    return {part: {k: v for k, v in of.items() if not isinstance(v, list)} for part, of in said.items()}


def _numbers(model: str, what: str, before: object, now: object, allowed: float) -> Compared:
    differences = list(_differences(before, now))
    return Compared(model, what, len(differences), max(differences, default=float("inf")), allowed)


def _differences(before: object, now: object) -> Iterator[float]:
    """Of each number, relative where it is beyond 1; infinite where something is missing or of another form."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in before.keys() | now.keys():
            yield from _differences(before.get(key), now.get(key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for one, other in zip(before, now, strict=True):
            yield from _differences(one, other)
    elif _is_number(before) and _is_number(now):
        yield abs(before - now) / max(1.0, abs(before))  # type: ignore[operator, arg-type]
    elif before != now:
        yield float("inf")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


Interval = tuple[float, float]


def _intervals(before: object, now: object) -> Iterator[tuple[Interval, Interval]]:
    """Of each figure that both have with an interval."""
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        return
    if "low" in before and "low" in now:
        ends = (before["low"], before["high"], now["low"], now["high"])
        if all(map(_is_number, ends)):  # none where nothing was counted
            yield ends[:2], ends[2:]
        return
    for key in (before.keys() & now.keys()) - _LEANING:
        yield from _intervals(before[key], now[key])


def print_comparison(console: Console, lines: list[Compared]) -> bool:
    """The table; whether all is the same."""
    table = Table(title="made anew, against what is shipped")
    for heading in ("model", "what", "numbers", "largest difference", "allowed", "same"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        said = "[green]yes[/green]" if line.same else "[red]no[/red]"
        row = (line.model, line.what, str(line.count), f"{line.difference:.2g}", f"{line.allowed:g}")
        table.add_row(*map(escape, row), said)
    console.print(table)
    return all(line.same for line in lines)
