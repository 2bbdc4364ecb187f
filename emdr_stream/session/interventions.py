"""A cause in, what to say to the client out: every pause says something, in plain and steady words."""

from typing import Final

from emdr_stream.domain import PauseCause, Severity
from emdr_stream.wire.values import Intervention


def _say(kind: str, instructions: str, seconds: float, priority: Severity) -> Intervention:
    return Intervention(type=kind, instructions=instructions, duration=seconds, priority=priority)


IMMEDIATE: Final = _say(
    "grounding",
    "The light has stopped. You are here, now. Press both feet into the floor and name five things that you can see. "
    "Your therapist is being told.",
    120.0,
    Severity.CRITICAL,
)
"""Crisis probability above the higher threshold (0.8)."""

CAUTIOUS: Final = _say(
    "breathing",
    "Let your breath become a little slower: in through the nose, and a longer breath out. You can stop at any time.",
    60.0,
    Severity.MEDIUM,
)
"""Risk above its threshold (0.6): no pause."""

WORDS: Final = {
    "grounding": _say(
        "grounding",
        "Press both feet into the floor and look around the room. Name three things that you can see.",
        60.0,
        Severity.MEDIUM,
    ),
    "breathing": CAUTIOUS,
}
"""What is said where a person asks for it without words of their own, by type."""

FOR_PAUSE: Final[dict[PauseCause, Intervention]] = {
    PauseCause.CLIENT_STOP: _say(
        "grounding",
        "You stopped, and that is right. Look around the room and let your eyes rest on something that you like.",
        60.0,
        Severity.HIGH,
    ),
    PauseCause.CRISIS: _say(
        "grounding",
        "The light has stopped. Press both feet into the floor and look around the room. Name three things that you "
        "can see. Your therapist is being told.",
        120.0,
        Severity.HIGH,
    ),
    PauseCause.DISSOCIATION: _say(
        "grounding",
        "Let us come back into the room. Say out loud where you are and what day it is. Move your fingers and toes.",
        120.0,
        Severity.HIGH,
    ),
    PauseCause.SIGNAL_LOST: _say(
        "grounding",
        "The camera has lost sight of you, so the light rests. Sit so that your face is seen, and take a calm breath.",
        30.0,
        Severity.MEDIUM,
    ),
    PauseCause.MANY_FACES: _say(
        "grounding",
        "More than one face is in the picture, so the light rests. Go on when you are by yourself again.",
        30.0,
        Severity.MEDIUM,
    ),
    PauseCause.DEGRADED: _say(
        "grounding",
        "The light rests for a technical reason. Nothing is wrong with you. Take a calm breath; go on when you like.",
        30.0,
        Severity.MEDIUM,
    ),
    PauseCause.CLIENT_DISCONNECTED: _say(
        "grounding",
        "The connection was lost and is back. Take a moment, feel your feet on the floor. Go on when you are ready.",
        30.0,
        Severity.MEDIUM,
    ),
    PauseCause.THERAPIST: _say(
        "breathing",
        "Your therapist has paused the light. Breathe calmly; your therapist will speak to you.",
        60.0,
        Severity.MEDIUM,
    ),
}
"""What accompanies each pause. Emergency contacts are never called by software: a person does that."""
