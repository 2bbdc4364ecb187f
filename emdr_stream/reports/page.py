"""A session's figures, seconds, events and alerts in, a page for print out: one HTML file, no script, no fetch."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Final

from emdr_stream.analytics.figures import SessionFigures
from emdr_stream.analytics.rollup import AlertTold
from emdr_stream.domain import AlertState, Thresholds
from emdr_stream.reports.page_style import STYLE
from emdr_stream.reports.plots import Curve, Level, Mark, Plot, svg_of
from emdr_stream.reports.writing import time_text
from emdr_stream.store.base import RecordKind

Fields = Mapping[str, Any]

CSP: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'"
)
"""The content security policy that the page is served with, and that it carries itself."""
_META_CSP: Final = CSP.replace(" frame-ancestors 'none';", "")
_NOTE: Final = (
    "For the therapist. The curves are estimates of models that were trained on simulated persons; no clinical "
    "evidence stands behind them, and this is no medical device. What was not seen is a gap and no calm."
)
_FROM_THE_START_MS: Final = 2_000
_PAUSE_WORDS: Final = {"client_stop": "stop by the client"}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything of one session. `seconds`: (ms, fields); `events`: (kind, ms, fields); `alerts`: all steps.

    `thresholds`: (ms, what stood from then on), oldest first; none of a time at which it is not known.
    """

    figures: SessionFigures
    seconds: Sequence[tuple[int, Fields]]
    events: Sequence[tuple[RecordKind, int, Fields]]
    alerts: Sequence[AlertTold]
    thresholds: Sequence[tuple[int, Thresholds]]
    made_ms: int


def html_of(report: Report) -> str:
    """The page."""
    figures = report.figures
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_META_CSP)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Session {escape(figures.session_id)}</title><style>{STYLE}</style></head><body><main>",
        f"<h1>Session report</h1><p class=note>{escape(_NOTE)}</p>",
        _head(report),
        _figures_table(figures),
        "<h2>Curves</h2>",
        *(svg_of(plot) for plot in _plots(report)),
        _thresholds_table(report),
        _ratings_table(report),
        _pauses_table(report),
        _alerts_table(report),
        f"<footer>Made {_at(report.made_ms)} by emdr_stream from {figures.seconds} seconds of records.</footer>",
        "</main></body></html>",
    ]
    return "\n".join(parts)


def _head(report: Report) -> str:
    figures = report.figures
    rows = (
        ("Session", figures.session_id),
        ("Client (pseudonym)", figures.user),
        ("Began", _at(figures.began_ms)),
        ("Ended", _at(figures.ended_ms)),
    )
    return _definitions(rows)


def _figures_table(figures: SessionFigures) -> str:
    states = ("calm", "processing", "hyperarousal", "hypoarousal", "drowsy")
    rows = [
        ("Length", _duration(figures.ended_ms - figures.began_ms)),
        ("Sight of the client", _share(figures.sight)),
        ("Outside the window of tolerance", _share(figures.outside)),
        *((f"Time {state}", _minutes(getattr(figures, state))) for state in states),
        ("Paused", _minutes(figures.paused)),
        ("Highest risk and crisis", f"{_number(figures.risk_max)}, {_number(figures.crisis_max)}"),
        ("SUD, first and last", f"{_number(figures.sud_first)}, {_number(figures.sud_last)}"),
        ("VoC, first and last", f"{_number(figures.voc_first)}, {_number(figures.voc_last)}"),
        ("Sets", str(figures.sets)),
        ("Pauses, of them stops by the client", f"{figures.pauses}, {figures.client_stops}"),
        ("Alerts, of them high or critical", f"{figures.alerts}, {figures.severe}"),
    ]
    return "<h2>Figures</h2>" + _definitions(rows)


def _plots(report: Report) -> list[Plot]:
    figures, marks = report.figures, _marks(report)
    length_s = max(1.0, (figures.ended_ms - figures.began_ms) / 1_000)

    def curve(name: str, css: str) -> Curve:
        points = [((ts_ms - figures.began_ms) / 1_000, fields.get(name)) for ts_ms, fields in report.seconds]
        return Curve(name, css, points)

    told = f"{_duration(figures.ended_ms - figures.began_ms)}, {figures.sets} sets, {figures.pauses} pauses. "
    feelings = [curve("valence", "valence"), curve("arousal", "arousal")]
    return [
        Plot("Valence and arousal, −1 to 1", told + _means(figures), -1.0, 1.0, length_s, feelings, marks),
        Plot("Attention, 0 to 1", told, 0.0, 1.0, length_s, [curve("attention", "attention")], marks),
        Plot(
            "Risk and crisis, estimated probabilities",
            f"{told}Highest risk {_number(figures.risk_max)}, highest crisis {_number(figures.crisis_max)}.",
            0.0,
            1.0,
            length_s,
            [curve("risk", "risk"), curve("crisis", "crisis")],
            marks,
            _levels(report, "risk", "risk: advice") + _levels(report, "crisis_pause", "crisis: pause"),
        ),
    ]


def _levels(report: Report, name: str, told: str) -> list[Level]:
    """One threshold as it stood, a line for each value; the last one has its name at it."""
    figures, found = report.figures, list[Level]()
    begins = [ts_ms for ts_ms, _ in report.thresholds]
    ends = [*begins[1:], max([figures.ended_ms, *begins[-1:]])]  # the newest may have come behind the last second
    for (ts_ms, thresholds), end_ms in zip(report.thresholds, ends, strict=False):
        value = getattr(thresholds, name)
        from_s, until_s = ((ms - figures.began_ms) / 1_000 for ms in (ts_ms, end_ms))
        if found and found[-1].value == value:
            from_s = found.pop().from_s
        found.append(Level(value, told, from_s, until_s, label=False))
    return found[:-1] + [replace(level, label=True) for level in found[-1:]]


def _thresholds_table(report: Report) -> str:
    if not report.thresholds:
        return (
            "<h2>Thresholds</h2><p>Not known: the records of this session do not tell which ones stood, so the curves "
            "show none.</p>"
        )
    rows = [
        (_clock(report, ts_ms), *(f"{value:g}" for value in (t.risk, t.crisis_pause, t.crisis_immediate)))
        for ts_ms, t in report.thresholds
    ]
    if report.thresholds[0][0] - report.figures.began_ms > _FROM_THE_START_MS:
        rows.insert(0, ("0:00", *["not known"] * 3))
    heads = ("from", "risk: advice", "crisis: pause", "crisis: immediate intervention")
    return _table("Thresholds", heads, rows)


def _means(figures: SessionFigures) -> str:
    return f"Mean valence {_number(figures.valence_mean)}, mean arousal {_number(figures.arousal_mean)}."


def _marks(report: Report) -> list[Mark]:
    """Sets as stretches, pauses as moments."""
    began_ms, found = report.figures.began_ms, []
    running: tuple[float, Any] | None = None
    for kind, ts_ms, fields in report.events:
        at_s, action = (ts_ms - began_ms) / 1_000, fields.get("action")
        if kind is RecordKind.SET and action == "start":
            running = (at_s, fields.get("set_no"))
        elif kind is RecordKind.SET and running is not None:
            found.append(Mark(running[0], "set", f"set {running[1]}", at_s))
            running = None
        elif kind is RecordKind.CONTROL and action == "pause":
            found.append(Mark(at_s, "pause", f"pause: {fields.get('reason')}"))
    return found


def _ratings_table(report: Report) -> str:
    rows = [
        (_clock(report, ts_ms), str(fields.get("scale", "")).upper(), _number(fields.get("value")))
        for kind, ts_ms, fields in report.events
        if kind is RecordKind.RATING
    ]
    return _table("Ratings", ("after", "scale", "value"), rows)


def _pauses_table(report: Report) -> str:
    rows = []
    for kind, ts_ms, fields in report.events:
        if kind is RecordKind.CONTROL and fields.get("action") in ("pause", "resume"):
            reason = str(fields.get("reason") or fields.get("by") or "")
            rows.append(
                (_clock(report, ts_ms), str(fields["action"]), _PAUSE_WORDS.get(reason, reason.replace("_", " ")))
            )
    return _table("Pauses and resumes", ("after", "what", "reason, or by whom"), rows)


def _alerts_table(report: Report) -> str:
    by_alert: dict[str, list[AlertTold]] = {}
    for step in report.alerts:
        by_alert.setdefault(step.alert_id, []).append(step)
    rows = []
    for steps in by_alert.values():
        first, acks = steps[0], [s for s in steps if s.state is AlertState.ACKNOWLEDGED]
        waited = f"{(acks[0].ts - acks[0].raised_ts) / 1_000:.1f} s" if acks else "never"
        told = (first.kind.value.replace("_", " "), first.severity.value, waited, steps[-1].state.value)
        rows.append((_clock(report, first.raised_ts), *told))
    return _table("Alerts", ("after", "kind", "severity", "acknowledged after", "now"), rows)


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return f"<h2>{escape(title)}</h2><p>None.</p>"
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _definitions(rows: Sequence[tuple[str, str]]) -> str:
    return (
        "<dl>" + "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(told)}</dd></div>" for name, told in rows) + "</dl>"
    )


def _at(ts_ms: int) -> str:
    return time_text(ts_ms)[:19].replace("T", " ") + " UTC"


def _clock(report: Report, ts_ms: int) -> str:
    seconds = max(0, (ts_ms - report.figures.began_ms) // 1_000)
    return f"{seconds // 60}:{seconds % 60:02d}"


def _duration(length_ms: int) -> str:
    return f"{length_ms / 60_000:.1f} min"


def _minutes(seconds: int) -> str:
    return f"{seconds / 60:.1f} min"


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
