"""A session's rows in, its figures out: the sums that PostgreSQL makes in `store/rollups.py`, and the test of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from emdr_stream.analytics.figures import SessionFigures, Sums
from emdr_stream.domain import MODEL_STATES, AlertKind, AlertState, SafetyLevel, Severity, SignalStatus, Status

SEEN: Final = frozenset({SignalStatus.OK, SignalStatus.DEGRADED})
CAUTIOUS: Final = frozenset({SafetyLevel.WATCH, SafetyLevel.ADVISE})
ALARMED: Final = frozenset({SafetyLevel.PAUSE, SafetyLevel.ESCALATE})
SEVERE: Final = frozenset({Severity.HIGH, Severity.CRITICAL})

Fields = Mapping[str, Any]


class AlertTold(msgspec.Struct, frozen=True, gc=False):
    """What of an alert's step the figures need; the payload is the JSON of `AlertBody`."""

    alert_id: str
    kind: AlertKind
    severity: Severity
    state: AlertState
    ts: int
    raised_ts: int


_ALERT: Final = msgspec.json.Decoder(AlertTold)


def roll_up(
    begun: SessionFigures,
    seconds: Sequence[tuple[int, Fields]],
    events: Sequence[tuple[str, int, Fields]],
    alerts: Iterable[bytes],
) -> SessionFigures:
    """`begun`: id, user and the time at which the session was opened; `seconds`: (ms, fields), oldest first; `events`:
    (kind, ms, fields), oldest first; `alerts`: payloads of all steps."""
    rows = [fields for _, fields in seconds]
    states = Counter(fields.get("state") for fields in rows)
    levels = Counter(fields.get("level") for fields in rows)
    signals = Counter(fields.get("signal") for fields in rows)
    times = [ts_ms for ts_ms, _ in seconds] or [begun.began_ms]
    risk, crisis = _present(rows, "risk"), _present(rows, "crisis")
    pauses = _pauses(events)
    sud, voc = _first_and_last(events, "sud"), _first_and_last(events, "voc")
    figures = replace(
        begun,
        began_ms=min(begun.began_ms, times[0]),
        ended_ms=max(begun.began_ms, times[-1]),
        seconds=len(rows),
        seen=sum(signals[name] for name in SEEN),
        scored=sum(states[label] for label in MODEL_STATES),
        calm=states["calm"],
        processing=states["processing"],
        hyperarousal=states["hyperarousal"],
        hypoarousal=states["hypoarousal"],
        drowsy=states["drowsy"],
        cautious=sum(levels[name] for name in CAUTIOUS),
        alarmed=sum(levels[name] for name in ALARMED),
        paused=sum(fields.get("status") == Status.PAUSED for fields in rows),
        risk_mean=_mean(risk),
        risk_max=max(risk, default=None),
        crisis_max=max(crisis, default=None),
        valence_mean=_mean(_present(rows, "valence")),
        arousal_mean=_mean(_present(rows, "arousal")),
        attention_mean=_mean(_present(rows, "attention")),
        sets=sum(kind == "set" and fields.get("action") == "start" for kind, _, fields in events),
        pauses=len(pauses),
        client_stops=sum("client_stop" in causes for causes in pauses),
        sud_first=sud[0],
        sud_last=sud[1],
        voc_first=voc[0],
        voc_last=voc[1],
    )
    return with_alerts(figures, alerts)


def with_alerts(figures: SessionFigures, payloads: Iterable[bytes]) -> SessionFigures:
    """The figures with what the steps of the session's alerts tell; a step that cannot be read is left out."""
    raised: Counter[str] = Counter()
    known: set[str] = set()
    severe, waits = 0, []
    for step in filter(None, map(alert_told, payloads)):
        if step.state is AlertState.RAISED and step.alert_id not in known:  # one that rises is raised once more
            known.add(step.alert_id)
            raised[step.kind.value] += 1
            severe += step.severity in SEVERE
        elif step.state is AlertState.ACKNOWLEDGED:
            waits.append(max(0, step.ts - step.raised_ts) / 1_000)
    return replace(
        figures,
        alerts=raised.total(),
        severe=severe,
        acks=len(waits),
        ack_s_sum=sum(waits),
        ack_s_max=max(waits, default=None),
        kinds=dict(sorted(raised.items())),
    )


def alert_told(payload: bytes) -> AlertTold | None:
    """None for what is no alert that can be read."""
    try:
        return _ALERT.decode(payload)
    except msgspec.MsgspecError:
        return None


def summed(sessions: Iterable[SessionFigures]) -> Sums:
    """The sums of these sessions."""
    found = list(sessions)
    gains = [session.sud_gain for session in found if session.sud_gain is not None]
    waits = [session.ack_s_max for session in found if session.ack_s_max is not None]
    added = {name: sum(getattr(session, name) for session in found) for name in ADDED}
    return Sums(
        sessions=len(found),
        clients=len({session.user for session in found}),
        **added,
        ack_s_max=max(waits, default=None),
        sud_pairs=len(gains),
        sud_gain=sum(gains),
    )


ADDED: Final = (
    "seconds",
    "seen",
    "scored",
    "hyperarousal",
    "hypoarousal",
    "alarmed",
    "paused",
    "sets",
    "pauses",
    "client_stops",
    "alerts",
    "severe",
    "acks",
    "ack_s_sum",
)


def _pauses(events: Sequence[tuple[str, int, Fields]]) -> list[set[Any]]:
    """The causes of each pause: one that is told again because it was made stricter is the same until the resume."""
    found: list[set[Any]] = []
    paused = False
    for action, fields in ((fields.get("action"), fields) for kind, _, fields in events if kind == "control"):
        if action == "pause":
            if not paused:
                found.append(set())
            found[-1].add(fields.get("reason"))
        if action in ("pause", "resume"):
            paused = action == "pause"
    return found


def _first_and_last(events: Sequence[tuple[str, int, Fields]], scale: str) -> tuple[float | None, float | None]:
    """One rating alone is the last and not the first: nothing can be said of a change."""
    given = [float(fields["value"]) for kind, _, fields in events if kind == "rating" and fields.get("scale") == scale]
    return (given[0] if len(given) > 1 else None), (given[-1] if given else None)


def _present(rows: Sequence[Fields], name: str) -> list[float]:
    return [float(fields[name]) for fields in rows if fields.get(name) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
