"""A row of a store in, the step of an alert that it keeps out."""

import json

from tests.chaos.history import Step


def step_of(session_id: str, alert_seq: int, epoch: int, ts_ms: int, payload: bytes) -> Step:
    """Read the payload as the service writes it: JSON of the alert."""
    body = json.loads(payload)
    return Step(
        session_id=session_id,
        alert_seq=alert_seq,
        alert_id=body["alert_id"],
        state=body["state"],
        epoch=epoch,
        ts_ms=ts_ms,
        severity=body["severity"],
        raised_ts=body["raised_ts"],
        ack_deadline_ts=body.get("ack_deadline_ts"),
    )
