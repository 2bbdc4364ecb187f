"""In: nothing. Out: the rows that analytics works on: one session summed up, sums of many, a questionnaire's result."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from emdr_stream.progress.measures import Measure


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """One session, summed up from its rows. Times in ms of the Unix epoch, counts of seconds, means of 0..1 or -1..1.

    `seconds`: rows of seconds; of them `seen` with a sight of the client, `scored` with an estimated state, which is
    one of the five that follow. `cautious`: safety level watch or advise, `alarmed`: pause or escalate; `paused`: the
    session's own status. `client_stops` are among `pauses`; a pause that was made stricter is one. `severe`: alerts of
    severity high or critical. `acks`, `ack_s_sum`, `ack_s_max`: acknowledgements and the seconds that they took. One
    rating alone is the last of its scale, and there is no first one. None is what was never there.
    """

    session_id: str
    user: str
    began_ms: int
    ended_ms: int
    seconds: int = 0
    seen: int = 0
    scored: int = 0
    calm: int = 0
    processing: int = 0
    hyperarousal: int = 0
    hypoarousal: int = 0
    drowsy: int = 0
    cautious: int = 0
    alarmed: int = 0
    paused: int = 0
    risk_mean: float | None = None
    risk_max: float | None = None
    crisis_max: float | None = None
    valence_mean: float | None = None
    arousal_mean: float | None = None
    attention_mean: float | None = None
    sud_first: float | None = None
    sud_last: float | None = None
    voc_first: float | None = None
    voc_last: float | None = None
    sets: int = 0
    pauses: int = 0
    client_stops: int = 0
    alerts: int = 0
    severe: int = 0
    acks: int = 0
    ack_s_sum: float = 0.0
    ack_s_max: float | None = None
    kinds: Mapping[str, int] = field(default_factory=dict)

    @property
    def outside(self) -> float | None:
        """Share of the scored seconds outside the window of tolerance: over- or underaroused. None without any."""
        return (self.hyperarousal + self.hypoarousal) / self.scored if self.scored else None

    @property
    def sight(self) -> float | None:
        """Share of the seconds with a sight of the client. None without any."""
        return self.seen / self.seconds if self.seconds else None

    @property
    def sud_gain(self) -> float | None:
        """Points by which SUD fell from the first to the last rating. None where there are no two."""
        if self.sud_first is None or self.sud_last is None:
            return None
        return self.sud_first - self.sud_last


@dataclass(frozen=True, slots=True)
class Sums:
    """Many sessions, added up; the names are those of SessionFigures. `clients`: different persons.

    `sud_pairs`: sessions with a first and a last SUD, `sud_gain`: the points by which it fell in them, added up.
    """

    sessions: int = 0
    clients: int = 0
    seconds: int = 0
    seen: int = 0
    scored: int = 0
    hyperarousal: int = 0
    hypoarousal: int = 0
    alarmed: int = 0
    paused: int = 0
    sets: int = 0
    pauses: int = 0
    client_stops: int = 0
    alerts: int = 0
    severe: int = 0
    acks: int = 0
    ack_s_sum: float = 0.0
    ack_s_max: float | None = None
    sud_pairs: int = 0
    sud_gain: float = 0.0


@dataclass(frozen=True, slots=True)
class Period:
    """Sums of the sessions that began within [`since_ms`, `until_ms`)."""

    since_ms: int
    until_ms: int
    sums: Sums


@dataclass(frozen=True, slots=True)
class ClientSums:
    """Sums of one client's sessions, and when the newest of them began."""

    user: str
    newest_ms: int
    sums: Sums


@dataclass(frozen=True, slots=True)
class SessionRating:
    """A rating that a client gave within a session: `scale` sud (0..10) or voc (1..7)."""

    session_id: str
    ts_ms: int
    scale: str
    value: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A rating from outside a session, as a questionnaire gives it. `target`: the memory, empty for PCL-5; `by`: who
    entered it. Checked by `emdr_stream.progress.course.rating`."""

    user: str
    measure: Measure
    value: float
    ts_ms: int
    target: str = ""
    by: str = ""
