"""What a crash may have taken from a session: its last messages, and with them perhaps a therapist's pause.

An heir knows the newest snapshot, and what the client that comes back has heard. Numbers that may have been used are
not used again. Who heard more than was saved may have heard a pause that nobody knows of: only a therapist resumes.
"""

from typing import Final

from emdr_stream.domain import PauseCause, ResumeRequires
from emdr_stream.session.care import Care

_UNSEEN: Final = 16
"""More durable messages than a session says between two snapshots, which follow each of them at once."""
_AT_MOST: Final = 10_000
"""Nobody was told more than this since a snapshot; who says so makes it up."""


def distrust(care: Care, at_ms: int) -> None:
    """What the session did last is lost, perhaps a pause of a therapist's: only a therapist may resume."""
    care.pause(PauseCause.CLIENT_DISCONNECTED, at_ms, with_alert=False, requires=ResumeRequires.THERAPIST)


def count_on(care: Care) -> None:
    """Taken over from a dead owner, whose last messages the snapshot may lack: their numbers are not used again."""
    state = care.state
    if state.sure_seq is None:
        state.sure_seq = state.seq
    state.seq += _UNSEEN
    care.control.state.control_epoch += _UNSEEN


def check_heard(care: Care, last_seq: int | None, at_ms: int) -> None:
    """A client is here, having heard up to `last_seq`: if that is more than was saved, the rest is lost."""
    state = care.state
    sure, state.sure_seq = state.sure_seq, None
    if last_seq is None:
        return
    if last_seq > state.seq:
        heal(care, last_seq, at_ms)
    elif sure is not None and last_seq > sure:
        distrust(care, at_ms)


def heal(care: Care, last_seq: int, at_ms: int) -> None:
    """The client was told up to `last_seq`, which is more than the snapshot knows; the rest is lost.

    A number that was used means what it meant then: counting goes on behind it, also that of control messages,
    each of which had a number. A client drops what it takes for a repeat, and must not drop a pause.
    """
    state, control = care.state, care.control.state
    lost = min(last_seq - state.seq, _AT_MOST)
    state.seq += lost
    control.control_epoch += lost
    counted = state.seq
    distrust(care, at_ms)
    if state.seq == counted:
        control.control_epoch += 1
        care.tell_pause(at_ms)
