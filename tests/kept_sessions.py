"""Records and alerts of whole sessions, as the service leaves them behind; drawn with a seed."""

import random
from typing import Any

import msgspec

from emdr_stream.broker.base import AlertEntry
from emdr_stream.domain import SIGNALS
from emdr_stream.store.base import Record, RecordKind

DAY0 = 1_772_409_600_000
"""2026-03-02, midnight UTC: long ago, so that the sessions are over."""
STATES = ("calm", "processing", "hyperarousal", "hypoarousal", "drowsy", "unknown")
LEVELS = ("normal", "watch", "advise", "pause", "escalate")


def second(rng: random.Random, session_id: str, user: str, ts_ms: int, epoch: int = 1) -> Record:
    fields: dict[str, Any] = {name: round(rng.uniform(0, 1), 4) for name in SIGNALS}
    fields |= {"valence": round(rng.uniform(-1, 1), 4), "heart_rate": None}
    fields |= {"state": rng.choice(STATES), "level": rng.choice(LEVELS), "status": rng.choice(("running", "paused"))}
    fields["signal"] = rng.choice(("ok", "degraded", "stale", "lost"))
    fields["risk"] = None if fields["state"] == "unknown" else round(rng.uniform(0, 1), 4)
    fields["crisis"] = fields["risk"]
    return Record(RecordKind.SECOND, session_id, user, epoch, ts_ms, fields)


def session(session_id: str, user: str, began_ms: int, seconds: int = 120, seed: int = 1) -> list[Record]:
    """Rows of a whole session, closed at its end."""
    rng = random.Random(seed)

    def record(kind: RecordKind, at_s: float, **fields: object) -> Record:
        return Record(kind, session_id, user, 1, began_ms + int(1_000 * at_s), fields)

    return [
        record(RecordKind.SESSION, 0, action="opened", source="emotion"),
        *(second(rng, session_id, user, began_ms + 1_000 * s) for s in range(1, seconds + 1)),
        record(RecordKind.RATING, 2, scale="sud", value=8.0),
        record(RecordKind.RATING, 90, scale="sud", value=float(seed % 5)),
        record(RecordKind.RATING, 91, scale="voc", value=5.0),
        record(RecordKind.SET, 5, action="start", set_no=1),
        record(RecordKind.SET, 40, action="end", set_no=1),
        record(RecordKind.SET, 50, action="start", set_no=2),
        record(RecordKind.CONTROL, 60, action="pause", reason="client_stop"),
        record(RecordKind.CONTROL, 70, action="resume", by="client"),
        record(RecordKind.CONTROL, 80, action="pause", reason="crisis"),
        record(RecordKind.CONTROL, 81, action="applied", control_epoch=2, stopped=True),
        record(RecordKind.SESSION, seconds, action="closed", reason="bye"),
    ]


def alert(
    session_id: str, user: str, seq: int, ts_ms: int, *, name: str = "a1", state: str = "raised", kind: str = "crisis"
) -> AlertEntry:
    body = {"alert_id": f"{session_id}.{name}", "session_id": session_id, "alert_seq": seq, "kind": kind}
    body |= {"severity": "critical", "state": state, "ts": ts_ms, "raised_ts": DAY0 + 80_000, "evidence": []}
    return AlertEntry(session_id, user, seq, 1, ts_ms, msgspec.json.encode(body))


def alerts_of(session_id: str, user: str) -> list[AlertEntry]:
    return [
        alert(session_id, user, 1, DAY0 + 80_000),
        alert(session_id, user, 2, DAY0 + 92_500, state="acknowledged"),
        alert(session_id, user, 3, DAY0 + 99_000, state="resolved"),
        alert(session_id, user, 4, DAY0 + 100_000, name="a2", kind="signal_lost"),
    ]
