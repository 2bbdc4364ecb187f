"""Takes an alert entry (payload: JSON of `AlertBody`), gives which alert it is a step of and the state it leads to."""

from collections.abc import Iterable

import msgspec

from emdr_stream.broker.base import AlertEntry
from emdr_stream.domain import AlertState


class AlertStep(msgspec.Struct, frozen=True, gc=False):
    """The two fields of an alert's payload that its life depends on."""

    alert_id: str
    state: AlertState


_STEP = msgspec.json.Decoder(AlertStep)


def alert_step(entry: AlertEntry) -> AlertStep:
    """Read the payload; one that cannot be read is an alert of its own and stays open, so that it is never hidden."""
    try:
        return _STEP.decode(entry.payload)
    except msgspec.MsgspecError:
        return AlertStep(f"{entry.session_id}#{entry.alert_seq}", AlertState.RAISED)


def open_steps(entries: Iterable[AlertEntry]) -> list[AlertEntry]:
    """The newest entry of each alert that is not resolved, in order of (session_id, alert_seq)."""
    newest: dict[tuple[str, str], tuple[AlertEntry, AlertState]] = {}
    for entry in sorted(entries, key=lambda e: (e.session_id, e.alert_seq)):
        step = alert_step(entry)
        newest[entry.session_id, step.alert_id] = (entry, step.state)
    still_open = (entry for entry, state in newest.values() if state is not AlertState.RESOLVED)
    return sorted(still_open, key=lambda e: (e.session_id, e.alert_seq))
